"""What happens while money is under way: riders leave, news comes, a trip is cancelled, a charge is disputed, nobody answers for long."""

from datetime import timedelta
from typing import Any

from app.flows.cancel_trip import cancel_trip
from app.flows.withdraw_pledge import withdraw_pledge
from tests.simulation.town import Town
from tests.simulation.work import Work

TOO_LONG = timedelta(seconds=70)


class Meddling:
    """Others at work on a charge or a refund that some hand rests with."""

    def __init__(self, town: Town, work: Work) -> None:
        self.town, self.work = town, work

    async def meddle(self) -> bool:
        """Something happens to a charge or a refund under way; False when there is none."""
        rows = await self.town.pool.fetch(UNDER_WAY)
        if not rows:
            return False
        row = self.town.dice.choice(rows)
        if row["goes_back"] and self.town.dice.random() < 0.7:
            return False
        if row["goes_back"]:
            self.town.say(f"bank: {row['intent_ref']} is disputed while it goes back")
            self.town.bank.open_dispute(row["intent_ref"])
            await self.work.hear()
        else:
            await self._meddle_with_charge(row)
        return True

    async def _meddle_with_charge(self, row: Any) -> None:
        act = self.town.dice.choice(["leaves", "news", "news", "news", "slow", "slow", "slow", "cancelled"])
        if act == "leaves":
            await self.town.attempt("a rider withdraws while charged", withdraw_pledge(self.town.pool, row["reference"], actor="rider"))
        elif act == "cancelled" and self.town.dice.random() < 0.1:
            step = cancel_trip(self.town.pool, row["trip_id"], actor="organiser", reason="no bus")
            await self.town.attempt("a trip is cancelled while charges are under way", step)
        elif act == "news":
            await self.work.hear_of(row["intent_ref"])
        else:
            await self.town.stage.pass_time(TOO_LONG)
            self.town.say("a charge takes more than a minute")
            await self.work.alarm()
            await self.work.fire_one()


UNDER_WAY = """
SELECT p.reference, p.intent_ref, g.trip_id, goes_back FROM payments p JOIN pledges g ON g.id = p.reference
CROSS JOIN LATERAL (
    SELECT p.state = 'succeeded' AND EXISTS (
        SELECT FROM refunds r WHERE r.payment_id = p.id AND r.state IN ('due', 'submitting')) AS goes_back) back
WHERE p.state IN ('submitting', 'unknown') OR goes_back ORDER BY p.id
"""
