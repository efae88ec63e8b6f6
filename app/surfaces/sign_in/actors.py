"""From a session's token to the actor behind it."""

from collections.abc import Sequence

from app.core.database import Pool
from app.core.ids import token_hash
from app.core.together import Together
from app.domain.accounts.model import SignedIn
from app.domain.accounts.store import find_signed_in
from app.web.actors import Actor, ActorLookup


def actor_lookup(pool: Pool) -> ActorLookup:
    """The look-up the web glue uses on every request: one statement for all that ask at once, each read after it was asked for."""

    async def fetch(token_hashes: Sequence[bytes]) -> dict[bytes, SignedIn]:
        async with pool.acquire() as conn:
            return await find_signed_in(conn, token_hashes)

    sessions: Together[bytes, SignedIn] = Together(fetch)

    async def look_up(token: str) -> Actor | None:
        found = await sessions.look_up(token_hash(token))
        if found is None:
            return None
        return Actor(
            account_id=found.account_id, email=found.email, name=found.name, is_organiser=found.is_organiser,
            operator_ids=frozenset(found.operator_ids), partner_ids=frozenset(found.partner_ids),
        )  # fmt: skip

    return look_up
