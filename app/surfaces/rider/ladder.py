"""The refund ladder as riders see it: dates and amounts, before they pledge and before they withdraw."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core.clock import busload_now
from app.core.database import Connection
from app.domain.events.ladder import RefundStep, ahead_of, share_at
from app.domain.events.model import Event
from app.domain.payments.model import Payment, Refund
from app.domain.payments.shares import back_of
from app.domain.pledges.model import Pledge, PledgeState
from app.flows.leave_by_ladder import held_of, read_steps

NOT_CONFIRMED = frozenset({PledgeState.PENDING_CARD, PledgeState.ACTIVE})
ON_THE_LADDER = frozenset({PledgeState.CONFIRMED, PledgeState.PAID})


class RefundStepView(msgspec.Struct, frozen=True, kw_only=True):
    """Who withdraws by `until` gets this back: a share in basis points, and what it comes to in minor units."""

    until: datetime
    refund_bp: int
    amount_minor: int


class PledgeLadder(msgspec.Struct, frozen=True, kw_only=True):
    """What comes back to one party. `now_minor`: should it withdraw now; `applies`: the trip is confirmed, before that leaving is free."""

    steps: list[RefundStepView]
    now_minor: int
    applies: bool
    charged: bool
    in_full_until: datetime | None


def view_steps(steps: Sequence[RefundStep], held_minor: Sequence[int]) -> list[RefundStepView]:
    """Steps with what they come to for charges that hold these amounts."""
    return [RefundStepView(until=s.until, refund_bp=s.refund_bp, amount_minor=back_of(held_minor, s.refund_bp)) for s in steps]


async def read_pledge_ladder(
    conn: Connection, event: Event, pledge: Pledge, charges: Sequence[Payment], refunds: Sequence[Refund]
) -> PledgeLadder:
    """The ladder of one pledge: of what was charged, or of what will be at most."""
    steps = await read_steps(conn, event, pledge.id)
    return ladder_of(steps, pledge, charges, refunds, now=await busload_now(conn))


def ladder_of(
    steps: Sequence[RefundStep], pledge: Pledge, charges: Sequence[Payment], refunds: Sequence[Refund], *, now: datetime
) -> PledgeLadder:
    """The same from what was read; a new pledge was shown the present steps of its event."""
    held = held_of(charges, refunds)
    free = pledge.free_exit_until if pledge.free_exit_until is not None and now <= pledge.free_exit_until else None
    return PledgeLadder(
        steps=view_steps(ahead_of(steps, now), held or [pledge.amount_minor]),
        now_minor=sum(held) if free else back_of(held, share_at(steps, now)),
        applies=pledge.state in ON_THE_LADDER,
        charged=bool(held),
        in_full_until=free,
    )
