"""Signing in by a mailed link: single use, ten minutes, only in the browser that asked for it, consumed by POST."""

from uuid import UUID

import msgspec

from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Invalid, Refusal, TooMany
from app.core.ids import derived_token, new_id, random_token, token_hash
from app.core.log import logger
from app.domain.accounts import store as accounts
from app.domain.accounts.model import SESSION_LIFETIME, SIGN_IN_LINK_LIFETIME, looks_like_email
from app.domain.notifications.service import queue_mail

log = logger(__name__)
PURPOSE = "sign_in"
MAX_LINKS = 5
MAX_EMAIL_LENGTH = 254


class LinkSpent(Refusal):
    """The link does not sign anybody in (any more)."""

    code = "sign_in_link_invalid"
    status = 410
    title = "This link does not sign you in"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session just opened: its token (shown once, hashed at rest) and where to go."""

    token: str
    next_path: str


def safe_path(path: str) -> str:
    """A path of our own site to go on to, else the first page: no other host, no scheme, nothing a browser reads as one."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if is_ours and len(path) <= 500 else "/"  # noqa: PLR2004  longer than any page of ours


async def ask_for_link(pool: Pool, *, email: str, browser_token: str, next_path: str, secret: str) -> None:
    """Mails a link to an address, whoever it belongs to. Invalid (`bad_email`), TooMany after five within ten minutes.

    The mail holds an id from which the token is derived when it is sent: neither the outbox nor the table holds a token.
    """
    address = email.strip()
    if len(address) > MAX_EMAIL_LENGTH or not looks_like_email(address):
        raise Invalid.field("email", "This is no complete e-mail address; it should look like name@example.org.", code="bad_email")
    link_id = new_id()
    async with transaction(pool) as conn:
        if await accounts.count_recent_links(conn, address) >= MAX_LINKS:
            raise TooMany(
                "We have mailed this address several links just now. Look in your spam folder, or wait ten minutes.", retry_after_s=600
            )
        await accounts.add_sign_in_link(
            conn,
            token_hash=token_hash(derived_token(secret, PURPOSE, link_id)),
            email=address,
            browser_hash=token_hash(browser_token),
            next_path=safe_path(next_path),
            expires_at=await busload_now(conn) + SIGN_IN_LINK_LIFETIME,
        )
        await queue_mail(
            conn,
            dedupe_key=f"sign-in:{link_id}",
            recipient=address,
            template="sign_in",
            locale="en",
            data={"link_id": str(link_id), "minutes": int(SIGN_IN_LINK_LIFETIME.total_seconds() // 60)},
            subject_id=None,
        )


async def use_link(pool: Pool, *, token: str, browser_token: str) -> Session:
    """Uses a link up and opens a session for its address; LinkSpent when it is used, old, unknown or another browser's."""
    async with transaction(pool) as conn:
        link = await accounts.consume_sign_in_link(conn, token_hash(token), token_hash(browser_token))
        if link is None:
            log.info("sign_in.link_refused")
            raise LinkSpent("It was used before, is older than ten minutes, or was asked for in another browser. Ask for a new one here.")
        account = await accounts.find_or_add_account(conn, link.email)
        session = await open_session_within(conn, account.id, next_path=link.next_path)
    log.info("session.opened", account_id=str(account.id), opened_with="link")
    return session


async def open_session_within(conn: Connection, account_id: UUID, *, next_path: str, opened_with: str = "link") -> Session:
    """A new session for an account; its token leaves this process once, in a cookie."""
    token = random_token()
    await accounts.add_session(
        conn, account_id=account_id, token_hash=token_hash(token), expires_at=await busload_now(conn) + SESSION_LIFETIME,
        opened_with=opened_with,
    )  # fmt: skip
    return Session(token=token, next_path=next_path)


async def sign_out(pool: Pool, *, token: str) -> None:
    """Ends a session; an unknown one (or none) is no error."""
    if not token:
        return
    async with transaction(pool) as conn:
        await accounts.revoke_session(conn, token_hash(token))
