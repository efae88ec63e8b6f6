"""SQL of the outbox."""

from collections.abc import Sequence
from uuid import UUID

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.notifications.model import Mail, NewMail


async def add_mails(conn: Connection, new: Sequence[NewMail]) -> list[UUID]:
    """Puts mails in the outbox, all in one statement; returns those that are news."""
    rows = await conn.fetch(
        """
        INSERT INTO mails (dedupe_key, recipient, template, locale, data, subject_id)
        SELECT dedupe_key, recipient, template, locale, data::jsonb, subject_id
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::uuid[])
            AS new (dedupe_key, recipient, template, locale, data, subject_id)
        ON CONFLICT (dedupe_key) DO NOTHING RETURNING id
        """,
        [mail.dedupe_key for mail in new],
        [mail.recipient for mail in new],
        [mail.template for mail in new],
        [mail.locale for mail in new],
        [mail.data for mail in new],
        [mail.subject_id for mail in new],
    )
    return [row["id"] for row in rows]


async def get_unsent_mail(conn: Connection, mail_id: UUID) -> Mail | None:
    """A mail that has not gone yet."""
    return await fetch_maybe(
        conn,
        Mail,
        """
        SELECT id, recipient::text, template, locale, data, created_at, sent_at, tries FROM mails WHERE id = $1 AND sent_at IS NULL
        """,
        mail_id,
    )


async def read_link_holder(conn: Connection, pledge_id: UUID, recipient: str) -> int:
    """Whose links a mail about a pledge carries: those of now if it goes to who has the pledge now, else the first ones, which are dead."""
    found = await conn.fetchval("SELECT holder FROM pledges WHERE id = $1 AND email = $2::citext", pledge_id, recipient)
    return int(found or 0)


async def mark_sent(conn: Connection, mail_id: UUID) -> None:
    """The mail server has taken it."""
    await conn.execute("UPDATE mails SET sent_at = busload_now(), tries = tries + 1 WHERE id = $1 AND sent_at IS NULL", mail_id)


async def mark_failed(conn: Connection, mail_id: UUID, error: str) -> int:
    """The mail server has not; returns how often it was tried."""
    tries = await conn.fetchval("UPDATE mails SET tries = tries + 1, last_error = $2 WHERE id = $1 RETURNING tries", mail_id, error[:200])
    return int(tries)


async def list_mails_about(conn: Connection, subject_ids: Sequence[UUID]) -> list[Mail]:
    """What people were told about these subjects."""
    return await fetch_all(
        conn,
        Mail,
        """
        SELECT id, recipient::text, template, locale, data, created_at, sent_at, tries FROM mails
        WHERE subject_id = ANY($1::uuid[]) ORDER BY id
        """,
        list(subject_ids),
    )
