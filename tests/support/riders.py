"""Stories of riders and their money that several tests begin with."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from app.core.database import transaction
from app.core.ids import random_token, token_hash
from app.domain.accounts.store import add_session, find_or_add_account
from app.domain.payments.gateway import IntentState, PaymentGateway
from app.domain.payments.model import Payment
from app.domain.payments.store import list_payments_of
from app.flows.charge_payment import charge_payment
from tests.support.ledgers import payment_ids
from tests.support.service import ARRIVE, Service

GOOD, DECLINED, POOR, ASKS = "4242424242424242", "4000000000000341", "4000000000009995", "4000002760003184"


class Between:
    """A gateway that does something else right after a call to `moment` has had its effect and before the caller hears of it."""

    def __init__(self, gateway: PaymentGateway, moment: str, act: Callable[[], Awaitable[object]]) -> None:
        self._gateway, self._moment, self._act = gateway, moment, act

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._gateway, name)
        if name != self._moment:
            return call

        async def and_then(*args: Any, **wanted: Any) -> IntentState:
            answer: IntentState = await call(*args, **wanted)
            await self._act()
            return answer

        return and_then


def between(service: Service, moment: str, act: Callable[[], Awaitable[object]]) -> PaymentGateway:
    """The service's gateway with an act after each call to `moment`."""
    return cast("PaymentGateway", Between(service.stripe.gateway, moment, act))


async def tipped(service: Service, *, card: str = GOOD, seats: int = 1, **trip: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A trip that its only pledge has confirmed, and that pledge; nothing is charged yet."""
    made = await service.trip(await service.event(), minimum=1, **trip)
    return made, await service.pledged(made, card=card, seats=seats)


async def paid(service: Service, *, seats: int = 1, **trip: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same, charged."""
    made, placed = await tipped(service, seats=seats, **trip)
    await service.work("charge_payment")
    assert (await service.show(placed))["state"] == "paid"
    return made, placed


async def payments(service: Service, placed: dict[str, Any]) -> list[Payment]:
    """The pledge's payments, oldest first."""
    async with service.pool.acquire() as conn:
        return await list_payments_of(conn, [UUID(placed["pledge"]["id"])])


async def states(service: Service, placed: dict[str, Any]) -> list[str]:
    """Their states."""
    return [payment.state.value for payment in await payments(service, placed)]


async def charge_with(service: Service, placed: dict[str, Any], gateway: PaymentGateway) -> None:
    """A worker with another gateway takes the pledge's first charge; the queued job is left for later."""
    await charge_payment(service.pool, (await payment_ids(service.pool, placed))[0], gateway=gateway)


async def later(service: Service, shift: timedelta) -> int:
    """The clock runs so far ahead of real time; what is due then fires and its jobs are worked on. Returns timers fired."""
    await service.jump(shift)
    fired = await service.sweep()
    await service.work()
    return fired


async def mails_to(service: Service, placed: dict[str, Any]) -> list[str]:
    """The templates of the mails about a pledge, in the order of their queueing."""
    async with service.pool.acquire() as conn:
        rows = await conn.fetch("SELECT template FROM mails WHERE subject_id = $1 ORDER BY id", UUID(placed["pledge"]["id"]))
    return [row["template"] for row in rows]


async def signed_in_rider(service: Service, email: str) -> dict[str, str]:
    """Headers of a rider with an account."""
    token = random_token()
    async with transaction(service.pool) as conn:
        account = await find_or_add_account(conn, email)
        await add_session(conn, account_id=account.id, token_hash=token_hash(token), expires_at=ARRIVE + timedelta(days=9999))
    return {"Authorization": f"Bearer {token}"}


async def until(service: Service, moment: datetime, *, past_s: float = 1.0) -> timedelta:
    """The shift that brings the service's clock just past a moment."""
    async with service.pool.acquire() as conn:
        real: datetime = await conn.fetchval("SELECT clock_timestamp()")
    return moment - real + timedelta(seconds=past_s)


async def set_decline_rate(service: Service, rate: float) -> None:
    """Every charge is declined from now on (1.0), or none (0.0)."""
    await service.stripe.stage("faults", {"rates": {"decline_rate": rate}})
