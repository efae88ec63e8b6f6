"""The checks at the end: every invariant, what riders were charged against the fake's books, the ledger against both."""

import asyncio
from collections import Counter
from typing import Any

import httpx

from app.core.database import Pool
from app.stage.rehearsal.calling import Caller, until
from app.stage.rehearsal.promises import broken_promises
from app.stage.rehearsal.report import Notes
from app.stage.rehearsal.selling import Placed

CHARGED = frozenset({"succeeded", "disputed", "won", "lost"})
SETTLING = ("charge in flight", "refund in flight")
AT_ONCE = 16
ONE_SUCCESS = 1


class Money:
    """Charges and refunds by currency as the riders' own pages show them, and how many pledges are in which state."""

    def __init__(self) -> None:
        self.charged: Counter[str] = Counter()
        self.refunded: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.in_flight = 0


async def read_money(public: Caller, placed: list[Placed]) -> Money:
    """Asks every pledge with its own link."""
    money, gate = Money(), asyncio.Semaphore(AT_ONCE)

    async def look(one: Placed) -> dict[str, Any]:
        async with gate:
            view: dict[str, Any] = await public.as_bearer(one.token).get(f"/api/pledges/{one.id}")
            return view

    for view in await asyncio.gather(*(look(one) for one in placed)):
        money.states[view["state"]] += 1
        for charge in view["charges"]:
            money.charged[view["currency"]] += charge["amount_minor"] if charge["state"] in CHARGED else 0
            money.in_flight += charge["state"] in {"due", "submitting", "unknown"}
        for refund in view["refunds"]:
            money.refunded[view["currency"]] += refund["amount_minor"] if refund["state"] == "succeeded" else 0
            money.in_flight += refund["state"] in {"due", "submitting", "unknown"}
    return money


async def check_doctor(public: Caller, notes: Notes) -> None:
    """Every invariant, as the service's own doctor reports it."""
    diagnosis = await public.get("/api/doctor")
    for name, found in diagnosis["violations"].items():
        notes.violated(name, [f"{one['subject']}: {one['detail']}" for one in found])
    for finding in diagnosis["findings"]:
        if not finding["ok"] and finding["check"] not in diagnosis["violations"]:
            notes.violated(finding["check"], [finding["detail"]])


async def check_books(stripe: httpx.AsyncClient, placed: list[Placed], money: Money, notes: Notes) -> None:
    """The fake's books hold exactly what riders were told: each pledge charged once per purpose, the sums equal to the cent."""
    books = (await stripe.get("/_stage/books", timeout=60.0)).json()
    ours = {one.id for one in placed}
    intents = {one["id"]: one for one in books["payment_intents"] if one["metadata"].get("busload_reference") in ours}
    charges = [one for one in books["charges"] if one["payment_intent"] in intents and one["status"] == "succeeded"]
    refunds = [one for one in books["refunds"] if one["payment_intent"] in intents and one["status"] == "succeeded"]
    purposes = Counter(
        (intents[one["payment_intent"]]["metadata"]["busload_reference"], intents[one["payment_intent"]]["metadata"]["busload_purpose"])
        for one in charges
    )
    twice = [
        f"pledge {reference} was charged {times} times for {purpose}"
        for (reference, purpose), times in purposes.items()
        if times > ONE_SUCCESS
    ]
    if twice:
        notes.violated("charged once in the books", twice)
    compare(notes, "charges match the books", told=money.charged, kept=sums(charges))
    compare(notes, "refunds match the books", told=money.refunded, kept=sums(refunds))


def sums(rows: list[dict[str, Any]]) -> Counter[str]:
    """Amounts by currency."""
    found: Counter[str] = Counter()
    for row in rows:
        found[row["currency"].upper()] += row["amount"]
    return found


def compare(notes: Notes, what: str, *, told: Counter[str], kept: Counter[str]) -> None:
    """Two sums that must be equal."""
    differ = [
        f"{currency}: {told[currency]} and {kept[currency]}" for currency in sorted({*told, *kept}) if told[currency] != kept[currency]
    ]
    if differ:
        notes.violated(what, differ)


async def check_ledger(pool: Pool, event_id: str, money: Money, notes: Notes) -> None:
    """The event's book moves as much through Stripe as the riders were charged and paid back, and sums to zero."""
    async with pool.acquire() as conn:
        rows = await conn.fetch(
            """
            SELECT t.kind, e.currency, sum(e.amount_minor) AS rest,
                sum(e.amount_minor) FILTER (WHERE e.account = 'stripe:clearing') AS cleared
            FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
            WHERE e.book = 'event:' || $1 GROUP BY t.kind, e.currency
            """,
            event_id,
        )
    compare(notes, "ledger sums to zero", told=Counter(), kept=Counter({row["currency"]: int(row["rest"]) for row in rows if row["rest"]}))
    for kind, told, sign in (("charge", money.charged, 1), ("refund", money.refunded, -1)):
        kept = Counter({row["currency"]: sign * int(row["cleared"]) for row in rows if row["kind"] == kind})
        compare(notes, f"{kind}s match the ledger", told=told, kept=kept)


async def check_promises(pool: Pool, notes: Notes) -> None:
    """Whatever the service acknowledged is in the database."""
    async with pool.acquire() as conn:
        broken = await broken_promises(conn, notes.promises)
    if broken:
        notes.violated("acknowledged writes survive", broken)


async def check_reconciliation(organiser: Caller, notes: Notes) -> None:
    """The service's own comparison of its ledger with every movement at Stripe finds nothing, on both sides."""
    before = (await organiser.get("/api/organiser/reconciliation"))["id"]
    await organiser.post("/api/organiser/reconciliation", may_repeat=True)

    async def compared() -> dict[str, Any] | None:
        run: dict[str, Any] = await organiser.get("/api/organiser/reconciliation")
        return run if run["id"] not in {None, before} and not run["is_running"] else None

    run = await until(compared, "the ledger to be compared with Stripe", timeout_s=300.0)
    if run["findings"]:
        notes.violated("ledger and Stripe agree", [f"{one['kind']}: {one['what']} ({one['source_ref']})" for one in run["findings"]])
