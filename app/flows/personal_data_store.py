"""SQL of one person's data across all slices: what is held, what still needs it, taking it out. Every table with personal data is here."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all, fetch_maybe, fetch_one
from app.domain.accounts.model import ErasureState


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is one person's, by id: what carries the address, and what an account of that address made."""

    account_ids: list[UUID]
    pledge_ids: list[UUID]
    driver_ids: list[UUID]


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """Why data cannot go yet: `kind` of need, what it is about, and until when, where that is known."""

    kind: str
    subject: str
    until: datetime | None


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's wish to be forgotten."""

    id: UUID
    email: str
    state: ErasureState
    is_fresh: bool


async def find_person(conn: Connection, email: str) -> Person:
    """Who is reached at an address; an empty Person for nobody."""
    return await fetch_one(
        conn,
        Person,
        """
        SELECT coalesce((SELECT array_agg(a.id) FROM accounts a WHERE a.email = $1), '{}') AS account_ids,
               coalesce((SELECT array_agg(p.id ORDER BY p.id) FROM pledges p LEFT JOIN accounts a ON a.id = p.account_id
                         WHERE p.email = $1 OR a.email = $1), '{}') AS pledge_ids,
               coalesce((SELECT array_agg(d.id) FROM drivers d WHERE d.email = $1), '{}') AS driver_ids
        """,
        email,
    )


async def lock_pledges_of(conn: Connection, person: Person) -> None:
    """Locks trips, then pledges, in the order everybody locks them: no charge and no change begins meanwhile."""
    await conn.execute(
        """
        SELECT t.id FROM trips t WHERE t.id IN (SELECT p.trip_id FROM pledges p WHERE p.id = ANY($1)) ORDER BY t.id FOR UPDATE OF t
        """,
        person.pledge_ids,
    )
    await conn.execute("SELECT p.id FROM pledges p WHERE p.id = ANY($1) ORDER BY p.id FOR UPDATE", person.pledge_ids)


async def find_needs(conn: Connection, person: Person, *, after_event: timedelta) -> list[Need]:
    """What still needs a person's data; nothing when it may go."""
    return await fetch_all(
        conn,
        Need,
        """
        SELECT 'undecided' AS kind, p.public_code AS subject, t.deadline_at AS until
        FROM pledges p JOIN trips t ON t.id = p.trip_id WHERE p.id = ANY($1) AND p.state IN ('pending_card', 'active')
        UNION ALL
        SELECT 'travels', p.public_code, e.ends_at + $3
        FROM pledges p JOIN events e ON e.id = p.event_id
        WHERE p.id = ANY($1) AND p.state IN ('confirmed', 'paid') AND e.ends_at + $3 > busload_now()
        UNION ALL
        SELECT 'payment', p.public_code, NULL FROM pledges p
        WHERE p.id = ANY($1) AND EXISTS (SELECT FROM payments m WHERE m.reference = p.id
            AND m.state IN ('due', 'submitting', 'unknown', 'needs_action', 'retryable'))
        UNION ALL
        SELECT 'dispute', p.public_code, NULL FROM pledges p
        WHERE p.id = ANY($1) AND EXISTS (SELECT FROM payments m WHERE m.reference = p.id AND (m.state = 'disputed'
            OR EXISTS (SELECT FROM disputes d WHERE d.payment_id = m.id AND d.closed_at IS NULL)))
        UNION ALL
        SELECT 'refund', p.public_code, NULL FROM pledges p
        WHERE p.id = ANY($1) AND EXISTS (SELECT FROM payments m JOIN refunds r ON r.payment_id = m.id
            WHERE m.reference = p.id AND r.state IN ('due', 'submitting', 'unknown'))
        UNION ALL
        SELECT 'drives', d.public_code, upper(dd.during) + $3 FROM duty_drivers dd JOIN duties d ON d.id = dd.duty_id
        WHERE dd.driver_id = ANY($2) AND dd.ended_at IS NULL AND upper(dd.during) + $3 > busload_now()
        ORDER BY 3 DESC NULLS FIRST, 1, 2
        """,
        person.pledge_ids,
        person.driver_ids,
        after_event,
    )


async def store_for_law(conn: Connection, person: Person, *, keep_until: datetime) -> int:
    """Puts the booking of every pledge that was ever charged into the retention store; how many. Again is no error."""
    rows = await conn.fetch(
        """
        INSERT INTO legal_retention (subject_id, document, keep_until)
        SELECT p.id, jsonb_build_object('code', p.public_code, 'name', p.name, 'email', p.email, 'people', p.people,
            'amount_minor', p.amount_minor, 'currency', p.currency, 'event_id', p.event_id, 'created_at', p.created_at,
            'disputes', coalesce((SELECT jsonb_agg(d.evidence) FROM disputes d JOIN payments m ON m.id = d.payment_id
                                  WHERE m.reference = p.id), '[]')), $2
        FROM pledges p WHERE p.id = ANY($1) AND p.erased_at IS NULL AND EXISTS (SELECT FROM payments m
            WHERE m.reference = p.id AND m.state IN ('succeeded', 'disputed', 'won', 'lost'))
        ON CONFLICT (subject_id) DO NOTHING RETURNING 1
        """,
        person.pledge_ids,
        keep_until,
    )
    return len(rows)


async def end_wishes(conn: Connection, person: Person, email: str) -> None:
    """Takes open offers of seats back and leaves every waitlist: nothing shall wait for who is gone."""
    await conn.execute(
        """
        UPDATE transfers SET state = 'cancelled', settled_at = busload_now()
        WHERE state = 'offered' AND (pledge_id = ANY($1) OR from_email = $2 OR to_email = $2)
        """,
        person.pledge_ids,
        email,
    )
    await conn.execute("UPDATE waitlist SET state = 'left' WHERE state = 'waiting' AND email = $1", email)


async def erase_pledges(conn: Connection, person: Person) -> None:
    """Pledges keep their ids, numbers and states; words, addresses, card labels and links go."""
    await conn.execute(
        """
        UPDATE pledges SET name = '', phone = '', needs = '', locale = 'en', card_label = '', card_fingerprint = NULL, card_url = NULL,
            client_hash = NULL, held_because = '', email = id || '@erased.invalid', email_normalised = id || '@erased.invalid',
            manage_token_hash = sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), erased_at = busload_now()
        WHERE id = ANY($1) AND erased_at IS NULL
        """,
        person.pledge_ids,
    )
    await conn.execute("UPDATE set_aside_cards SET card_label = '' WHERE pledge_id = ANY($1)", person.pledge_ids)
    await conn.execute(
        """
        UPDATE disputes SET evidence = '{}', note = '' WHERE payment_id IN (SELECT m.id FROM payments m WHERE m.reference = ANY($1))
        """,
        person.pledge_ids,
    )


async def erase_wishes(conn: Connection, email: str) -> None:
    """Transfers and waitlists keep what happened and forget who it was; the other side of a transfer stays."""
    await conn.execute(
        "UPDATE transfers SET from_name = '', from_email = (id || '@erased.invalid')::citext, card_label = NULL, payer_token_hash = NULL "
        "WHERE from_email = $1",
        email,
    )
    await conn.execute(
        """
        UPDATE transfers SET to_name = '', to_email = (id || '@erased.invalid')::citext, to_email_normalised = id || '@erased.invalid'
        WHERE to_email = $1
        """,
        email,
    )
    await conn.execute(
        """
        UPDATE waitlist SET name = '', email = (id || '@erased.invalid')::citext, email_normalised = id || '@erased.invalid'
        WHERE email = $1 AND state <> 'waiting'
        """,
        email,
    )


async def erase_mails(conn: Connection, person: Person, email: str) -> None:
    """Mails that went keep that they went; those that wait do not go."""
    await conn.execute(
        """
        DELETE FROM mails WHERE sent_at IS NULL AND (recipient = $1 OR subject_id = ANY($2))
        """,
        email,
        person.pledge_ids,
    )
    await conn.execute(
        """
        UPDATE mails SET data = '{}', last_error = '',
            recipient = (id || '@erased.invalid')::citext
        WHERE sent_at IS NOT NULL AND (recipient = $1 OR subject_id = ANY($2))
        """,
        email,
        person.pledge_ids,
    )


async def erase_accounts(conn: Connection, person: Person, email: str) -> None:
    """Accounts keep their ids; address, name, roles, passkeys, cards, sessions and sign-in links go."""
    for statement in (
        "DELETE FROM passkey_challenges WHERE account_id = ANY($1)",
        "DELETE FROM passkeys WHERE account_id = ANY($1)",
        "DELETE FROM saved_cards WHERE account_id = ANY($1)",
        "DELETE FROM sessions WHERE account_id = ANY($1)",
        "DELETE FROM account_roles WHERE account_id = ANY($1)",
        "UPDATE accounts SET name = '', email = (id || '@erased.invalid')::citext, erased_at = busload_now() WHERE id = ANY($1)",
    ):
        await conn.execute(statement, person.account_ids)
    await conn.execute("DELETE FROM sign_in_links WHERE email = $1", email)
    await conn.execute(
        """
        UPDATE drivers SET name = 'erased', phone = '', email = (id || '@erased.invalid')::citext, active = false WHERE id = ANY($1)
        """,
        person.driver_ids,
    )


async def list_customers(conn: Connection, person: Person) -> list[UUID]:
    """Pledges with a customer at Stripe, one for each customer."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT ON (p.customer_ref) p.id FROM pledges p
        WHERE p.id = ANY($1) AND p.customer_ref IS NOT NULL ORDER BY p.customer_ref, p.id
        """,
        person.pledge_ids,
    )
    return [row["id"] for row in rows]


async def find_customer(conn: Connection, pledge_id: UUID) -> str | None:
    """The customer of an erased pledge, unless somebody who is not erased uses it too."""
    found: str | None = await conn.fetchval(
        """
        SELECT p.customer_ref FROM pledges p WHERE p.id = $1 AND p.erased_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM pledges o WHERE o.customer_ref = p.customer_ref AND o.erased_at IS NULL)
          AND NOT EXISTS (SELECT FROM saved_cards c WHERE c.customer_ref = p.customer_ref)
        """,
        pledge_id,
    )
    return found


async def add_erasure(conn: Connection, *, email: str, asked_by: str, state: ErasureState, link_lifetime: timedelta) -> Erasure:
    """Writes a wish down, in state `asked` or `confirmed`."""
    return await fetch_one(
        conn,
        Erasure,
        """
        INSERT INTO erasures (email, asked_by, state, link_expires_at, confirmed_at)
        VALUES ($1, $2, $3, busload_now() + $4, CASE WHEN $3 = 'confirmed' THEN busload_now() END)
        RETURNING id, email::text, state, true AS is_fresh
        """,
        email,
        asked_by,
        state.value,
        link_lifetime,
    )


async def lock_erasure(conn: Connection, erasure_id: UUID) -> Erasure | None:
    """A wish, locked; `is_fresh` while its link may confirm it."""
    return await fetch_maybe(
        conn,
        Erasure,
        "SELECT id, email::text, state, link_expires_at > busload_now() AS is_fresh FROM erasures WHERE id = $1 FOR UPDATE",
        erasure_id,
    )


async def set_erasure_confirmed(conn: Connection, erasure_id: UUID) -> None:
    """`asked -> confirmed`."""
    await conn.execute(
        "UPDATE erasures SET state = 'confirmed', confirmed_at = busload_now() WHERE id = $1 AND state = 'asked'", erasure_id
    )


async def set_erasures_done(conn: Connection, email: str) -> None:
    """`confirmed -> done` for every wish of this address; one that was only asked is confirmed by another's doing."""
    await conn.execute(
        """
        UPDATE erasures SET state = 'confirmed', confirmed_at = busload_now() WHERE email = $1 AND state = 'asked'
        """,
        email,
    )
    await conn.execute(
        """
        UPDATE erasures SET state = 'done', done_at = busload_now(), email = (id || '@erased.invalid')::citext
        WHERE email = $1 AND state = 'confirmed'
        """,
        email,
    )


async def list_confirmed(conn: Connection) -> list[UUID]:
    """Wishes that wait for something, oldest first."""
    return [row["id"] for row in await conn.fetch("SELECT id FROM erasures WHERE state = 'confirmed' ORDER BY id LIMIT 1000")]


async def read_everything(conn: Connection, person: Person, email: str) -> dict[str, Any]:
    """All that is held about a person, as JSON, by kind. Secrets (token hashes, public keys) and opaque references are left out."""
    row = await conn.fetchrow(
        """
        SELECT
        (SELECT coalesce(jsonb_agg(jsonb_build_object('email', a.email, 'name', a.name, 'created_at', a.created_at,
            'roles', (SELECT coalesce(jsonb_agg(r.role), '[]') FROM account_roles r WHERE r.account_id = a.id),
            'passkeys', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', k.name, 'created_at', k.created_at,
                'last_used_at', k.last_used_at)), '[]') FROM passkeys k WHERE k.account_id = a.id),
            'sessions', (SELECT coalesce(jsonb_agg(jsonb_build_object('created_at', s.created_at, 'expires_at', s.expires_at,
                'revoked_at', s.revoked_at, 'opened_with', s.opened_with)), '[]') FROM sessions s WHERE s.account_id = a.id),
            'saved_card', (SELECT c.card_label FROM saved_cards c WHERE c.account_id = a.id))), '[]')
            FROM accounts a WHERE a.id = ANY($1)) AS accounts,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('code', p.public_code, 'event', e.name, 'trip_from', t.origin, 'stop', s.name,
            'name', p.name, 'email', p.email, 'phone', p.phone, 'needs', p.needs, 'locale', p.locale, 'seats', p.seats,
            'wheelchairs', p.wheelchairs, 'legs', p.legs, 'amount_minor', p.amount_minor, 'currency', p.currency, 'state', p.state,
            'card', p.card_label, 'terms_version', p.terms_version, 'terms_shown_at', p.terms_shown_at, 'created_at', p.created_at,
            'held_for_review_at', p.held_for_review_at,
            'payments', (SELECT coalesce(jsonb_agg(jsonb_build_object('purpose', m.purpose, 'amount_minor', m.amount_minor,
                'currency', m.currency, 'state', m.state, 'created_at', m.created_at, 'settled_at', m.settled_at,
                'refunds', (SELECT coalesce(jsonb_agg(jsonb_build_object('reason', r.reason, 'amount_minor', r.amount_minor,
                    'state', r.state, 'created_at', r.created_at)), '[]') FROM refunds r WHERE r.payment_id = m.id),
                'disputes', (SELECT coalesce(jsonb_agg(jsonb_build_object('reason', d.reason, 'state', d.state, 'evidence', d.evidence)),
                    '[]') FROM disputes d WHERE d.payment_id = m.id))), '[]') FROM payments m WHERE m.reference = p.id),
            'passes', (SELECT coalesce(jsonb_agg(jsonb_build_object('person', b.person, 'leg', b.leg, 'issued_at', b.issued_at)), '[]')
                FROM boarding_passes b WHERE b.pledge_id = p.id),
            'check_ins', (SELECT coalesce(jsonb_agg(jsonb_build_object('person', c.person, 'leg', c.leg, 'checked_at', c.checked_at)),
                '[]') FROM check_ins c WHERE c.pledge_id = p.id),
            'incidents', (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', i.kind, 'summary', i.summary, 'opened_at', i.opened_at)),
                '[]') FROM incident_pledges ip JOIN incidents i ON i.id = ip.incident_id WHERE ip.pledge_id = p.id),
            'history', (SELECT coalesce(jsonb_agg(jsonb_build_object('at', u.at, 'from', u.from_state, 'to', u.to_state,
                'reason', u.reason) ORDER BY u.id), '[]') FROM audit u WHERE u.subject_id = p.id)) ORDER BY p.id), '[]')
            FROM pledges p JOIN events e ON e.id = p.event_id JOIN trips t ON t.id = p.trip_id JOIN stops s ON s.id = p.stop_id
            WHERE p.id = ANY($2)) AS pledges,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('template', m.template, 'data', m.data, 'created_at', m.created_at,
            'sent_at', m.sent_at) ORDER BY m.id), '[]') FROM mails m WHERE m.recipient = $3) AS mails,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('state', t.state, 'created_at', t.created_at, 'gave', t.from_email = $3,
            'name', CASE WHEN t.from_email = $3 THEN t.from_name ELSE t.to_name END)), '[]')
            FROM transfers t WHERE t.from_email = $3 OR t.to_email = $3) AS transfers,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('name', w.name, 'state', w.state, 'people', w.people, 'created_at', w.created_at)),
            '[]') FROM waitlist w WHERE w.email = $3) AS waitlist,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('name', d.name, 'email', d.email, 'phone', d.phone,
            'duties', (SELECT coalesce(jsonb_agg(jsonb_build_object('from', lower(dd.during), 'until', upper(dd.during))), '[]')
                FROM duty_drivers dd WHERE dd.driver_id = d.id))), '[]') FROM drivers d WHERE d.id = ANY($4)) AS drivers
        """,
        person.account_ids,
        person.pledge_ids,
        email,
        person.driver_ids,
    )
    assert row is not None, "a SELECT without FROM has one row"
    return dict(row)
