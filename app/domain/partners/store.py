"""SQL of partners and their keys."""

from uuid import UUID

from app.core.database import Connection, fetch_all, fetch_maybe, fetch_one
from app.domain.partners.model import ApiKey, Partner


async def add_partner(conn: Connection, partner: Partner) -> None:
    """Stores a new partner."""
    await conn.execute(
        "INSERT INTO partners (id, public_code, name, site_url, email) VALUES ($1, $2, $3, $4, $5)",
        partner.id,
        partner.public_code,
        partner.name,
        partner.site_url,
        partner.email,
    )


async def list_partners(conn: Connection, partner_ids: list[UUID]) -> list[Partner]:
    """These partners by name."""
    return await fetch_all(
        conn,
        Partner,
        "SELECT id, public_code, name, site_url, email::text AS email FROM partners WHERE id = ANY($1) ORDER BY name, id",
        partner_ids,
    )


async def list_all_partners(conn: Connection) -> list[Partner]:
    """Every partner by name, for organisers."""
    return await fetch_all(
        conn, Partner, "SELECT id, public_code, name, site_url, email::text AS email FROM partners ORDER BY name, id LIMIT 500"
    )


async def find_partner(conn: Connection, public_code: str | None) -> Partner | None:
    """The partner behind a public code, or the first one when no code is given."""
    return await fetch_maybe(
        conn,
        Partner,
        """
        SELECT id, public_code, name, site_url, email::text AS email FROM partners
        WHERE $1::text IS NULL OR public_code = $1 ORDER BY created_at, id LIMIT 1
        """,
        public_code,
    )


async def add_key(conn: Connection, *, partner_id: UUID, public_key: str, origins: list[str]) -> ApiKey:
    """Stores a new key."""
    return await fetch_one(
        conn,
        ApiKey,
        """
        INSERT INTO api_keys (partner_id, public_key, origins) VALUES ($1, $2, $3)
        RETURNING id, partner_id, public_key, origins, created_at, revoked_at
        """,
        partner_id,
        public_key,
        origins,
    )


async def list_keys(conn: Connection, partner_ids: list[UUID]) -> list[ApiKey]:
    """Every key of these partners, the live and newest ones first."""
    return await fetch_all(
        conn,
        ApiKey,
        """
        SELECT id, partner_id, public_key, origins, created_at, revoked_at FROM api_keys
        WHERE partner_id = ANY($1) ORDER BY revoked_at IS NOT NULL, id DESC LIMIT 200
        """,
        partner_ids,
    )


async def find_key(conn: Connection, public_key: str) -> ApiKey | None:
    """The live key with this text."""
    return await fetch_maybe(
        conn,
        ApiKey,
        """
        SELECT id, partner_id, public_key, origins, created_at, revoked_at FROM api_keys
        WHERE public_key = $1 AND revoked_at IS NULL
        """,
        public_key,
    )


async def set_origins(conn: Connection, key_id: UUID, *, partner_ids: list[UUID], origins: list[str]) -> ApiKey | None:
    """Other origins for a live key of one of these partners; None when there is none."""
    return await fetch_maybe(
        conn,
        ApiKey,
        """
        UPDATE api_keys SET origins = $3 WHERE id = $1 AND partner_id = ANY($2) AND revoked_at IS NULL
        RETURNING id, partner_id, public_key, origins, created_at, revoked_at
        """,
        key_id,
        partner_ids,
        origins,
    )


async def revoke_key(conn: Connection, key_id: UUID, *, partner_ids: list[UUID]) -> ApiKey | None:
    """Ends a key of one of these partners, once; None when there is none."""
    return await fetch_maybe(
        conn,
        ApiKey,
        """
        UPDATE api_keys SET revoked_at = coalesce(revoked_at, busload_now()) WHERE id = $1 AND partner_id = ANY($2)
        RETURNING id, partner_id, public_key, origins, created_at, revoked_at
        """,
        key_id,
        partner_ids,
    )
