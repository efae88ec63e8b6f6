"""What each state of DOMAIN.md section 5 is called on a page, and the signal it is shown with.

Tones: `good` done well, `info` under way, `wait` somebody must act or time must pass, `bad` went wrong, `void` ended without
effect, `mute` not begun, `live` happening now.
"""

LABELS: dict[str, dict[str, tuple[str, str]]] = {
    "event": {"scheduled": ("Scheduled", "info"), "cancelled": ("Cancelled", "bad")},
    "trip": {
        "draft": ("Draft", "mute"),
        "open": ("Open for pledges", "wait"),
        "confirmed": ("Confirmed", "good"),
        "allocated": ("Bus assigned", "good"),
        "departed": ("On the road", "live"),
        "completed": ("Completed", "void"),
        "expired": ("Did not run", "void"),
        "cancelled": ("Cancelled", "bad"),
    },
    "pledge": {
        "pending_card": ("Card needed", "wait"),
        "active": ("Pledged", "info"),
        "confirmed": ("Confirmed", "good"),
        "paid": ("Paid", "good"),
        "travelled": ("Travelled", "void"),
        "no_show": ("Did not board", "void"),
        "lapsed": ("Lapsed", "void"),
        "refused": ("Card refused", "bad"),
        "withdrawn": ("Withdrawn", "void"),
        "released": ("Released", "void"),
        "dropped": ("Dropped, unpaid", "bad"),
        "refunded": ("Refunded", "void"),
    },
    "payment": {
        "due": ("Due", "mute"),
        "submitting": ("Being charged", "info"),
        "succeeded": ("Charged", "good"),
        "needs_action": ("Bank approval needed", "wait"),
        "retryable": ("Failed, will retry", "bad"),
        "unknown": ("Being checked", "wait"),
        "abandoned": ("Given up", "bad"),
        "void": ("Not charged", "void"),
        "disputed": ("Disputed", "bad"),
        "won": ("Dispute won", "good"),
        "lost": ("Dispute lost", "bad"),
    },
    "refund": {
        "due": ("Due", "mute"),
        "submitting": ("Being refunded", "info"),
        "succeeded": ("Refunded", "good"),
        "failed": ("Failed", "bad"),
        "unknown": ("Being checked", "wait"),
    },
    "dispute": {
        "open": ("Answer needed", "wait"),
        "submitting": ("Being sent", "info"),
        "unknown": ("Being checked", "wait"),
        "under_review": ("With the bank", "info"),
        "won": ("Won", "good"),
        "lost": ("Lost", "bad"),
    },
    "offer": {
        "proposed": ("Proposed", "mute"),
        "sent": ("Awaiting answer", "wait"),
        "accepted": ("Accepted", "good"),
        "declined": ("Declined", "void"),
        "expired": ("Expired", "void"),
        "withdrawn": ("Withdrawn", "void"),
        "failed": ("Pulled out", "bad"),
    },
    "transfer": {
        "offered": ("Waiting for an answer", "wait"),
        "accepted": ("Passed on", "good"),
        "cancelled": ("Taken back", "void"),
        "expired": ("Expired", "void"),
    },
    "waitlist": {
        "waiting": ("Waiting", "wait"),
        "offered": ("Seats offered", "good"),
        "left": ("Left the line", "void"),
        "ended": ("Line closed", "void"),
    },
    "payee": {
        "not_started": ("Not started", "wait"),
        "information_needed": ("Information needed", "wait"),
        "ready": ("Ready", "good"),
    },
    "payout": {
        "due": ("Due", "mute"),
        "submitting": ("Being sent", "info"),
        "succeeded": ("Paid", "good"),
        "failed": ("Waiting", "wait"),
        "unknown": ("Being checked", "wait"),
        "void": ("Nothing to pay", "void"),
    },
    "reversal": {
        "due": ("Due", "mute"),
        "submitting": ("Being taken back", "info"),
        "succeeded": ("Taken back", "good"),
        "failed": ("Owed to us", "bad"),
        "unknown": ("Being checked", "wait"),
    },
    "stop": {"proposed": ("Proposed", "wait"), "approved": ("Approved", "good"), "rejected": ("Rejected", "void")},
    "incident": {"open": ("Open", "bad"), "resolved": ("Resolved", "good")},
    "delivery": {"pending": ("Pending", "wait"), "delivered": ("Delivered", "good"), "failed": ("Failed", "bad")},
}


def status_label(state: str, kind: str) -> str:
    """The words for a state of a kind of thing (`trip`, `pledge`, ...); KeyError for one the domain does not know."""
    return LABELS[kind][state][0]


def status_tone(state: str, kind: str) -> str:
    """The tone its badge has; KeyError as above."""
    return LABELS[kind][state][1]
