"""SQL of accounts, roles, sign-in links and sessions."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.core.database import Connection, fetch_maybe, fetch_one
from app.domain.accounts.model import Account, Role, SignedIn, SignInLink


async def find_or_add_account(conn: Connection, email: str) -> Account:
    """The account of an address, made when it is new."""
    await conn.execute("INSERT INTO accounts (email) VALUES ($1) ON CONFLICT (email) DO NOTHING", email)
    return await fetch_one(conn, Account, "SELECT id, email::text, name FROM accounts WHERE email = $1", email)


async def name_account(conn: Connection, account_id: UUID, name: str) -> None:
    """Sets the name people see."""
    await conn.execute("UPDATE accounts SET name = $2 WHERE id = $1", account_id, name)


async def grant_role(
    conn: Connection, account_id: UUID, role: Role, *, operator_id: UUID | None = None, partner_id: UUID | None = None
) -> None:
    """Gives a role once; again is no error."""
    await conn.execute(
        "INSERT INTO account_roles (account_id, role, operator_id, partner_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        account_id,
        role.value,
        operator_id,
        partner_id,
    )


async def add_sign_in_link(
    conn: Connection, *, token_hash: bytes, email: str, browser_hash: bytes, next_path: str, expires_at: datetime
) -> None:
    """Stores a link about to be mailed."""
    await conn.execute(
        "INSERT INTO sign_in_links (token_hash, email, browser_hash, next_path, expires_at) VALUES ($1, $2, $3, $4, $5)",
        token_hash,
        email,
        browser_hash,
        next_path,
        expires_at,
    )


async def consume_sign_in_link(conn: Connection, token_hash: bytes, browser_hash: bytes) -> SignInLink | None:
    """Uses a link up if it is fresh, unused and asked for by this browser; else None."""
    return await fetch_maybe(
        conn,
        SignInLink,
        """
        UPDATE sign_in_links SET used_at = busload_now()
        WHERE token_hash = $1 AND browser_hash = $2 AND used_at IS NULL AND expires_at > busload_now()
        RETURNING email::text, next_path, true AS usable
        """,
        token_hash,
        browser_hash,
    )


async def count_recent_links(conn: Connection, email: str) -> int:
    """Links asked for an address in the last ten minutes."""
    found = await conn.fetchval("SELECT count(*) FROM sign_in_links WHERE email = $1 AND expires_at > busload_now()", email)
    return int(found)


async def add_session(conn: Connection, *, account_id: UUID, token_hash: bytes, expires_at: datetime, opened_with: str = "link") -> None:
    """Opens a session; `opened_with` is link, passkey or door (the demo's)."""
    await conn.execute(
        "INSERT INTO sessions (account_id, token_hash, expires_at, opened_with) VALUES ($1, $2, $3, $4)",
        account_id,
        token_hash,
        expires_at,
        opened_with,
    )


async def revoke_session(conn: Connection, token_hash: bytes) -> None:
    """Ends a session."""
    await conn.execute("UPDATE sessions SET revoked_at = busload_now() WHERE token_hash = $1 AND revoked_at IS NULL", token_hash)


async def find_signed_in(conn: Connection, token_hashes: Sequence[bytes]) -> dict[bytes, SignedIn]:
    """The accounts of live sessions with their roles, by token hash, in one look-up."""
    rows = await conn.fetch(
        """
        SELECT s.token_hash, a.id AS account_id, a.email::text AS email, a.name,
               coalesce(bool_or(r.role = 'organiser'), false) AS is_organiser,
               coalesce(array_agg(r.operator_id) FILTER (WHERE r.operator_id IS NOT NULL), '{}') AS operator_ids,
               coalesce(array_agg(r.partner_id) FILTER (WHERE r.partner_id IS NOT NULL), '{}') AS partner_ids
        FROM sessions s JOIN accounts a ON a.id = s.account_id LEFT JOIN account_roles r ON r.account_id = a.id
        WHERE s.token_hash = ANY($1::bytea[]) AND s.revoked_at IS NULL AND s.expires_at > busload_now() AND a.erased_at IS NULL
        GROUP BY s.token_hash, a.id
        """,
        list(token_hashes),
    )
    return {
        row["token_hash"]: SignedIn(
            account_id=row["account_id"], email=row["email"], name=row["name"], is_organiser=row["is_organiser"],
            operator_ids=row["operator_ids"], partner_ids=row["partner_ids"],
        )
        for row in rows
    }  # fmt: skip


async def list_organiser_emails(conn: Connection) -> list[str]:
    """Where organisers are reached, by address."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT a.email::text AS email FROM accounts a JOIN account_roles r ON r.account_id = a.id
        WHERE r.role = 'organiser' AND a.erased_at IS NULL ORDER BY email
        """
    )
    return [row["email"] for row in rows]
