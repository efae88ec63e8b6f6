"""The account's page."""

from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency

from app.core.database import Pool
from app.flows.passkeys import read_keyring
from app.surfaces.account.passkeys import owner_of
from app.web.actors import CurrentActor
from app.web.pages import page


@get("/account", include_in_schema=False)
async def show(request: Request[Any, Any, Any], actor: CurrentActor, pool: NamedDependency[Pool]) -> Response[Any]:
    """Passkeys, sessions, one's data."""
    keyring = await read_keyring(pool, owner_of(request, actor))
    return page(request, "account/account.html", actor=actor, keyring=keyring)


ROUTES = [show]
