"""Passkeys: made by somebody who signed in just now, used to sign in without a mail. Each challenge is asked once, answered once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from app.core.audit import act_as, record_change
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, Invalid, NotFound, SignInNeeded
from app.core.ids import token_hash
from app.core.log import logger
from app.domain.accounts import passkey_store as store
from app.domain.accounts.passkey_store import OpenSession, Passkey
from app.domain.accounts.passkeys import (
    PasskeyRefused,
    Site,
    ask_to_make,
    ask_to_sign,
    challenge_hash,
    challenge_in,
    check_made,
    check_signed,
    credential_id_in,
    new_challenge,
    user_handle_in,
)
from app.domain.notifications.service import queue_mail
from app.flows.sign_in import Session, open_session_within, safe_path

log = logger(__name__)
CHALLENGE_LIFETIME = timedelta(minutes=5)
RECENT = timedelta(minutes=15)
MAX_PASSKEYS, MAX_NAME_LENGTH = 20, 60


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who changes their passkeys, and by which session."""

    account_id: UUID
    email: str
    session_token: str


class Keyring(msgspec.Struct, frozen=True, kw_only=True):
    """An account's passkeys and sessions; `is_recent`: signed in just now, so that keys may be changed."""

    passkeys: list[Passkey]
    sessions: list[OpenSession]
    is_recent: bool


class SignInAgain(SignInNeeded):
    """Whoever walks by an open screen shall not add a key of their own."""

    code = "sign_in_again"
    title = "Please sign in once more"


async def read_keyring(pool: Pool, owner: Owner) -> Keyring:
    """What the account page shows."""
    async with pool.acquire() as conn:
        started_at = await store.find_session_start(conn, token_hash(owner.session_token), owner.account_id)
        return Keyring(
            passkeys=await store.list_passkeys(conn, owner.account_id),
            sessions=await store.list_sessions(conn, owner.account_id, this=token_hash(owner.session_token)),
            is_recent=started_at is not None and await busload_now(conn) - started_at <= RECENT,
        )


async def check_recent(conn: Connection, owner: Owner) -> None:
    """SignInAgain unless this session was opened within the last quarter of an hour."""
    started_at = await store.find_session_start(conn, token_hash(owner.session_token), owner.account_id)
    if started_at is None or await busload_now(conn) - started_at > RECENT:
        raise SignInAgain("Passkeys can be changed within 15 minutes of signing in. Sign out, sign in and come back.")


async def offer_passkey(pool: Pool, owner: Owner, *, site: Site) -> dict[str, Any]:
    """Options for making a passkey; the answer must come in this session, within five minutes."""
    challenge = new_challenge()
    async with transaction(pool) as conn:
        await check_recent(conn, owner)
        has = await store.list_credential_ids(conn, owner.account_id)
        if len(has) >= MAX_PASSKEYS:
            raise Conflict(f"An account has at most {MAX_PASSKEYS} passkeys. Remove one that you do not use.", code="too_many_passkeys")
        await store.add_challenge(
            conn, challenge_hash=challenge_hash(challenge), browser_hash=token_hash(owner.session_token), account_id=owner.account_id,
            expires_at=await busload_now(conn) + CHALLENGE_LIFETIME,
        )  # fmt: skip
    return ask_to_make(site, challenge=challenge, account_id=owner.account_id, email=owner.email, has=has)


async def keep_passkey(pool: Pool, owner: Owner, *, credential: dict[str, Any], name: str, site: Site) -> Passkey:
    """Keeps a passkey that was just made. PasskeyRefused when its answer does not hold, Conflict when it is known already."""
    name = name_of(name)
    challenge = await take_challenge(
        pool, challenge_in(credential), browser_hash=token_hash(owner.session_token), account_id=owner.account_id
    )
    made = check_made(site, credential, challenge=challenge)
    async with transaction(pool) as conn:
        await act_as(conn, f"account:{owner.account_id}", "made a passkey")
        await check_recent(conn, owner)
        passkey = await store.add_passkey(
            conn, account_id=owner.account_id, credential_id=made.credential_id, public_key=made.public_key, sign_count=made.sign_count,
            name=name, is_synced=made.is_synced,
        )  # fmt: skip
        if passkey is None:
            raise Conflict("This passkey is known here already.", code="passkey_known")
        await record_change(conn, "passkey", passkey.id, "kept", {})
        await tell_owner(conn, owner, passkey.id, what="added", name=name)
    log.info("passkey.kept", account_id=str(owner.account_id), passkey_id=str(passkey.id))
    return passkey


async def take_challenge(pool: Pool, challenge: bytes, *, browser_hash: bytes, account_id: UUID | None) -> bytes:
    """The challenge, used up in a transaction of its own: an answer that does not hold uses it up too."""
    async with transaction(pool) as conn:
        is_ours = await store.use_challenge(
            conn, challenge_hash=challenge_hash(challenge), browser_hash=browser_hash, account_id=account_id
        )
    if not is_ours:
        raise PasskeyRefused("This answer came too late, came twice, or was asked for in another browser. Try once more.")
    return challenge


def name_of(name: str) -> str:
    """What its owner calls a passkey."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise Invalid.field("name", f"Give the passkey a name of at most {MAX_NAME_LENGTH} characters, such as `Work phone`.")
    return name


async def rename_passkey(pool: Pool, owner: Owner, passkey_id: UUID, *, name: str) -> None:
    """Gives a passkey another name; NotFound when it is not this account's."""
    async with transaction(pool) as conn:
        if not await store.rename_passkey(conn, passkey_id, owner.account_id, name_of(name)):
            raise NotFound("There is no such passkey.")


async def remove_passkey(pool: Pool, owner: Owner, passkey_id: UUID) -> None:
    """Forgets a passkey and tells its owner by mail; NotFound when it is not this account's."""
    async with transaction(pool) as conn:
        await act_as(conn, f"account:{owner.account_id}", "removed a passkey")
        await check_recent(conn, owner)
        names = {one.id: one.name for one in await store.list_passkeys(conn, owner.account_id)}
        if not await store.remove_passkey(conn, passkey_id, owner.account_id):
            raise NotFound("There is no such passkey.")
        await record_change(conn, "passkey", passkey_id, "removed", {})
        await tell_owner(conn, owner, passkey_id, what="removed", name=names[passkey_id])
    log.info("passkey.removed", account_id=str(owner.account_id), passkey_id=str(passkey_id))


async def tell_owner(conn: Connection, owner: Owner, passkey_id: UUID, *, what: str, name: str) -> None:
    """A change of how one signs in is told to the account's address."""
    await queue_mail(
        conn, dedupe_key=f"passkey-{what}:{passkey_id}", recipient=owner.email, template="passkey_changed", locale="en",
        data={"what": what, "name": name}, subject_id=None,
    )  # fmt: skip


async def ask_for_signature(pool: Pool, *, browser_token: str, site: Site) -> dict[str, Any]:
    """Options for signing in; the answer must come from this browser, within five minutes."""
    challenge = new_challenge()
    async with transaction(pool) as conn:
        await store.add_challenge(
            conn, challenge_hash=challenge_hash(challenge), browser_hash=token_hash(browser_token), account_id=None,
            expires_at=await busload_now(conn) + CHALLENGE_LIFETIME,
        )  # fmt: skip
    return ask_to_sign(site, challenge=challenge)


async def sign_in_with_passkey(pool: Pool, *, credential: dict[str, Any], browser_token: str, site: Site, next_path: str) -> Session:
    """Opens a session for the owner of a passkey whose answer holds, else PasskeyRefused. The refusal does not tell which part failed."""
    challenge = await take_challenge(pool, challenge_in(credential), browser_hash=token_hash(browser_token), account_id=None)
    async with transaction(pool) as conn:
        key = await store.lock_signing_key(conn, credential_id_in(credential))
        if key is None or user_handle_in(credential) not in {None, key.account_id.bytes}:
            log.info("passkey.refused", known=key is not None)
            raise PasskeyRefused("We do not know this passkey (any more). Ask for a mail link instead.")
        count = check_signed(site, credential, challenge=challenge, public_key=key.public_key, sign_count=key.sign_count)
        await store.note_use(conn, key.id, sign_count=count)
        session = await open_session_within(conn, key.account_id, next_path=safe_path(next_path), opened_with="passkey")
    log.info("session.opened", account_id=str(key.account_id), opened_with="passkey")
    return session


async def end_session(pool: Pool, owner: Owner, session_id: UUID) -> None:
    """Ends one of the account's sessions; NotFound when it is not theirs."""
    async with transaction(pool) as conn:
        if not await store.end_session(conn, session_id, owner.account_id):
            raise NotFound("There is no such session, or it has ended.")


async def end_other_sessions(pool: Pool, owner: Owner) -> int:
    """Ends every session of the account but this one; how many."""
    async with transaction(pool) as conn:
        return await store.end_other_sessions(conn, owner.account_id, but=token_hash(owner.session_token))


async def end_sessions_of(pool: Pool, *, email: str | None) -> int:
    """Ends every session of an address, or of everybody without one; how many. For whoever runs the service."""
    async with transaction(pool) as conn:
        ended = await store.end_sessions_of(conn, email)
    log.warning("sessions.ended_by_hand", sessions=ended)
    return ended
