"""Making, naming and removing passkeys; ending sessions."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.core.database import Pool
from app.core.errors import SignInNeeded
from app.domain.accounts.passkeys import site_of
from app.flows.passkeys import Owner, end_other_sessions, end_session, keep_passkey, offer_passkey, remove_passkey, rename_passkey
from app.settings import Settings
from app.web.actors import Actor, CurrentActor, session_token
from app.web.forms import read_form
from app.web.pages import see_other

HOME = "/account"


class NewPasskey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `navigator.credentials.create` gave, as JSON, and what its owner calls it."""

    credential: dict[str, Any]
    name: str


class PasskeyName(msgspec.Struct, frozen=True, kw_only=True):
    """The form that names a passkey."""

    name: str


class KeptPasskey(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey just kept."""

    id: UUID
    name: str


def owner_of(request: Request[Any, Any, Any], actor: Actor) -> Owner:
    """Whose account it is, or a refusal."""
    if actor.account_id is None:
        raise SignInNeeded("This is your account's own page. Sign in first.")
    return Owner(account_id=actor.account_id, email=actor.email, session_token=session_token(request))


@post("/account/passkeys/options", include_in_schema=False, status_code=200)
async def offer(
    request: Request[Any, Any, Any], actor: CurrentActor, pool: NamedDependency[Pool], settings: NamedDependency[Settings]
) -> dict[str, Any]:
    """What the browser shall make a passkey from."""
    return await offer_passkey(pool, owner_of(request, actor), site=site_of(settings.base_url))


@post("/account/passkeys", include_in_schema=False, status_code=201)
async def keep(
    request: Request[Any, Any, Any],
    actor: CurrentActor,
    data: JSONBody[NewPasskey],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
) -> KeptPasskey:
    """Keeps the passkey that was made."""
    kept = await keep_passkey(pool, owner_of(request, actor), credential=data.credential, name=data.name, site=site_of(settings.base_url))
    return KeptPasskey(id=kept.id, name=kept.name)


@post("/account/passkeys/{passkey_id:uuid}/rename", include_in_schema=False)
async def rename(
    request: Request[Any, Any, Any], actor: CurrentActor, passkey_id: FromPath[UUID], pool: NamedDependency[Pool]
) -> Response[Any]:
    """Gives a passkey another name."""
    owner = owner_of(request, actor)
    form = await read_form(request, PasskeyName, asks={"name": "Give the passkey a name, such as `Work phone`."})
    await rename_passkey(pool, owner, passkey_id, name=form.name)
    return see_other(HOME, flash="saved")


@post("/account/passkeys/{passkey_id:uuid}/remove", include_in_schema=False)
async def remove(
    request: Request[Any, Any, Any], actor: CurrentActor, passkey_id: FromPath[UUID], pool: NamedDependency[Pool]
) -> Response[Any]:
    """Forgets a passkey."""
    await remove_passkey(pool, owner_of(request, actor), passkey_id)
    return see_other(HOME, flash="saved")


@post("/account/sessions/{session_id:uuid}/end", include_in_schema=False)
async def end(
    request: Request[Any, Any, Any], actor: CurrentActor, session_id: FromPath[UUID], pool: NamedDependency[Pool]
) -> Response[Any]:
    """Ends one session."""
    await end_session(pool, owner_of(request, actor), session_id)
    return see_other(HOME, flash="saved")


@post("/account/sessions/end-others", include_in_schema=False)
async def end_others(request: Request[Any, Any, Any], actor: CurrentActor, pool: NamedDependency[Pool]) -> Response[Any]:
    """Ends every session but this one."""
    await end_other_sessions(pool, owner_of(request, actor))
    return see_other(HOME, flash="saved")


ROUTES = [offer, keep, rename, remove, end, end_others]
