"""SQL of offers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.dispatch.model import DeclineReason, Duty, Offer, OfferState


async def add_offer(conn: Connection, *, offer_id: UUID, public_code: str, duty: Duty, round_number: int) -> None:
    """Proposes a duty to its operator at its hire price; nobody is told yet."""
    await conn.execute(
        """
        INSERT INTO offers (id, public_code, duty_id, event_id, operator_id, vehicle_id, round, price_minor, currency, during, state)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, tstzrange($10, $11), 'proposed')
        """,
        offer_id,
        public_code,
        duty.id,
        duty.event_id,
        duty.operator_id,
        duty.vehicle_id,
        round_number,
        duty.hire_minor,
        duty.currency,
        duty.starts_at,
        duty.ends_at,
    )


async def get_offer(conn: Connection, offer_id: UUID) -> Offer | None:
    """An offer by id."""
    return await fetch_maybe(
        conn,
        Offer,
        """
        SELECT id, public_code, duty_id, event_id, operator_id, vehicle_id, round, price_minor, currency, lower(during) AS starts_at,
               upper(during) AS ends_at, state, sent_at, expires_at, decided_at, decline_reason, decline_note
        FROM offers WHERE id = $1
        """,
        offer_id,
    )


async def lock_offer(conn: Connection, offer_id: UUID) -> Offer | None:
    """An offer by id, locked until the transaction ends; its event is locked before."""
    return await fetch_maybe(
        conn,
        Offer,
        """
        SELECT id, public_code, duty_id, event_id, operator_id, vehicle_id, round, price_minor, currency, lower(during) AS starts_at,
               upper(during) AS ends_at, state, sent_at, expires_at, decided_at, decline_reason, decline_note
        FROM offers WHERE id = $1 FOR NO KEY UPDATE
        """,
        offer_id,
    )


async def find_offer_by_token(conn: Connection, token_hash: bytes) -> Offer | None:
    """The offer a mailed link opens."""
    return await fetch_maybe(
        conn,
        Offer,
        """
        SELECT id, public_code, duty_id, event_id, operator_id, vehicle_id, round, price_minor, currency, lower(during) AS starts_at,
               upper(during) AS ends_at, state, sent_at, expires_at, decided_at, decline_reason, decline_note
        FROM offers WHERE token_hash = $1
        """,
        token_hash,
    )


async def list_offers_of_event(conn: Connection, event_id: UUID) -> list[Offer]:
    """Every offer of an event, the newest first."""
    return await fetch_all(
        conn,
        Offer,
        """
        SELECT id, public_code, duty_id, event_id, operator_id, vehicle_id, round, price_minor, currency, lower(during) AS starts_at,
               upper(during) AS ends_at, state, sent_at, expires_at, decided_at, decline_reason, decline_note
        FROM offers WHERE event_id = $1 ORDER BY id DESC
        """,
        event_id,
    )


async def list_offers_of_operators(
    conn: Connection, operator_ids: Sequence[UUID], *, states: Sequence[OfferState], after: UUID | None, limit: int
) -> list[Offer]:
    """Offers these operators were sent, the newest first, from after a cursor."""
    return await fetch_all(
        conn,
        Offer,
        """
        SELECT id, public_code, duty_id, event_id, operator_id, vehicle_id, round, price_minor, currency, lower(during) AS starts_at,
               upper(during) AS ends_at, state, sent_at, expires_at, decided_at, decline_reason, decline_note
        FROM offers WHERE operator_id = ANY($1) AND state = ANY($2) AND sent_at IS NOT NULL AND ($3::uuid IS NULL OR id < $3)
        ORDER BY id DESC LIMIT $4
        """,
        list(operator_ids),
        [state.value for state in states],
        after,
        limit,
    )


async def live_offer_of_duty(conn: Connection, duty_id: UUID) -> Offer | None:
    """The proposed, sent or accepted offer of a duty; there is at most one."""
    return await fetch_maybe(
        conn,
        Offer,
        """
        SELECT id, public_code, duty_id, event_id, operator_id, vehicle_id, round, price_minor, currency, lower(during) AS starts_at,
               upper(during) AS ends_at, state, sent_at, expires_at, decided_at, decline_reason, decline_note
        FROM offers WHERE duty_id = $1 AND state IN ('proposed', 'sent', 'accepted')
        """,
        duty_id,
    )


async def list_accepted(conn: Connection, event_id: UUID) -> list[Offer]:
    """An event's accepted offers."""
    return await fetch_all(
        conn,
        Offer,
        """
        SELECT id, public_code, duty_id, event_id, operator_id, vehicle_id, round, price_minor, currency, lower(during) AS starts_at,
               upper(during) AS ends_at, state, sent_at, expires_at, decided_at, decline_reason, decline_note
        FROM offers WHERE event_id = $1 AND state = 'accepted' ORDER BY id
        """,
        event_id,
    )


async def send_offer(conn: Connection, offer_id: UUID, *, expires_at: datetime, token_hash: bytes) -> bool:
    """proposed -> sent; False when it is not proposed any more."""
    sent = await conn.fetchval(
        """
        UPDATE offers SET state = 'sent', sent_at = busload_now(), expires_at = $2, token_hash = $3
        WHERE id = $1 AND state = 'proposed' RETURNING true
        """,
        offer_id,
        expires_at,
        token_hash,
    )
    return bool(sent)


async def accept_offer(conn: Connection, offer_id: UUID) -> bool:
    """sent -> accepted. asyncpg.ExclusionViolationError `offers_vehicle_free` when another accepted duty has the vehicle then."""
    done = await conn.fetchval(
        "UPDATE offers SET state = 'accepted', decided_at = busload_now() WHERE id = $1 AND state = 'sent' RETURNING true", offer_id
    )
    return bool(done)


async def decline_offer(conn: Connection, offer_id: UUID, *, reason: DeclineReason, note: str) -> bool:
    """sent -> declined."""
    done = await conn.fetchval(
        """
        UPDATE offers SET state = 'declined', decided_at = busload_now(), decline_reason = $2, decline_note = $3
        WHERE id = $1 AND state = 'sent' RETURNING true
        """,
        offer_id,
        reason.value,
        note,
    )
    return bool(done)


async def expire_offer(conn: Connection, offer_id: UUID) -> bool:
    """sent -> expired, once its time is over."""
    done = await conn.fetchval(
        """
        UPDATE offers SET state = 'expired', decided_at = busload_now()
        WHERE id = $1 AND state = 'sent' AND expires_at <= busload_now() RETURNING true
        """,
        offer_id,
    )
    return bool(done)


async def fail_offer(conn: Connection, offer_id: UUID, *, note: str) -> bool:
    """accepted -> failed: the operator pulled out."""
    done = await conn.fetchval(
        """
        UPDATE offers SET state = 'failed', decided_at = busload_now(), decline_note = $2
        WHERE id = $1 AND state = 'accepted' RETURNING true
        """,
        offer_id,
        note,
    )
    return bool(done)


async def withdraw_offers(conn: Connection, offer_ids: Sequence[UUID], *, states: Sequence[OfferState]) -> list[UUID]:
    """Takes offers in these states back; returns those that were."""
    rows = await conn.fetch(
        """
        UPDATE offers SET state = 'withdrawn', decided_at = busload_now() WHERE id = ANY($1) AND state = ANY($2) RETURNING id
        """,
        list(offer_ids),
        [state.value for state in states],
    )
    return [row["id"] for row in rows]


async def count_open_duties(conn: Connection, event_id: UUID) -> int:
    """Duties of the current plans that somebody is still to accept: called-off ones are not."""
    found: int = await conn.fetchval(
        """
        WITH newest AS (SELECT DISTINCT ON (duty_id) duty_id, state FROM offers WHERE event_id = $1 ORDER BY duty_id, id DESC)
        SELECT count(*)::int FROM plans p JOIN plan_duties pd ON pd.plan_id = p.id JOIN newest o ON o.duty_id = pd.duty_id
        WHERE p.event_id = $1 AND p.is_current AND o.state NOT IN ('accepted', 'withdrawn')
        """,
        event_id,
    )
    return found
