"""A partner's keys: made, pointed at other origins, revoked. Each change stands in the audit trail."""

from collections.abc import Collection
from uuid import UUID

from app.core.audit import act_as, record_change
from app.core.database import Pool, transaction
from app.core.errors import NotFound
from app.domain.partners import service
from app.domain.partners.model import ApiKey


async def create_key(pool: Pool, *, partner_id: UUID, origins: list[str], actor: str) -> ApiKey:
    """A new key; Invalid (`bad_origin`)."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "key created")
        key = await service.create_key(conn, partner_id, origins=origins)
        await record_change(conn, "api_key", key.id, "live", {"origins": key.origins})
        return key


async def change_origins(pool: Pool, key_id: UUID, *, partner_ids: Collection[UUID], origins: list[str], actor: str) -> ApiKey:
    """Other origins; NotFound (`unknown_key`), Invalid (`bad_origin`)."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "key's origins changed")
        key = await service.change_origins(conn, key_id, partner_ids=list(partner_ids), origins=origins)
        await record_change(conn, "api_key", key.id, "live", {"origins": key.origins})
        return key


async def revoke_key(pool: Pool, key_id: UUID, *, partner_ids: Collection[UUID], actor: str) -> ApiKey:
    """Ends a key at once; NotFound (`unknown_key`)."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "key revoked")
        key = await service.revoke_key(conn, key_id, partner_ids=list(partner_ids))
        await record_change(conn, "api_key", key.id, "revoked", {})
        return key


def choose_partner(partner_ids: Collection[UUID], wanted: UUID | None) -> UUID:
    """The partner somebody acts for: the one they name, else their first; NotFound (`unknown_partner`) for another's."""
    if wanted is None:
        return min(partner_ids)
    if wanted not in partner_ids:
        raise NotFound("There is no such partner, or you do not act for it.", code="unknown_partner")
    return wanted
