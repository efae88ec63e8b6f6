"""SQL of a batch of pledges, over the slices it touches: few round trips, because each holds the trip's lock.

Look-ups of many go key by key through their index (a subquery each): with `= ANY`, a plan made while the trip was young reads the whole
trip for each batch once it is hot. The trip is compared outside of them, behind OFFSET 0: a plan made while there are next to no pledges
would as soon look in the index by trip.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_maybe
from app.core.idempotency import Effect
from app.core.live import CHANNEL
from app.domain.events.model import Event, Stop
from app.domain.pledges.model import TERMS_VERSION, NewPledge, SavedCard
from app.domain.trips.model import Trip
from app.flows.pledge_wish import PledgeRequest


class BatchRead(msgspec.Struct, frozen=True, kw_only=True):
    """What is known once the trip is locked. `effects` by key, `cards` by account, `people_on_card` by fingerprint."""

    now: datetime
    event: Event
    stops: list[Stop]
    effects: dict[str, Effect]
    cards: dict[UUID, SavedCard]
    people_on_card: dict[str, int]
    live_addresses: frozenset[str]
    has_line: bool


async def read_batch(conn: Connection, trip: Trip, *, scope: str, requests: Sequence[PledgeRequest]) -> BatchRead:
    """Everything a batch is decided by, read after its trip's lock; names the actor of what the transaction does from here on."""
    document = await conn.fetchval(
        """
        SELECT jsonb_build_object(
            'actor', set_config('busload.actor', 'rider', true), 'reason', set_config('busload.reason', 'pledged', true),
            'now', busload_now(),
            'event', to_jsonb(e),
            'stops', (SELECT coalesce(jsonb_agg(to_jsonb(s)), '[]')
                FROM stops s JOIN trip_stops t ON t.stop_id = s.id WHERE t.trip_id = $1),
            'effects', (SELECT coalesce(jsonb_object_agg(k.key, jsonb_build_object(
                    'body_hash', encode(k.body_hash, 'base64'), 'effect_id', k.effect_id)), '{}')
                FROM idempotency_keys k WHERE k.scope = $3 AND k.key = ANY($4::text[])),
            'cards', (SELECT coalesce(jsonb_object_agg(c.account_id, to_jsonb(c)), '{}')
                FROM saved_cards c WHERE c.account_id = ANY($5::uuid[])),
            'people_on_card', (SELECT coalesce(jsonb_object_agg(c.card_fingerprint, (
                    SELECT coalesce(sum(p.people) FILTER (WHERE p.trip_id = $1 AND p.state IN ('active', 'confirmed', 'paid')), 0)
                    FROM (SELECT trip_id, state, people FROM pledges WHERE card_fingerprint = c.card_fingerprint OFFSET 0) p)), '{}')
                FROM saved_cards c WHERE c.account_id = ANY($5::uuid[]) AND c.card_fingerprint IS NOT NULL),
            'live_addresses', (SELECT coalesce(jsonb_agg(asked.address), '[]') FROM unnest($6::text[]) AS asked (address)
                WHERE $1 IN (SELECT trip_id FROM pledges WHERE email_normalised = asked.address
                    AND state IN ('pending_card', 'active', 'confirmed', 'paid') OFFSET 0)),
            'has_line', EXISTS (SELECT FROM waitlist w WHERE w.trip_id = $1 AND w.state = 'waiting'))::text
        FROM events e WHERE e.id = $2
        """,
        trip.id,
        trip.event_id,
        scope,
        [request.key for request in requests],
        [r.account_id for r in requests if r.wish.payment_method is not None and r.account_id is not None],
        [request.email_normalised for request in requests],
    )
    return msgspec.json.decode(document, type=BatchRead)


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """A pledge to be born and what its request left to remember it by."""

    key: str
    body_hash: bytes
    pledge: NewPledge


async def store_batch(
    conn: Connection,
    trip_id: UUID,
    *,
    scope: str,
    admitted: Sequence[Admitted],
    held: int,
    secured: int,
    mail: Mapping[str, str],
    news: str,
) -> Trip | None:
    """Writes all that admitted pledges leave behind, in one statement; the trip as it is then.

    That is: the keys claimed, the people counted under the cap, the pledges (the database audits their births by itself), a mail to each
    rider with its job (`mail`: what all of them tell), and the news to every process. None when the cap does not allow it: the caller's
    transaction must fail. asyncpg.UniqueViolationError for a key claimed before, or an address that has a live pledge; the tally, under
    the trip's lock, rules both out.
    """
    return await fetch_maybe(
        conn,
        Trip,
        """
        WITH new AS MATERIALIZED (
            SELECT a.key, decode(a.body_hash, 'base64') AS body_hash, p.*
            FROM json_to_recordset($3::text::json) AS a (key text, body_hash text, pledge json),
                json_to_record(a.pledge) AS p (id uuid, public_code text, trip_id uuid, event_id uuid, stop_id uuid, account_id uuid,
                    name text, email text, email_normalised text, phone text, needs text, locale text, seats int, wheelchairs int,
                    legs text[], price_minor bigint, currency text, terms_shown_at timestamptz, state text, manage_token_hash text,
                    hold_expires_at timestamptz, partner_key_id uuid, card json)
        ), keyed AS (
            INSERT INTO idempotency_keys (scope, key, body_hash, effect_id) SELECT $2, key, body_hash, id FROM new
        ), counted AS (
            UPDATE trips SET held = held + $4::int, secured = secured + $5::int WHERE id = $1 AND secured + held + $4::int + $5::int <= cap
            RETURNING id, public_code, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, price_one_way_minor, tiers,
                minimum, cap, deadline_at, state, secured, held, opened_at, created_at
        ), placed AS (
            INSERT INTO pledges (id, public_code, trip_id, event_id, stop_id, account_id, name, email, email_normalised, phone, needs,
                locale, seats, wheelchairs, legs, price_minor, amount_minor, currency, terms_version, terms_shown_at, state,
                manage_token_hash, hold_expires_at, partner_key_id, customer_ref, payment_method_ref, card_fingerprint, card_label,
                created_at)
            SELECT id, public_code, trip_id, event_id, stop_id, account_id, name, email, email_normalised, phone, needs, locale, seats,
                wheelchairs, legs, price_minor, price_minor * (seats + wheelchairs), currency, $6, terms_shown_at, state,
                decode(manage_token_hash, 'base64'), hold_expires_at, partner_key_id, card->>'customer_ref', card->>'payment_method_ref',
                card->>'card_fingerprint', coalesce(card->>'card_label', ''), terms_shown_at
            FROM new
        ), mailed AS (
            INSERT INTO mails (dedupe_key, recipient, template, locale, subject_id, data)
            SELECT 'pledge-placed:' || id, email, 'pledge_placed', locale, id, $7::jsonb || jsonb_build_object('pledge_id', id,
                'name', name, 'code', public_code, 'people', seats + wheelchairs, 'amount_minor', price_minor * (seats + wheelchairs),
                'currency', currency, 'needs_card', state = 'pending_card')
            FROM new RETURNING id
        ), queued AS (
            INSERT INTO pgqueuer (priority, entrypoint, payload, status) SELECT 0, 'send_mail', uuid_send(id), 'queued' FROM mailed
            RETURNING id, status, priority, entrypoint
        ), logged AS (
            INSERT INTO pgqueuer_log (job_id, status, priority, entrypoint) SELECT id, status, priority, entrypoint FROM queued
        )
        SELECT id, public_code, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, price_one_way_minor, tiers, minimum,
               cap, deadline_at, state, secured, held, opened_at, created_at, pg_notify($8, $9)::text AS told
        FROM counted
        """,
        trip_id,
        scope,
        msgspec.json.encode(admitted).decode(),
        held,
        secured,
        TERMS_VERSION,
        mail,
        CHANNEL,
        news,
    )
