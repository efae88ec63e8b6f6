"""The audit at the soak's end: the fake Stripe's books, our rows and our ledger, each held against the others to the cent."""

from collections import Counter, defaultdict
from typing import Any
from uuid import UUID

import msgspec

from app.core.database import Pool
from app.flows.invariants import find_violations

CHARGED = frozenset({"succeeded", "disputed", "won", "lost"})
ENDED = CHARGED | {"abandoned", "void"}
UNMOVED = frozenset({"requires_confirmation", "requires_payment_method", "canceled"})
GONE = frozenset({"dropped", "released", "withdrawn", "refunded"})


class PaymentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A payment with the state of what it is for."""

    id: UUID
    reference: UUID
    purpose: str
    state: str
    amount_minor: int
    currency: str
    intent_ref: str | None
    charge_ref: str | None
    pledge_state: str


class RefundRow(msgspec.Struct, frozen=True, kw_only=True):
    """A refund."""

    id: UUID
    payment_id: UUID
    state: str
    amount_minor: int
    currency: str
    refund_ref: str | None


class Ours(msgspec.Struct, frozen=True, kw_only=True):
    """What our database says; `cleared` is the ledger's `stripe:clearing` by currency and kind of movement."""

    payments: list[PaymentRow]
    refunds: list[RefundRow]
    cleared: dict[str, dict[str, int]]


class Findings(msgspec.Struct, kw_only=True):
    """Faults, each named. `spare_intents` moved no money and are no fault: Stripe had forgotten the key they were made under."""

    double_charges: list[str]
    unaccounted: list[str]
    unsettled: list[str]
    cents_apart: dict[str, int]
    violations: dict[str, int]
    spare_intents: int


async def read_ours(pool: Pool) -> Ours:
    """Payments, refunds and the clearing account."""
    async with pool.acquire() as conn:
        payments = await conn.fetch(
            """
            SELECT p.id, p.reference, p.purpose, p.state, p.amount_minor, p.currency, p.intent_ref, p.charge_ref, g.state AS pledge_state
            FROM payments p JOIN pledges g ON g.id = p.reference
            """
        )
        refunds = await conn.fetch("SELECT id, payment_id, state, amount_minor, currency, refund_ref FROM refunds")
        entries = await conn.fetch(
            """
            SELECT e.currency, t.kind, sum(e.amount_minor)::bigint AS minor
            FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
            WHERE e.account = 'stripe:clearing' GROUP BY e.currency, t.kind
            """
        )
    cleared: dict[str, dict[str, int]] = defaultdict(dict)
    for row in entries:
        cleared[row["currency"]][row["kind"]] = row["minor"]
    return Ours(
        payments=[PaymentRow(**dict(row)) for row in payments], refunds=[RefundRow(**dict(row)) for row in refunds], cleared=dict(cleared)
    )


def double_charges(books: dict[str, Any]) -> list[str]:
    """Pledges charged more than once for the same purpose, in Stripe's own books."""
    intents = {one["id"]: one["metadata"] for one in books["payment_intents"]}
    charged = Counter(
        (intents[one["payment_intent"]].get("busload_reference"), intents[one["payment_intent"]].get("busload_purpose"))
        for one in books["charges"]
        if one["status"] == "succeeded"
    )
    return [f"pledge {reference} was charged {times} times for {purpose}" for (reference, purpose), times in charged.items() if times > 1]


def unaccounted(books: dict[str, Any], ours: Ours) -> tuple[list[str], int]:
    """What stands on one side only, or differently: charges and refunds both ways. And the spare intents, which moved nothing."""
    by_intent = {row.intent_ref: row for row in ours.payments if row.intent_ref}
    found, spare = [], 0
    for intent in books["payment_intents"]:
        row = by_intent.get(intent["id"])
        if row is None and intent["status"] in UNMOVED and intent["amount_received"] == 0:
            spare += 1
        elif row is None:
            found.append(f"intent {intent['id']} is {intent['status']} and no payment knows it")
        elif (intent["status"] == "succeeded") != (row.state in CHARGED):
            found.append(f"payment {row.id} is {row.state}, its intent is {intent['status']}")
        elif row.state in CHARGED and (intent["amount_received"], intent["latest_charge"]) != (row.amount_minor, row.charge_ref):
            found.append(f"payment {row.id} over {row.amount_minor} is {intent['amount_received']} at Stripe")
    known = {one["id"] for one in books["payment_intents"]}
    found += [
        f"payment {row.id} names the intent {row.intent_ref}, which Stripe does not know"
        for row in by_intent.values()
        if row.intent_ref not in known
    ]
    found += [f"payment {row.id} is {row.state} without an intent" for row in ours.payments if row.state in CHARGED and not row.intent_ref]
    return found + unaccounted_refunds(books, ours), spare


def unaccounted_refunds(books: dict[str, Any], ours: Ours) -> list[str]:
    """The same for refunds; a row may have one refund at Stripe only."""
    by_ref = {row.refund_ref: row for row in ours.refunds if row.refund_ref}
    theirs = {one["id"]: one for one in books["refunds"]}
    marks = Counter(one["metadata"].get("busload_refund_id") for one in theirs.values() if one["status"] == "succeeded")
    found = [f"refund {mark} was paid {times} times" for mark, times in marks.items() if times > 1]
    found += [f"refund {ref} at Stripe has no row" for ref in theirs if ref not in by_ref]
    for row in ours.refunds:
        one = theirs.get(row.refund_ref or "")
        if (row.state == "succeeded") != (one is not None and one["status"] == "succeeded"):
            found.append(f"refund {row.id} is {row.state}, at Stripe it is {one['status'] if one else 'not there'}")
        elif one is not None and one["amount"] != row.amount_minor:
            found.append(f"refund {row.id} over {row.amount_minor} is {one['amount']} at Stripe")
    return found


def unsettled(ours: Ours) -> list[str]:
    """Payments and refunds that did not end, and payments whose end is not their pledge's."""
    ends = {"succeeded": {"paid", "refunded", "released", "dropped"}, "abandoned": {"dropped"}, "void": GONE}
    found = [f"payment {row.id} is {row.state}" for row in ours.payments if row.state not in ENDED]
    found += [
        f"payment {row.id} is {row.state}, its pledge is {row.pledge_state}"
        for row in ours.payments
        if row.state in ends and row.pledge_state not in ends[row.state]
    ]
    return found + [f"refund {row.id} is {row.state}" for row in ours.refunds if row.state != "succeeded"]


def cents_apart(books: dict[str, Any], ours: Ours) -> dict[str, int]:
    """By currency how far Stripe's balance and our clearing account are apart, kind by kind and in sum; {} when nowhere."""
    theirs: dict[str, Counter[str]] = defaultdict(Counter)
    for one in books["balance_transactions"]:
        theirs[one["currency"].upper()].update({one["type"]: one["amount"], "fee": -one["fee"]})
    apart = {}
    for currency in sorted({*theirs, *ours.cleared}):
        stripe, ledger = theirs[currency], Counter(ours.cleared.get(currency, {}))
        pairs = [(stripe["charge"], ledger["charge"]), (stripe["refund"], ledger["refund"]), (stripe["fee"], ledger["charge_fee"])]
        balance = books["balance"].get(currency.lower(), {"available": 0, "pending": 0})
        pairs.append((balance["available"] + balance["pending"], ledger.total()))
        if far := max(abs(one - other) for one, other in pairs):
            apart[currency] = far
    return apart


def books_of(books: dict[str, Any], references: set[str]) -> dict[str, Any]:
    """The part of Stripe's books that is about these pledges, with the balance it makes: for a fake that serves others too."""
    intents = [one for one in books["payment_intents"] if one["metadata"].get("busload_reference") in references]
    ids = {one["id"] for one in intents}
    charges = [one for one in books["charges"] if one["payment_intent"] in ids]
    refunds = [one for one in books["refunds"] if one["payment_intent"] in ids]
    sources = {one["id"] for one in (*charges, *refunds)}
    moved = [one for one in books["balance_transactions"] if one["source"] in sources]
    balance: Counter[str] = Counter()
    for one in moved:
        balance[one["currency"]] += one["amount"] - one["fee"]
    return {
        "payment_intents": intents, "charges": charges, "refunds": refunds, "balance_transactions": moved,
        "balance": {currency: {"available": 0, "pending": minor} for currency, minor in balance.items()},
    }  # fmt: skip


async def audit_money(pool: Pool, books: dict[str, Any]) -> list[str]:
    """What Stripe's books and ours do not agree on, for a fake that serves others too."""
    ours = await read_ours(pool)
    mine = books_of(books, {str(row.reference) for row in ours.payments})
    strays, _ = unaccounted(mine, ours)
    return [*double_charges(mine), *strays, *(f"{far} {currency} apart" for currency, far in cents_apart(mine, ours).items())]


async def audit(pool: Pool, books: dict[str, Any]) -> Findings:
    """Everything that is wrong."""
    ours = await read_ours(pool)
    strays, spare = unaccounted(books, ours)
    async with pool.acquire() as conn:
        broken = await find_violations(conn)
    return Findings(
        double_charges=double_charges(books), unaccounted=strays, unsettled=unsettled(ours), cents_apart=cents_apart(books, ours),
        violations={name: len(some) for name, some in broken.items()}, spare_intents=spare,
    )  # fmt: skip
