"""After a secret has leaked: passes signed with any key but the present one do not hold any more."""

from app.core.database import Pool, transaction
from app.core.log import logger
from app.domain.manifests import service, store
from app.domain.manifests.passes import signing_key

log = logger(__name__)


async def retire_pass_keys(pool: Pool, *, secret: str) -> list[str]:
    """Retires every key on record but the one of this secret; returns their ids.

    Riders' pages show passes of the present key at once; phones learn of it with their next sync.
    """
    key = signing_key(secret)
    async with transaction(pool) as conn:
        await service.accepted_keys(conn, key)
        retired = await store.retire_other_keys(conn, key.key_id)
    log.info("pass_keys.retired", kept=key.key_id, retired=retired)
    return retired
