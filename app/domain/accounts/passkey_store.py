"""SQL of passkeys, their challenges, and an account's sessions."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all, fetch_maybe


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey as its owner sees it."""

    id: UUID
    name: str
    is_synced: bool
    created_at: datetime
    last_used_at: datetime | None


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer is checked against."""

    id: UUID
    account_id: UUID
    public_key: bytes
    sign_count: int


class OpenSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its owner sees it; `is_this` for the one that asks."""

    id: UUID
    created_at: datetime
    expires_at: datetime
    opened_with: str
    is_this: bool


async def add_challenge(
    conn: Connection, *, challenge_hash: bytes, browser_hash: bytes, account_id: UUID | None, expires_at: datetime
) -> None:
    """Remembers what a browser was asked to sign."""
    await conn.execute(
        "INSERT INTO passkey_challenges (challenge_hash, browser_hash, account_id, expires_at) VALUES ($1, $2, $3, $4)",
        challenge_hash,
        browser_hash,
        account_id,
        expires_at,
    )


async def use_challenge(conn: Connection, *, challenge_hash: bytes, browser_hash: bytes, account_id: UUID | None) -> bool:
    """Uses a challenge up; False when it is unknown, used, old, another browser's or for another purpose."""
    used = await conn.fetchval(
        """
        DELETE FROM passkey_challenges
        WHERE challenge_hash = $1 AND browser_hash = $2 AND account_id IS NOT DISTINCT FROM $3
        RETURNING expires_at > busload_now()
        """,
        challenge_hash,
        browser_hash,
        account_id,
    )
    return bool(used)


async def add_passkey(
    conn: Connection, *, account_id: UUID, credential_id: bytes, public_key: bytes, sign_count: int, name: str, is_synced: bool
) -> Passkey | None:
    """Keeps a passkey; None when this credential is known already."""
    return await fetch_maybe(
        conn,
        Passkey,
        """
        INSERT INTO passkeys (account_id, credential_id, public_key, sign_count, name, is_synced) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (credential_id) DO NOTHING
        RETURNING id, name, is_synced, created_at, last_used_at
        """,
        account_id,
        credential_id,
        public_key,
        sign_count,
        name,
        is_synced,
    )


async def list_passkeys(conn: Connection, account_id: UUID) -> list[Passkey]:
    """An account's passkeys, oldest first."""
    return await fetch_all(
        conn,
        Passkey,
        "SELECT id, name, is_synced, created_at, last_used_at FROM passkeys WHERE account_id = $1 ORDER BY id",
        account_id,
    )


async def list_credential_ids(conn: Connection, account_id: UUID) -> list[bytes]:
    """What an account's authenticators shall not make again."""
    return [row["credential_id"] for row in await conn.fetch("SELECT credential_id FROM passkeys WHERE account_id = $1", account_id)]


async def lock_signing_key(conn: Connection, credential_id: bytes) -> SigningKey | None:
    """The key of a credential, locked so that its counter is read and written by one answer at a time."""
    return await fetch_maybe(
        conn,
        SigningKey,
        """
        SELECT p.id, p.account_id, p.public_key, p.sign_count FROM passkeys p JOIN accounts a ON a.id = p.account_id
        WHERE p.credential_id = $1 AND a.erased_at IS NULL FOR UPDATE OF p
        """,
        credential_id,
    )


async def note_use(conn: Connection, passkey_id: UUID, *, sign_count: int) -> None:
    """Writes down where the counter stands."""
    await conn.execute("UPDATE passkeys SET sign_count = $2, last_used_at = busload_now() WHERE id = $1", passkey_id, sign_count)


async def rename_passkey(conn: Connection, passkey_id: UUID, account_id: UUID, name: str) -> bool:
    """Names a passkey; False when it is not this account's."""
    found = await conn.fetchval(
        "UPDATE passkeys SET name = $3 WHERE id = $1 AND account_id = $2 RETURNING true", passkey_id, account_id, name
    )
    return bool(found)


async def remove_passkey(conn: Connection, passkey_id: UUID, account_id: UUID) -> bool:
    """Forgets a passkey; False when it is not this account's."""
    return bool(await conn.fetchval("DELETE FROM passkeys WHERE id = $1 AND account_id = $2 RETURNING true", passkey_id, account_id))


async def find_session_start(conn: Connection, token_hash: bytes, account_id: UUID) -> datetime | None:
    """When this session of the account was opened; None when it is not live."""
    found: datetime | None = await conn.fetchval(
        "SELECT created_at FROM sessions WHERE token_hash = $1 AND account_id = $2 AND revoked_at IS NULL AND expires_at > busload_now()",
        token_hash,
        account_id,
    )
    return found


async def list_sessions(conn: Connection, account_id: UUID, *, this: bytes) -> list[OpenSession]:
    """An account's live sessions, newest first."""
    return await fetch_all(
        conn,
        OpenSession,
        """
        SELECT id, created_at, expires_at, opened_with, token_hash = $2 AS is_this FROM sessions
        WHERE account_id = $1 AND revoked_at IS NULL AND expires_at > busload_now() ORDER BY created_at DESC LIMIT 50
        """,
        account_id,
        this,
    )


async def end_session(conn: Connection, session_id: UUID, account_id: UUID) -> bool:
    """Ends one session; False when it is not this account's."""
    found = await conn.fetchval(
        "UPDATE sessions SET revoked_at = busload_now() WHERE id = $1 AND account_id = $2 AND revoked_at IS NULL RETURNING true",
        session_id,
        account_id,
    )
    return bool(found)


async def end_other_sessions(conn: Connection, account_id: UUID, *, but: bytes) -> int:
    """Ends all of an account's sessions but the one with this token's hash; how many. An empty `but` ends all."""
    rows = await conn.fetch(
        "UPDATE sessions SET revoked_at = busload_now() WHERE account_id = $1 AND token_hash <> $2 AND revoked_at IS NULL RETURNING id",
        account_id,
        but,
    )
    return len(rows)


async def end_sessions_of(conn: Connection, email: str | None) -> int:
    """Ends all sessions of an address, or of everybody (None); how many."""
    rows = await conn.fetch(
        """
        UPDATE sessions s SET revoked_at = busload_now() FROM accounts a
        WHERE a.id = s.account_id AND ($1::citext IS NULL OR a.email = $1::citext) AND s.revoked_at IS NULL AND s.expires_at > busload_now()
        RETURNING s.id
        """,
        email,
    )
    return len(rows)
