"""From a session's token to the actor behind it."""

from app.core.database import Pool
from app.core.ids import token_hash
from app.domain.accounts.store import find_signed_in
from app.web.actors import Actor, ActorLookup


def actor_lookup(pool: Pool) -> ActorLookup:
    """The look-up the web glue uses on every request: one statement."""

    async def look_up(token: str) -> Actor | None:
        async with pool.acquire() as conn:
            found = await find_signed_in(conn, token_hash(token))
        if found is None:
            return None
        return Actor(
            account_id=found.account_id, email=found.email, name=found.name, is_organiser=found.is_organiser,
            operator_ids=frozenset(found.operator_ids), partner_ids=frozenset(found.partner_ids),
        )  # fmt: skip

    return look_up
