"""A small trip in any order of pledging, changing, withdrawing, charging, closing and cancelling: books agree, nothing is violated."""

import random
from datetime import timedelta
from typing import Any

import pytest

from app.core.clock import shift_clock
from app.core.database import transaction
from app.flows.invariants import find_violations
from tests.support.riders import DECLINED, GOOD, until
from tests.support.service import ARRIVE, Service

DAYS = timedelta(days=1)
MOMENTS = [ARRIVE - 18 * DAYS, ARRIVE - 12 * DAYS, ARRIVE - 9 * DAYS]  # all of it comes back, half of it, nothing any more
STEPS = 22


class Story:
    """One trip and what happens to it, drawn from a seed."""

    def __init__(self, service: Service, seed: int) -> None:
        self.service, self.draw, self.placed, self.at = service, random.Random(seed), list[dict[str, Any]](), 0
        self.trip: dict[str, Any] = {}

    async def play(self) -> None:
        """Puts a trip on sale and lets things happen."""
        event = await self.service.event(refund_ladder=[[336, 10000], [264, 3333], [0, 3333 - 1]])
        odd: dict[str, Any] = {"price_both_minor": 3333, "price_one_way_minor": 1777, "tiers": [[3, 2999], [6, 2501]]}
        self.trip = await self.service.trip(event, minimum=2, cap=14, **odd)
        for _ in range(STEPS):
            await self.draw.choice(
                [self.pledge, self.pledge, self.change, self.withdraw, self.withdraw, self.work, self.work, self.later]
            )()
        await self.work()
        if self.draw.random() < 0.5:
            answer = await self.service.organiser.post(
                f"/api/trips/{self.trip['id']}/cancel", json={"reason": "Snow"}, headers={"Idempotency-Key": self.trip["id"]}
            )
            assert answer.status_code in {200, 409}, answer.text
        await self.work()

    async def pledge(self) -> None:
        answer = await self.service.pledge(self.trip, seats=self.draw.randint(1, 3))
        if answer.status_code == 201:
            self.placed.append(answer.json())
            await self.service.save_card(answer.json(), self.draw.choice([GOOD, GOOD, GOOD, DECLINED]))

    async def ask(self, what: str, **body: Any) -> None:
        if self.placed:
            one = self.draw.choice(self.placed)
            headers = {"Authorization": f"Bearer {one['manage_token']}"}
            path = f"/api/pledges/{one['pledge']['id']}/{what}"
            answer = await self.service.http.post(path, headers=headers, json=body or None)
            assert answer.status_code in {200, 409, 422}, answer.text

    async def change(self) -> None:
        await self.ask("change", seats=self.draw.randint(1, 4), legs=self.draw.choice([["outbound", "return"], ["return"]]))

    async def withdraw(self) -> None:
        await self.ask("withdraw")

    async def work(self) -> None:
        await self.service.work("charge_payment", "send_refund", "close_charge")
        await self.service.sweep()

    async def later(self) -> None:
        if self.at < len(MOMENTS):
            await self.service.jump(await until(self.service, MOMENTS[self.at]))
            self.at += 1
            await self.work()


async def our_books(service: Service) -> dict[str, int]:
    """What the ledger says has moved at Stripe, by kind."""
    async with service.pool.acquire() as conn:
        rows = await conn.fetch(
            """
            SELECT t.kind, sum(e.amount_minor)::bigint AS minor FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
            WHERE e.account = 'stripe:clearing' AND t.kind IN ('charge', 'refund') GROUP BY t.kind
            """
        )
    return {"charge": 0, "refund": 0, **{row["kind"]: row["minor"] for row in rows}}


@pytest.mark.timeout(240)
async def test_whatever_happens_in_whatever_order_the_books_agree(service: Service) -> None:
    before = await service.stripe.books()
    for seed in (11, 2027):
        async with transaction(service.pool) as conn:
            await shift_clock(conn, timedelta(0))
        await Story(service, seed).play()
        async with service.pool.acquire() as conn:
            assert await find_violations(conn) == {}, seed
    await service.work()
    after, ours = await service.stripe.books(), await our_books(service)
    known = {name: {one["id"] for one in before[name]} for name in ("charges", "refunds")}
    charged = sum(c["amount"] for c in after["charges"] if c["id"] not in known["charges"] and c["status"] == "succeeded")
    refunded = sum(r["amount"] for r in after["refunds"] if r["id"] not in known["refunds"] and r["status"] == "succeeded")
    assert (ours["charge"], -ours["refund"]) == (charged, refunded)
    assert refunded > 0
    async with service.pool.acquire() as conn:
        reasons = {row["reason"].split("-")[0] for row in await conn.fetch("SELECT DISTINCT reason FROM refunds")}
        left = await conn.fetchval("SELECT count(*) FROM ladder_exits")
    assert {"ladder", "change"} <= reasons, "the stories were worth telling"
    assert left > 0
