"""What the fake does by itself when its clock gets there: sessions expire, disputes come, refunds bounce."""

import heapq

import msgspec

from app.stage.fake_stripe import charging, refunding, saving
from app.stage.fake_stripe.cards import habit_of
from app.stage.fake_stripe.model import Charge, Due, PaymentMethod, Session
from app.stage.fake_stripe.refusals import Refusal
from app.stage.fake_stripe.world import World


def _expire_session(world: World, object_id: str) -> None:
    row = world.books.get(Session, object_id)
    if row is not None:
        saving.refresh(world, row)


def _dispute(world: World, object_id: str) -> None:
    row = world.books.get(Charge, object_id)
    method = None if row is None else world.books.get(PaymentMethod, row.payment_method)
    if row is not None and method is not None:
        refunding.open_dispute(world, row, reason=habit_of(method.card.number).dispute_reason or "general")


def _capture(world: World, object_id: str) -> None:
    row = world.books.get(Charge, object_id)
    method = None if row is None else world.books.get(PaymentMethod, row.payment_method)
    if row is not None and method is not None:
        world.announce("charge.updated", charging.capture(world, row, habit_of(method.card.number)))


ACTS = {"capture": _capture, "expire_session": _expire_session, "dispute": _dispute, "fail_refund": refunding.fail_refund}


class Timers:
    """Due rows in order of time. `fire` does all that are due now."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._heap = [(one.at, one.id) for one in world.books.newest_first(Due) if not one.done]
        heapq.heapify(self._heap)
        world.on_due = self._add

    def _add(self, due: Due) -> None:
        heapq.heappush(self._heap, (due.at, due.id))

    def fire(self) -> int:
        """Do what is due and commit it; how many were done."""
        world, done = self._world, 0
        while self._heap and self._heap[0][0] <= world.clock.now():
            due = world.books.get(Due, heapq.heappop(self._heap)[1])
            if due is None or due.done:
                continue
            world.books.put(msgspec.structs.replace(due, done=True))
            try:
                ACTS[due.act](world, due.object_id)
            except Refusal:
                done -= 1  # no longer possible: a refunded charge is not disputed any more
            done += 1
        world.books.commit()
        return done
