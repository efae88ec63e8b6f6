"""What organisers do who answer for the money: subsidies, refunds that came back, disputes."""

from app.domain.events.store import get_event
from app.domain.payments.payouts import book_store
from app.flows.answer_dispute import answer_dispute
from app.flows.approve_shortfall import approve_shortfall
from app.flows.close_book import cover_payouts
from app.flows.learn_of_refund import send_refund_again
from app.flows.send_offers import read_shortfall
from app.flows.settle_elsewhere import settle_elsewhere
from tests.simulation.town import Town


class Treasury:
    """The house's money."""

    def __init__(self, town: Town) -> None:
        self.town, self.pool = town, town.pool

    async def approve_money(self) -> None:
        """The house pays what fares do not carry: the figure is the dispatch page's."""
        waiting = await self.town.one("SELECT event_id FROM plans WHERE is_current AND needs_approval ORDER BY id")
        if waiting is None:
            return
        async with self.pool.acquire() as conn:
            event = await get_event(conn, waiting["event_id"])
            assert event is not None
            missing_minor = await read_shortfall(conn, event)
        await self.town.attempt(
            f"shortfall of {missing_minor} approved",
            approve_shortfall(self.pool, event.id, shortfall_minor=missing_minor, account_id=None, actor="organiser"),
        )

    async def cover(self) -> None:
        """The house pays what payouts lack: the figure is the ledger's."""
        for event_id in self.town.event_ids:
            async with self.pool.acquire() as conn:
                missing = -(await book_store.read_held(conn, f"event:{event_id}", "USD")).fares_minor
            if missing > 0:
                await self.town.attempt(f"cover {missing}", cover_payouts(self.pool, event_id, missing_minor=missing, actor="organiser"))

    async def top_up(self) -> None:
        """Our balance at the provider carries what is to be paid out: somebody transfers money to it."""
        owed = await self.pool.fetchval("SELECT coalesce(sum(owed_minor), 0)::bigint FROM payouts WHERE state NOT IN ('succeeded', 'void')")
        missing = owed - self.town.bank.balance_minor("usd")
        if owed and missing > 0:
            self.town.bank.top_up(missing, "usd")
            self.town.say(f"{missing} are added to the balance")

    async def send_again(self) -> None:
        """A refund that failed is sent once more."""
        row = await self.town.one("SELECT id FROM refunds WHERE state = 'failed' AND held_by IS NULL ORDER BY id")
        if row is not None:
            await self.town.attempt("a failed refund is sent again", send_refund_again(self.pool, row["id"], actor="organiser"))

    async def settle_elsewhere(self) -> None:
        """What became due after a bank had given the money back is noted down as settled with it."""
        row = await self.town.one(OWED_AFTER_A_LOST_DISPUTE)
        if row is not None:
            step = settle_elsewhere(self.pool, row["id"], note="with the bank", actor="organiser")
            await self.town.attempt("a refund is settled another way", step)

    async def answer_bank(self) -> None:
        """Evidence for a dispute."""
        row = await self.town.one("SELECT id FROM disputes WHERE state = 'open' ORDER BY id")
        if row is not None:
            await self.town.attempt("a dispute is answered", answer_dispute(self.pool, row["id"], note="they rode", actor="organiser"))


OWED_AFTER_A_LOST_DISPUTE = """
SELECT r.id FROM refunds r JOIN disputes d ON d.id = r.held_by
WHERE d.state = 'lost' AND r.state IN ('due', 'failed') AND r.elsewhere_at IS NULL ORDER BY r.id
"""
