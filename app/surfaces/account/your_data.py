"""What is held about one, as a file; and being forgotten, confirmed by a mailed link."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.core.database import Pool
from app.flows.personal_data import (
    ask_to_erase,
    ask_to_erase_by_link,
    confirm_erasure,
    export_person,
    export_pledge,
    look_at_wish,
)
from app.settings import Settings
from app.surfaces.account.passkeys import owner_of
from app.web.actors import CurrentActor
from app.web.pages import page

AS_FILE = {"content-disposition": 'attachment; filename="busload-my-data.json"', "referrer-policy": "no-referrer"}
NO_REFERRER = {"referrer-policy": "no-referrer"}  # the address holds a token


@get("/account/export.json", include_in_schema=False)
async def export_account(request: Request[Any, Any, Any], actor: CurrentActor, pool: NamedDependency[Pool]) -> Response[dict[str, Any]]:
    """Everything held about the account's address."""
    return Response(await export_person(pool, email=owner_of(request, actor).email), headers=AS_FILE)


@post("/account/erase", include_in_schema=False, status_code=200)
async def ask_by_account(request: Request[Any, Any, Any], actor: CurrentActor, pool: NamedDependency[Pool]) -> Response[Any]:
    """Mails the link that confirms."""
    owner = owner_of(request, actor)
    await ask_to_erase(pool, email=owner.email, asked_by="account")
    return page(request, "account/erase_asked.html", actor=actor)


@get("/p/{token:str}/export.json", include_in_schema=False)
async def export_by_link(token: FromPath[str], pool: NamedDependency[Pool]) -> Response[dict[str, Any]]:
    """Everything held about one pledge."""
    return Response(await export_pledge(pool, token=token), headers=AS_FILE)


@post("/p/{token:str}/erase", include_in_schema=False, status_code=200)
async def ask_by_link(
    request: Request[Any, Any, Any], token: FromPath[str], actor: CurrentActor, pool: NamedDependency[Pool]
) -> Response[Any]:
    """Mails the link that confirms to the pledge's address."""
    await ask_to_erase_by_link(pool, token=token)
    return page(request, "account/erase_asked.html", actor=actor)


@get("/erase/{token:str}", include_in_schema=False)
async def show_wish(
    request: Request[Any, Any, Any],
    token: FromPath[str],
    actor: CurrentActor,
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
) -> Response[Any]:
    """What will be erased and what still needs the data; looking changes nothing."""
    standing = await look_at_wish(pool, token=token, secret=settings.secret)
    answer = page(request, "account/erase.html", actor=actor, token=token, standing=standing, confirmed=False)
    answer.headers.update(NO_REFERRER)
    return answer


@post("/erase/{token:str}", include_in_schema=False, status_code=200)
async def confirm(
    request: Request[Any, Any, Any],
    token: FromPath[str],
    actor: CurrentActor,
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
) -> Response[Any]:
    """Erases, or says when it will be done."""
    standing = await confirm_erasure(pool, token=token, secret=settings.secret)
    answer = page(request, "account/erase.html", actor=None if standing.is_done else actor, token=token, standing=standing, confirmed=True)
    answer.headers.update(NO_REFERRER)
    return answer


ROUTES = [export_account, ask_by_account, export_by_link, ask_by_link, show_wish, confirm]
