"""SQL of pledges and saved cards."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app.core.database import Connection, fetch_all, fetch_maybe, fetch_one
from app.domain.pledges.model import TERMS_VERSION, NewPledge, PartyBefore, Pledge, PledgeState, SavedCard


async def add_pledges(conn: Connection, new: Sequence[NewPledge]) -> None:
    """Stores pledges in one statement; asyncpg.UniqueViolationError `pledges_one_live` when an address has a live one on its trip."""
    await conn.execute(
        """
        INSERT INTO pledges (id, public_code, trip_id, event_id, stop_id, account_id, name, email, email_normalised, phone, needs, locale,
            seats, wheelchairs, legs, price_minor, amount_minor, currency, terms_version, terms_shown_at, state, manage_token_hash,
            hold_expires_at, partner_key_id, customer_ref, payment_method_ref, card_fingerprint, card_label, created_at)
        SELECT id, public_code, trip_id, event_id, stop_id, account_id, name, email, email_normalised, phone, needs, locale, seats,
            wheelchairs, legs::text[], price_minor, price_minor * (seats + wheelchairs), currency, $27, terms_shown_at, state,
            manage_token_hash, hold_expires_at, partner_key_id, customer_ref, payment_method_ref, card_fingerprint, card_label,
            terms_shown_at
        FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::int[], $14::int[], $15::text[], $16::bigint[], $17::text[], $18::timestamptz[],
            $19::text[], $20::bytea[], $21::timestamptz[], $22::uuid[], $23::text[], $24::text[], $25::text[], $26::text[])
            AS new (id, public_code, trip_id, event_id, stop_id, account_id, name, email, email_normalised, phone, needs, locale, seats,
                wheelchairs, legs, price_minor, currency, terms_shown_at, state, manage_token_hash, hold_expires_at, partner_key_id,
                customer_ref, payment_method_ref, card_fingerprint, card_label)
        """,
        [n.id for n in new], [n.public_code for n in new], [n.trip_id for n in new], [n.event_id for n in new], [n.stop_id for n in new],
        [n.account_id for n in new], [n.name for n in new], [n.email for n in new], [n.email_normalised for n in new],
        [n.phone for n in new], [n.needs for n in new], [n.locale for n in new], [n.seats for n in new], [n.wheelchairs for n in new],
        ["{" + ",".join(n.legs) + "}" for n in new], [n.price_minor for n in new], [n.currency for n in new],
        [n.terms_shown_at for n in new], [n.state.value for n in new], [n.manage_token_hash for n in new],
        [n.hold_expires_at for n in new], [n.partner_key_id for n in new], [n.card.customer_ref if n.card else None for n in new],
        [n.card.payment_method_ref if n.card else None for n in new], [n.card.card_fingerprint if n.card else None for n in new],
        [n.card.card_label if n.card else "" for n in new], TERMS_VERSION,
    )  # fmt: skip


async def get_pledge(conn: Connection, pledge_id: UUID) -> Pledge | None:
    """A pledge by id."""
    found = await list_pledges_by_id(conn, [pledge_id])
    return found[0] if found else None


async def list_pledges_by_id(conn: Connection, pledge_ids: Sequence[UUID]) -> list[Pledge]:
    """These pledges, in the order of their ids."""
    return await fetch_all(
        conn,
        Pledge,
        """
        SELECT id, public_code, trip_id, event_id, stop_id, account_id, name, email::text, phone, needs, locale, seats, wheelchairs,
            people, legs, price_minor, amount_minor, currency, terms_version, terms_shown_at, state, hold_expires_at, setup_session_ref,
            card_url, customer_ref, payment_method_ref, card_fingerprint, card_label, free_exit_until, created_at
        FROM pledges WHERE id = ANY($1::uuid[]) ORDER BY id
        """,
        list(pledge_ids),
    )


async def lock_pledge(conn: Connection, pledge_id: UUID) -> Pledge:
    """A pledge that exists, locked; its trip is locked before."""
    return await fetch_one(
        conn,
        Pledge,
        """
        SELECT id, public_code, trip_id, event_id, stop_id, account_id, name, email::text, phone, needs, locale, seats, wheelchairs,
            people, legs, price_minor, amount_minor, currency, terms_version, terms_shown_at, state, hold_expires_at, setup_session_ref,
            card_url, customer_ref, payment_method_ref, card_fingerprint, card_label, free_exit_until, created_at
        FROM pledges WHERE id = $1 FOR NO KEY UPDATE
        """,
        pledge_id,
    )


async def is_erased(conn: Connection, pledge_id: UUID) -> bool:
    """Whether the person who made a pledge was taken out of it."""
    return bool(await conn.fetchval("SELECT erased_at IS NOT NULL FROM pledges WHERE id = $1", pledge_id))


async def find_by_token(conn: Connection, token_hash: bytes) -> Pledge | None:
    """The pledge a manage token opens."""
    return await fetch_maybe(
        conn,
        Pledge,
        """
        SELECT id, public_code, trip_id, event_id, stop_id, account_id, name, email::text, phone, needs, locale, seats, wheelchairs,
            people, legs, price_minor, amount_minor, currency, terms_version, terms_shown_at, state, hold_expires_at, setup_session_ref,
            card_url, customer_ref, payment_method_ref, card_fingerprint, card_label, free_exit_until, created_at
        FROM pledges WHERE manage_token_hash = $1
        """,
        token_hash,
    )


async def find_by_setup_session(conn: Connection, session_ref: str) -> UUID | None:
    """The pledge whose card page this is."""
    found: UUID | None = await conn.fetchval("SELECT id FROM pledges WHERE setup_session_ref = $1", session_ref)
    return found


async def find_trip_of(conn: Connection, pledge_id: UUID) -> UUID | None:
    """The trip to lock before the pledge; never changes."""
    found: UUID | None = await conn.fetchval("SELECT trip_id FROM pledges WHERE id = $1", pledge_id)
    return found


async def lock_pledges_of_trip(conn: Connection, trip_id: UUID, states: Sequence[PledgeState]) -> list[Pledge]:
    """A trip's pledges in these states, locked in the order of their ids; the trip is locked before."""
    return await fetch_all(
        conn,
        Pledge,
        """
        SELECT id, public_code, trip_id, event_id, stop_id, account_id, name, email::text, phone, needs, locale, seats, wheelchairs,
            people, legs, price_minor, amount_minor, currency, terms_version, terms_shown_at, state, hold_expires_at, setup_session_ref,
            card_url, customer_ref, payment_method_ref, card_fingerprint, card_label, free_exit_until, created_at
        FROM pledges WHERE trip_id = $1 AND state = ANY($2::text[]) ORDER BY id FOR NO KEY UPDATE
        """,
        trip_id,
        [state.value for state in states],
    )


async def list_pledges_of_event(conn: Connection, event_id: UUID, states: Sequence[PledgeState]) -> list[Pledge]:
    """An event's pledges in these states, in the order of their ids."""
    return await fetch_all(
        conn,
        Pledge,
        """
        SELECT id, public_code, trip_id, event_id, stop_id, account_id, name, email::text, phone, needs, locale, seats, wheelchairs,
            people, legs, price_minor, amount_minor, currency, terms_version, terms_shown_at, state, hold_expires_at, setup_session_ref,
            card_url, customer_ref, payment_method_ref, card_fingerprint, card_label, free_exit_until, created_at
        FROM pledges WHERE event_id = $1 AND state = ANY($2::text[]) ORDER BY id
        """,
        event_id,
        [state.value for state in states],
    )


async def list_pledges_of_account(conn: Connection, account_id: UUID, email: str) -> list[Pledge]:
    """A signed-in rider's pledges, the newest first: those made signed in and those made with the same verified address."""
    return await fetch_all(
        conn,
        Pledge,
        """
        SELECT id, public_code, trip_id, event_id, stop_id, account_id, name, email::text, phone, needs, locale, seats, wheelchairs,
            people, legs, price_minor, amount_minor, currency, terms_version, terms_shown_at, state, hold_expires_at, setup_session_ref,
            card_url, customer_ref, payment_method_ref, card_fingerprint, card_label, free_exit_until, created_at
        FROM pledges WHERE account_id = $1 OR email = $2 ORDER BY id DESC LIMIT 100
        """,
        account_id,
        email,
    )


async def set_pledge_states(
    conn: Connection, pledge_ids: Sequence[UUID], *, come_from: Sequence[PledgeState], go_to: PledgeState
) -> list[UUID]:
    """The guarded transition of many pledges in one statement; returns those that made it."""
    rows = await conn.fetch(
        "UPDATE pledges SET state = $3 WHERE id = ANY($1::uuid[]) AND state = ANY($2::text[]) RETURNING id",
        list(pledge_ids),
        [state.value for state in come_from],
        go_to.value,
    )
    return [row["id"] for row in rows]


async def set_card_page(conn: Connection, pledge_id: UUID, *, session_ref: str, card_url: str, customer_ref: str) -> None:
    """Remembers the hosted card page that was opened for a pledge."""
    await conn.execute(
        """
        UPDATE pledges SET setup_session_ref = $2, card_url = $3, customer_ref = coalesce(customer_ref, $4) WHERE id = $1
        """,
        pledge_id,
        session_ref,
        card_url,
        customer_ref,
    )


async def set_card(conn: Connection, pledge_id: UUID, card: SavedCard) -> None:
    """The verified card of a pledge."""
    await conn.execute(
        """
        UPDATE pledges SET customer_ref = $2, payment_method_ref = $3, card_fingerprint = $4, card_label = $5, card_url = NULL
        WHERE id = $1
        """,
        pledge_id,
        card.customer_ref,
        card.payment_method_ref,
        card.card_fingerprint,
        card.card_label,
    )


async def set_party(
    conn: Connection, pledge_id: UUID, *, stop_id: UUID, seats: int, wheelchairs: int, legs: Sequence[str], price_minor: int, needs: str
) -> None:
    """A changed party; the amount follows."""
    await conn.execute(
        """
        UPDATE pledges SET stop_id = $2, seats = $3, wheelchairs = $4, legs = $5, price_minor = $6::bigint,
            amount_minor = $6::bigint * ($3::int + $4::int), needs = $7
        WHERE id = $1
        """,
        pledge_id,
        stop_id,
        seats,
        wheelchairs,
        list(legs),
        price_minor,
        needs,
    )


async def extend_hold(conn: Connection, pledge_id: UUID, hold_expires_at: datetime) -> None:
    """Keeps the seats of a pledge whose card page has not reported its end yet."""
    await conn.execute("UPDATE pledges SET hold_expires_at = $2 WHERE id = $1", pledge_id, hold_expires_at)


async def grant_free_exit(conn: Connection, event_id: UUID, until: datetime) -> list[UUID]:
    """Lets every live pledge of an event leave in full until a time; returns them."""
    rows = await conn.fetch(
        """
        UPDATE pledges SET free_exit_until = $2
        WHERE event_id = $1 AND state IN ('pending_card', 'active', 'confirmed', 'paid') RETURNING id
        """,
        event_id,
        until,
    )
    return [row["id"] for row in rows]


async def grant_free_exit_to(conn: Connection, pledge_ids: Sequence[UUID], until: datetime) -> list[UUID]:
    """Lets these paid pledges leave in full until a time (a later one stands); returns those that may."""
    rows = await conn.fetch(
        """
        UPDATE pledges SET free_exit_until = greatest(free_exit_until, $2)
        WHERE id = ANY($1::uuid[]) AND state = 'paid' RETURNING id
        """,
        list(pledge_ids),
        until,
    )
    return [row["id"] for row in rows]


async def people_on_card(conn: Connection, *, trip_id: UUID, card_fingerprint: str) -> int:
    """People secured on a trip with one card."""
    found = await conn.fetchval(
        """
        SELECT coalesce(sum(people), 0) FROM pledges
        WHERE trip_id = $1 AND card_fingerprint = $2 AND state IN ('active', 'confirmed', 'paid')
        """,
        trip_id,
        card_fingerprint,
    )
    return int(found)


async def find_live_addresses(conn: Connection, *, trip_id: UUID, addresses: Sequence[str]) -> frozenset[str]:
    """Those of these normalised addresses that have a live pledge on a trip."""
    rows = await conn.fetch(
        """
        SELECT email_normalised FROM pledges
        WHERE trip_id = $1 AND email_normalised = ANY($2::text[]) AND state IN ('pending_card', 'active', 'confirmed', 'paid')
        """,
        trip_id,
        list(addresses),
    )
    return frozenset(row["email_normalised"] for row in rows)


async def has_live_twin(conn: Connection, pledge_id: UUID) -> bool:
    """Whether the same address has another, live pledge on the same trip: this one cannot come back beside it."""
    found = await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM pledges old JOIN pledges new USING (trip_id, email_normalised)
            WHERE old.id = $1 AND new.id <> old.id AND new.state IN ('pending_card', 'active', 'confirmed', 'paid'))
        """,
        pledge_id,
    )
    return bool(found)


async def add_change(conn: Connection, before: Pledge, *, number: int) -> None:
    """What a pledge was before a dearer change, until the charge of the difference succeeds or is given up."""
    await conn.execute(
        "INSERT INTO pledge_changes (pledge_id, number, seats, wheelchairs, legs, price_minor) VALUES ($1, $2, $3, $4, $5, $6)",
        before.id,
        number,
        before.seats,
        before.wheelchairs,
        before.legs,
        before.price_minor,
    )


async def take_change_back(conn: Connection, pledge_id: UUID, *, number: int) -> PartyBefore | None:
    """Marks a change as taken back and returns what was before it; None when there is none or it was taken back already."""
    return await fetch_maybe(
        conn,
        PartyBefore,
        """
        UPDATE pledge_changes SET reverted_at = busload_now() WHERE pledge_id = $1 AND number = $2 AND reverted_at IS NULL
        RETURNING seats, wheelchairs, legs, price_minor
        """,
        pledge_id,
        number,
    )


async def keep_card(conn: Connection, account_id: UUID, card: SavedCard) -> None:
    """Keeps a card for a signed-in rider's next pledge."""
    await conn.execute(
        """
        INSERT INTO saved_cards (account_id, customer_ref, payment_method_ref, card_fingerprint, card_label) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (account_id) DO UPDATE SET customer_ref = excluded.customer_ref, payment_method_ref = excluded.payment_method_ref,
            card_fingerprint = excluded.card_fingerprint, card_label = excluded.card_label, saved_at = busload_now()
        """,
        account_id,
        card.customer_ref,
        card.payment_method_ref,
        card.card_fingerprint,
        card.card_label,
    )


async def find_saved_card(conn: Connection, account_id: UUID) -> SavedCard | None:
    """A signed-in rider's card."""
    return await fetch_maybe(
        conn,
        SavedCard,
        "SELECT customer_ref, payment_method_ref, card_fingerprint, card_label FROM saved_cards WHERE account_id = $1",
        account_id,
    )


async def card_is_needed(conn: Connection, payment_method_ref: str) -> bool:
    """Whether a live pledge or an account still uses a card."""
    found = await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM pledges WHERE payment_method_ref = $1 AND state IN ('pending_card', 'active', 'confirmed', 'paid'))
            OR EXISTS (SELECT FROM saved_cards WHERE payment_method_ref = $1)
        """,
        payment_method_ref,
    )
    return bool(found)


async def read_terms(conn: Connection, version: str) -> tuple[str, str]:
    """The terms of a version and the mandate accepted with them, as they were shown."""
    row = await conn.fetchrow("SELECT body, mandate FROM terms WHERE version = $1", version)
    return ("", "") if row is None else (row["body"], row["mandate"])
