"""Where pledges are taken: everything the busiest route needs, asked for once.

Litestar resolves dependencies one by one, and several of them in tasks; for a route that a stadium hits at once, that costs more than what
they fetch.
"""

from typing import Any

import msgspec
from litestar import Request

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
