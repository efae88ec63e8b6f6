"""After the day: operators open their accounts, are paid once, the book is closed; all of it held against Stripe's own books."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

from app.core.database import Pool
from app.stage.rehearsal.auditing import compare, sums
from app.stage.rehearsal.calling import Caller, until
from app.stage.rehearsal.report import Notes
from app.stage.rehearsal.theatre import Theatre, client

SETTLED = frozenset({"succeeded", "void"})
STRIPE_SETTLES_IN_S = 3 * 86_400
LOOK_AGAIN = timedelta(seconds=61)
PATIENCE_S = 240.0


async def open_accounts(theatre: Theatre, operators: dict[str, Caller], event_id: str) -> None:
    """Every operator goes through Stripe's page; what riders paid has settled there, and the house has brought what it adds and bears."""
    assert theatre.stack is not None, "only a private stack's Stripe may be told to hurry"
    assert theatre.pool is not None
    async with client(theatre.stack.stripe_url) as stripe:
        (await stripe.post("/_stage/clock", json={"advance_s": STRIPE_SETTLES_IN_S})).raise_for_status()
        for currency, amount_minor in (await _borne_by_the_house(theatre.pool, event_id)).items():
            (await stripe.post("/_stage/topups", json={"currency": currency, "amount": amount_minor})).raise_for_status()
        for operator in operators.values():
            page = await operator.post("/api/operator/payout-account", {}, may_repeat=True)
            await stripe.get(page["url"], follow_redirects=False)


async def cover(organiser: Caller, event_id: str) -> None:
    """The house pays what the event's money lacks for what it owes, if anything."""
    missing_minor = (await organiser.get(f"/api/events/{event_id}/payouts"))["book"]["missing_minor"]
    if missing_minor:
        await organiser.post(f"/api/events/{event_id}/payouts/cover", {"missing_minor": missing_minor}, key=uuid4().hex)


async def pay_out(theatre: Theatre, organiser: Caller, event_id: str, notes: Notes) -> None:
    """Lets time pass until the book is closed and every payout has an outcome, then looks at Stripe's books."""
    assert theatre.pool is not None
    view: dict[str, Any] = await organiser.get(f"/api/events/{event_id}/payouts")
    closes_at = datetime.fromisoformat(view["book"]["closes_at"])
    await theatre.jump_to(max(closes_at, await theatre.now() + timedelta(days=15)) + timedelta(minutes=1))
    pool = theatre.pool

    async def paid() -> bool:
        rows = await pool.fetch("SELECT state FROM payouts WHERE book = 'event:' || $1", event_id)
        open_book = await pool.fetchval("SELECT count(*) FROM books WHERE event_id = $1::uuid AND closed_at IS NULL", event_id)
        if open_book or any(row["state"] not in SETTLED for row in rows):
            await theatre.jump_to(await theatre.now() + LOOK_AGAIN)
            return False
        return True

    await until(paid, "every operator to be paid and the book to be closed", timeout_s=PATIENCE_S)
    async with client(theatre.stack.stripe_url if theatre.stack else "") as stripe:
        await check_payouts(pool, stripe, event_id, notes)


async def check_payouts(pool: Pool, stripe: httpx.AsyncClient, event_id: str, notes: Notes) -> None:
    """Each hire was paid once, to the cent: our rows, the ledger and Stripe's transfers say the same, and nothing is left in the book."""
    transfers = {one["id"]: one for one in (await stripe.get("/_stage/books", timeout=60.0)).json()["transfers"]}
    rows = await pool.fetch(
        """
        SELECT o.id, o.reference, o.currency, o.amount_minor, o.transfer_ref, p.account_ref
        FROM payouts o JOIN payees p ON p.id = o.payee_id
        WHERE o.book = 'event:' || $1 AND o.state = 'succeeded'
        """,
        event_id,
    )
    ours = Counter(one["metadata"].get("busload_payout_id") for one in transfers.values())
    twice = [
        f"payout {row['id']} was sent {ours[str(row['id'])]} times" for row in rows if ours[str(row["id"])] != (row["amount_minor"] > 0)
    ]
    wrong = [
        f"payout {row['id']}: {row['amount_minor']} is not what Stripe sent"
        for row in rows
        if row["transfer_ref"] is not None
        and (transfers[row["transfer_ref"]]["amount"], transfers[row["transfer_ref"]]["destination"])
        != (row["amount_minor"], row["account_ref"])
    ]
    if twice or wrong:
        notes.violated("operators are paid once", twice + wrong)
    sent = sums([one for one in transfers.values() if one["id"] in {row["transfer_ref"] for row in rows}])
    notes.count("payouts", len(rows))
    notes.paid_out.update(sent)
    compare(notes, "hires match the transfers", told=await _hires(pool, event_id), kept=sent)
    compare(notes, "payouts match the ledger", told=await _posted(pool, event_id), kept=sent)
    left = await pool.fetch(
        """
        SELECT account, currency, sum(amount_minor) AS minor FROM ledger_entries
        WHERE book = 'event:' || $1 AND account IN ('operators:payable', 'partners:payable', 'riders:fares')
        GROUP BY account, currency HAVING sum(amount_minor) <> 0
        """,
        event_id,
    )
    if left:
        notes.violated("a closed book owes nothing", [f"{row['account']} {row['minor']} {row['currency']}" for row in left])


async def _borne_by_the_house(pool: Pool, event_id: str) -> Counter[str]:
    """Subsidy and Stripe's fees of the event: nobody's fares, so they must come to the balance from elsewhere."""
    rows = await pool.fetch(
        """
        SELECT currency, sum(amount_minor) AS minor FROM ledger_entries
        WHERE book = 'event:' || $1 AND account IN ('house:subsidy', 'house:stripe_fees') GROUP BY currency
        """,
        event_id,
    )
    return Counter({row["currency"]: int(row["minor"]) for row in rows})


async def _hires(pool: Pool, event_id: str) -> Counter[str]:
    """What the event's operators earned, less what was netted off, by currency."""
    rows = await pool.fetch(
        """
        SELECT h.currency, sum(h.gross_minor) - coalesce((
            SELECT sum(s.amount_minor) FROM debt_settlements s JOIN payouts o ON o.id = s.payout_id
            WHERE o.book = 'event:' || $1), 0) AS minor
        FROM hires h WHERE h.book = 'event:' || $1 GROUP BY h.currency
        """,
        event_id,
    )
    return Counter({row["currency"]: int(row["minor"]) for row in rows})


async def _posted(pool: Pool, event_id: str) -> Counter[str]:
    rows = await pool.fetch(
        """
        SELECT e.currency, -sum(e.amount_minor) AS minor FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
        WHERE e.book = 'event:' || $1 AND t.kind = 'payout' AND e.account = 'stripe:clearing' GROUP BY e.currency
        """,
        event_id,
    )
    return Counter({row["currency"]: int(row["minor"]) for row in rows})
