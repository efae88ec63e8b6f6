"""SQL of what is forgotten by itself. Each statement takes a bounded share, so that no sweep holds much at once; the next takes more."""

from datetime import datetime

from app.core.database import Connection


async def forget_links(conn: Connection, *, before: datetime) -> int:
    """Sign-in links that expired before a moment."""
    return len(await conn.fetch("DELETE FROM sign_in_links WHERE expires_at < $1 RETURNING 1", before))


async def forget_challenges(conn: Connection, *, before: datetime) -> int:
    """Passkey challenges that nobody answered."""
    return len(await conn.fetch("DELETE FROM passkey_challenges WHERE expires_at < $1 RETURNING 1", before))


async def forget_sessions(conn: Connection, *, before: datetime) -> int:
    """Sessions that ended before a moment."""
    return len(await conn.fetch("DELETE FROM sessions WHERE least(expires_at, revoked_at) < $1 RETURNING 1", before))


async def forget_deliveries(conn: Connection, *, before: datetime) -> int:
    """Webhook messages that are delivered or given up."""
    return len(
        await conn.fetch(
            """
            DELETE FROM webhook_deliveries WHERE id IN (
                SELECT d.id FROM webhook_deliveries d WHERE d.created_at < $1 AND d.state <> 'pending' LIMIT 10000) RETURNING 1
            """,
            before,
        )
    )


async def forget_stripe_events(conn: Connection, *, before: datetime) -> int:
    """Stripe's news that was worked on."""
    return len(
        await conn.fetch(
            "DELETE FROM stripe_events WHERE id IN (SELECT e.id FROM stripe_events e WHERE e.settled_at < $1 LIMIT 10000) RETURNING 1",
            before,
        )
    )


async def forget_mails(conn: Connection, *, before: datetime) -> int:
    """What sent mails said and to whom; that they went is kept, because news is told once. The last mail of the erased goes at once."""
    return len(
        await conn.fetch(
            """
            UPDATE mails SET data = '{}', recipient = (id || '@erased.invalid')::citext, last_error = ''
            WHERE (sent_at < $1 OR (template = 'erased' AND sent_at IS NOT NULL)) AND recipient NOT LIKE '%@erased.invalid' RETURNING 1
            """,
            before,
        )
    )


async def forget_networks(conn: Connection, *, before: datetime) -> int:
    """Where pledges came from."""
    return len(
        await conn.fetch(
            """
            UPDATE pledges SET client_hash = NULL WHERE id IN (
                SELECT p.id FROM pledges p WHERE p.client_hash IS NOT NULL AND p.created_at < $1 LIMIT 10000) RETURNING 1
            """,
            before,
        )
    )


async def forget_uncharged(conn: Connection, *, before: datetime) -> int:
    """Who pledged and was never charged, once the event is long over."""
    return len(
        await conn.fetch(
            """
            UPDATE pledges SET name = '', phone = '', needs = '', locale = 'en', card_label = '', card_fingerprint = NULL,
                card_url = NULL, client_hash = NULL, held_because = '', email = id || '@erased.invalid',
                email_normalised = id || '@erased.invalid', erased_at = busload_now()
            WHERE id IN (SELECT p.id FROM pledges p JOIN events e ON e.id = p.event_id
                WHERE p.erased_at IS NULL AND e.ends_at < $1 AND p.state IN ('lapsed', 'refused', 'withdrawn', 'released', 'dropped')
                  AND NOT EXISTS (SELECT FROM payments m WHERE m.reference = p.id
                                  AND m.state IN ('succeeded', 'disputed', 'won', 'lost')) LIMIT 10000) RETURNING 1
            """,
            before,
        )
    )


async def lapse_wishes(conn: Connection) -> int:
    """Wishes to be forgotten that nobody confirmed: their address goes."""
    return len(
        await conn.fetch(
            """
            UPDATE erasures SET state = 'lapsed', email = (id || '@erased.invalid')::citext
            WHERE state = 'asked' AND link_expires_at < busload_now() RETURNING 1
            """
        )
    )


async def forget_for_law(conn: Connection) -> int:
    """What the law does not ask for any more."""
    return len(await conn.fetch("DELETE FROM legal_retention WHERE keep_until < busload_now() RETURNING 1"))
