"""Where pledges are taken: everything the busiest route needs as one dependency.

Litestar starts a task for each of several dependencies; for a route that a stadium hits at once, those cost more than what they fetch.
"""

from typing import Any

import msgspec
from litestar import Request
from litestar.di import Provide

from app.core.database import Pool
from app.domain.payments.gateway import PaymentGateway
from app.flows.pledge_queue import PledgeQueue
from app.settings import Settings
from app.web.actors import Actor, find_actor


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and the parts of the process that answer."""

    actor: Actor
    pool: Pool
    settings: Settings
    gateway: PaymentGateway
    queue: PledgeQueue


async def open_desk(request: Request[Any, Any, Any]) -> Desk:
    """The desk for one request."""
    state = request.app.state
    return Desk(actor=await find_actor(request), pool=state.pool, settings=state.settings, gateway=state.gateway, queue=state.pledge_queue)


PROVIDE_DESK = Provide(open_desk)
