"""SQL of a batch of pledges, over the slices it touches: few round trips, because each holds the trip's lock."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_maybe
from app.core.idempotency import Effect
from app.core.live import CHANNEL
from app.domain.events.model import Event, Stop
from app.domain.pledges.model import SavedCard
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
            'people_on_card', (SELECT coalesce(jsonb_object_agg(used.card_fingerprint, used.people), '{}') FROM (
                SELECT p.card_fingerprint, sum(p.people) AS people FROM pledges p
                WHERE p.trip_id = $1 AND p.state IN ('active', 'confirmed', 'paid') AND p.card_fingerprint = ANY(ARRAY(
                    SELECT c.card_fingerprint FROM saved_cards c WHERE c.account_id = ANY($5::uuid[])))
                GROUP BY p.card_fingerprint) used),
            'live_addresses', (SELECT coalesce(jsonb_agg(p.email_normalised), '[]') FROM pledges p
                WHERE p.trip_id = $1 AND p.email_normalised = ANY($6::text[])
                    AND p.state IN ('pending_card', 'active', 'confirmed', 'paid')),
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


async def count_batch(
    conn: Connection, trip_id: UUID, *, scope: str, keyed: Sequence[PledgeRequest], held: int, secured: int, news: str
) -> Trip | None:
    """Claims the keys of admitted requests, counts their people under the cap and tells every process; the trip as it is then.

    None when the cap does not allow it: the caller's transaction must fail. asyncpg.UniqueViolationError for a key claimed before, which
    the trip's lock rules out.
    """
    return await fetch_maybe(
        conn,
        Trip,
        """
        WITH keyed AS (
            INSERT INTO idempotency_keys (scope, key, body_hash, effect_id)
            SELECT $2, key, body_hash, effect_id FROM unnest($3::text[], $4::bytea[], $5::uuid[]) AS new (key, body_hash, effect_id)
        ), counted AS (
            UPDATE trips SET held = held + $6::int, secured = secured + $7::int WHERE id = $1 AND secured + held + $6::int + $7::int <= cap
            RETURNING id, public_code, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, price_one_way_minor, tiers,
                minimum, cap, deadline_at, state, secured, held, opened_at, created_at
        )
        SELECT id, public_code, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, price_one_way_minor, tiers, minimum,
               cap, deadline_at, state, secured, held, opened_at, created_at, pg_notify($8, $9)::text AS told
        FROM counted
        """,
        trip_id,
        scope,
        [request.key for request in keyed],
        [request.body_hash for request in keyed],
        [request.pledge_id for request in keyed],
        held,
        secured,
        CHANNEL,
        news,
    )
