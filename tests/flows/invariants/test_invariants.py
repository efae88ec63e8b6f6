"""Each invariant of DOMAIN.md section 6: silent on a healthy world, and named when it is broken."""

import pytest

from app.core.database import Connection
from app.flows.invariants import find_violations, read_invariants
from tests.support.travel_world import World

CODES = [f"I{number:02}" for number in range(1, 16)]

CONTESTED = "INSERT INTO disputes (payment_id, dispute_ref, charge_ref, amount_minor, currency, reason, state, submitted_at)"

# What breaks which invariant. Where the schema itself forbids it, the script first takes the constraint away; triggers and foreign keys
# are off throughout. All of it is rolled back.
SENT = "account_ref = 'acct_1', transfer_ref = 'tr_1', settled_at = busload_now()"
HIRE_DUE = """
    INSERT INTO payouts (kind, reference, payee_id, book, currency, owed_minor, state, not_before_at)
    SELECT 'hire', o.duty_id, o.operator_id, 'event:' || o.event_id::text, 'USD', 1000, 'due', busload_now() FROM offers o;
    WITH t AS (INSERT INTO ledger_transactions (kind, cause) SELECT 'hire', duty_id FROM offers RETURNING id)
    INSERT INTO ledger_entries (transaction_id, account, book, amount_minor, currency)
    SELECT t.id, a.account, o.book, a.amount, 'USD'
    FROM t, payouts o, (VALUES ('riders:fares', 1000), ('operators:payable', -1000)) AS a (account, amount);
"""  # sound but for its timer and its trail
BREAKS: list[tuple[str, str, str]] = [
    ("I01", "one cent lost", "UPDATE ledger_entries SET amount_minor = amount_minor + 1 WHERE id = (SELECT min(id) FROM ledger_entries)"),
    ("I01", "a charge never posted", "DELETE FROM ledger_entries; DELETE FROM ledger_transactions"),
    (
        "I01",
        "a lost dispute still stands as withdrawn",
        """
        WITH d AS (
            INSERT INTO disputes (payment_id, dispute_ref, charge_ref, amount_minor, currency, reason, state)
            SELECT id, 'du_1', 'ch_1', 1, 'USD', 'general', 'lost' FROM payments LIMIT 1 RETURNING id
        ), t AS (INSERT INTO ledger_transactions (kind, cause) SELECT 'dispute', id FROM d RETURNING id)
        INSERT INTO ledger_entries (transaction_id, account, book, amount_minor, currency)
        SELECT t.id, a.account, 'x', a.amount, 'USD' FROM t, (VALUES ('stripe:disputed', 1), ('stripe:clearing', -1)) AS a (account, amount)
        """,
    ),
    (
        "I01",
        "a refund that came back and was not taken back",
        """
        UPDATE refunds SET state = 'succeeded';
        INSERT INTO ledger_transactions (kind, cause) SELECT 'refund', id FROM refunds WHERE NOT EXISTS
            (SELECT FROM ledger_transactions t WHERE t.kind = 'refund' AND t.cause = refunds.id);
        UPDATE refunds SET state = 'failed'
        """,
    ),
    ("I01", "the ledger's guard is off", "ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_append_only"),
    ("I01", "a refund posted twice", "INSERT INTO ledger_transactions (kind, cause) VALUES ('refund', gen_random_uuid())"),
    (
        "I02",
        "confirmed twice",
        "ALTER TABLE confirmations DROP CONSTRAINT confirmations_pkey; INSERT INTO confirmations SELECT c.* FROM confirmations c",
    ),
    (
        "I02",
        "confirmed below the minimum",
        "ALTER TABLE confirmations DROP CONSTRAINT confirmations_check; UPDATE confirmations SET minimum = secured + 1",
    ),
    (
        "I02",
        "confirmed after the deadline",
        "ALTER TABLE confirmations DROP CONSTRAINT confirmations_check1; UPDATE confirmations SET decided_at = deadline_at + '1 s'",
    ),
    ("I02", "allocated without a confirmation", "DELETE FROM confirmations"),
    ("I02", "open after its confirmation", "UPDATE trips SET state = 'open' WHERE state = 'allocated'"),
    ("I03", "intent without confirmation", "DELETE FROM confirmations"),
    ("I03", "a charge kept after the rider left", "UPDATE pledges SET state = 'withdrawn' WHERE state = 'paid'"),
    (
        "I03",
        "more kept than the refund ladder allows",
        """
        UPDATE pledges SET state = 'refunded' WHERE state = 'paid';
        INSERT INTO ladder_exits (pledge_id, refund_bp, kept_minor) SELECT id, 5000, amount_minor FROM pledges WHERE state = 'refunded'
        """,
    ),
    (
        "I03",
        "the ladder's refund never became due",
        """
        UPDATE pledges SET state = 'refunded' WHERE state = 'paid';
        INSERT INTO ladder_exits (pledge_id, refund_bp, kept_minor) SELECT id, 10000, 0 FROM pledges WHERE state = 'refunded'
        """,
    ),
    (
        "I04",
        "charged twice",
        """
        ALTER TABLE payments DROP CONSTRAINT payments_reference_purpose_key;
        INSERT INTO payments (reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref,
            intent_ref, collect_until, settled_at)
        SELECT reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref, intent_ref || '_2',
            collect_until, settled_at FROM payments
        """,
    ),
    (
        "I04",
        "charged more than agreed",
        "ALTER TABLE pledges DROP CONSTRAINT pledges_check; UPDATE pledges SET amount_minor = amount_minor - 1 WHERE state = 'paid'",
    ),
    ("I05", "cancelled and not paid back", "DELETE FROM refunds"),
    ("I05", "cancelled and the refund failed", "UPDATE refunds SET state = 'failed'"),
    ("I05", "paid back more than charged", "UPDATE refunds SET amount_minor = amount_minor + 1"),
    ("I06", "a counter drifts", "UPDATE trips SET secured = secured + 1 WHERE state = 'allocated'"),
    ("I06", "a hold nobody counts", "UPDATE trips SET held = 0"),
    (
        "I06",
        "above the cap",
        """
        ALTER TABLE trips DROP CONSTRAINT trips_check;
        ALTER TABLE trips DROP CONSTRAINT trips_cap;
        UPDATE trips SET cap = 1 WHERE secured = 2
        """,
    ),
    ("I07", "more seats than the bus has", "UPDATE vehicles SET seats = 1"),
    ("I07", "a wheelchair without a place", "UPDATE vehicles SET wheelchair_places = 0; UPDATE manifest_people SET wheelchairs = 1"),
    ("I07", "a manifest for a failed offer", "UPDATE offers SET state = 'failed'"),
    ("I08", "paid and on no manifest", "DELETE FROM current_manifests"),
    ("I08", "paid and on no manifest, the trip is over", "DELETE FROM current_manifests; UPDATE trips SET state = 'completed'"),
    ("I08", "aboard for one leg only", "DELETE FROM manifest_people WHERE leg = 'return'"),
    ("I08", "aboard though refunded", "UPDATE pledges SET state = 'refunded' WHERE state = 'paid'"),
    ("I08", "aboard with another party size", "UPDATE manifest_people SET seats = seats + 1"),
    (
        "I09",
        "a vehicle in two duties",
        """
        ALTER TABLE offers DROP CONSTRAINT offers_vehicle_free; DROP INDEX offers_one_live;
        INSERT INTO offers (public_code, duty_id, event_id, operator_id, vehicle_id, round, price_minor, currency, during, state, sent_at,
            expires_at)
        SELECT 'TWICE', duty_id, event_id, operator_id, vehicle_id, 2, price_minor, currency, during, state, sent_at, expires_at FROM offers
        """,
    ),
    (
        "I09",
        "a driver in two duties",
        """
        ALTER TABLE duty_drivers DROP CONSTRAINT drivers_free;
        INSERT INTO duty_drivers (duty_id, driver_id, seat, during, token_hash, link_expires_at)
        SELECT gen_random_uuid(), driver_id, seat, during, 'other', link_expires_at FROM duty_drivers
        """,
    ),
    ("I09", "too long at the wheel", "UPDATE driver_rules SET max_driving_s = 3600"),
    ("I09", "too long from depot to depot", "UPDATE driver_rules SET max_spread_s = 3600"),
    ("I09", "no break", "UPDATE driver_rules SET break_after_s = 3600, break_s = 900"),
    (
        "I10",
        "paid out more than is held",
        """
        WITH t AS (INSERT INTO ledger_transactions (kind, cause) VALUES ('payout', gen_random_uuid()) RETURNING id)
        INSERT INTO ledger_entries (transaction_id, account, book, amount_minor, currency)
        SELECT t.id, a.account, e.book, a.amount, 'USD'
        FROM t, (SELECT DISTINCT book FROM ledger_entries) e,
            (VALUES ('stripe:clearing', -99999999), ('operators:payable', 99999999)) AS a (account, amount)
        """,
    ),
    (
        "I10",
        "paid out for a cancelled trip",
        """
        UPDATE trips SET state = 'cancelled';
        WITH t AS (INSERT INTO ledger_transactions (kind, cause) VALUES ('payout', gen_random_uuid()) RETURNING id)
        INSERT INTO ledger_entries (transaction_id, account, book, amount_minor, currency)
        SELECT t.id, a.account, e.book, a.amount, 'USD'
        FROM t, (SELECT DISTINCT book FROM ledger_entries) e,
            (VALUES ('stripe:clearing', -1), ('operators:payable', 1)) AS a (account, amount)
        """,
    ),
    ("I10", "a transfer nobody posted", HIRE_DUE + f"UPDATE payouts SET state = 'succeeded', amount_minor = 1000, {SENT}"),
    (
        "I10",
        "a transfer posted with another amount",
        HIRE_DUE
        + f"""
        UPDATE payouts SET state = 'succeeded', amount_minor = 1000, {SENT};
        WITH t AS (INSERT INTO ledger_transactions (kind, cause) SELECT 'payout', id FROM payouts RETURNING id)
        INSERT INTO ledger_entries (transaction_id, account, book, amount_minor, currency)
        SELECT t.id, a.account, o.book, a.amount, 'USD'
        FROM t, payouts o, (VALUES ('stripe:clearing', -999), ('operators:payable', 999)) AS a (account, amount)
        """,
    ),
    (
        "I10",
        "a duty paid though its trips are cancelled",
        HIRE_DUE + f"UPDATE payouts SET state = 'submitting', amount_minor = 1000, {SENT}; UPDATE trips SET state = 'cancelled'",
    ),
    ("I10", "hire owed that no payout pays", HIRE_DUE + "UPDATE payouts SET state = 'void'"),
    (
        "I10",
        "more taken back than was sent",
        HIRE_DUE
        + f"""
        UPDATE payouts SET state = 'succeeded', amount_minor = 100, {SENT};
        INSERT INTO payout_reversals (payout_id, correction_id, amount_minor, currency, state) SELECT id, id, 101, 'USD', 'due' FROM payouts
        """,
    ),
    (
        "I10",
        "a reversal nobody posted",
        HIRE_DUE
        + """
        INSERT INTO payout_reversals (payout_id, correction_id, amount_minor, currency, state)
        SELECT id, id, 1, 'USD', 'succeeded' FROM payouts
        """,
    ),
    (
        "I10",
        "a debt that is not in the ledger",
        """
        INSERT INTO debts (payee_id, book, kind, cause, currency, amount_minor)
        SELECT operator_id, 'event:x', 'pull_out', id, 'USD', 500 FROM offers
        """,
    ),
    (
        "I10",
        "a share that no payout pays",
        """
        WITH t AS (INSERT INTO ledger_transactions (kind, cause) VALUES ('earnings', gen_random_uuid()) RETURNING id)
        INSERT INTO ledger_entries (transaction_id, account, book, amount_minor, currency)
        SELECT t.id, a.account, e.book, a.amount, 'USD'
        FROM t, (SELECT DISTINCT book FROM ledger_entries) e, (VALUES ('riders:fares', 5), ('partners:payable', -5)) AS a (account, amount)
        """,
    ),
    ("I11", "a payout without a timer", HIRE_DUE),
    ("I11", "a transition nobody wrote down", "UPDATE trips SET state = 'departed' WHERE state = 'allocated'"),
    ("I11", "a charge under way without an attempt", "UPDATE payments SET attempts = attempts - 1"),
    ("I11", "a gap in a trail", "DELETE FROM audit WHERE machine = 'trip' AND to_state = 'confirmed'"),
    (
        "I11",
        "a transition written twice",
        """
        INSERT INTO audit (actor, machine, subject_id, from_state, to_state, reason)
        SELECT actor, machine, subject_id, from_state, to_state, reason FROM audit WHERE machine = 'payment' AND to_state = 'succeeded'
        """,
    ),
    (
        "I11",
        "a job whose worker is gone",
        """
        INSERT INTO pgqueuer (priority, status, entrypoint, heartbeat) VALUES (0, 'picked', 'charge_payment', now() - interval '1 hour')
        """,
    ),
    (
        "I11",
        "a job that was thrown away",
        "INSERT INTO pgqueuer_log (job_id, status, priority, entrypoint) VALUES (1, 'exception', 0, 'send_mail')",
    ),
    ("I11", "a mail without a job", "DELETE FROM pgqueuer"),
    (
        "I11",
        "evidence in flight and no look-up",
        f"{CONTESTED} SELECT p.id, 'du_1', 'ch_1', 1, 'USD', 'general', 'submitting', busload_now() FROM payments p LIMIT 1",
    ),
    ("I11", "an open trip without a timer", "DELETE FROM timers WHERE kind = 'trip_deadline'"),
    ("I11", "a hold whose timer has fired", "UPDATE timers SET fired_at = busload_now() WHERE kind = 'pledge_hold'"),
    (
        "I12",
        "one key, two effects",
        """
        ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey;
        INSERT INTO idempotency_keys (scope, key, body_hash, effect_id) SELECT scope, key, 'other', gen_random_uuid() FROM idempotency_keys
        """,
    ),
    ("I12", "an effect that is not there", "UPDATE idempotency_keys SET effect_id = gen_random_uuid()"),
    (
        "I12",
        "two keys, one effect",
        "INSERT INTO idempotency_keys (scope, key, body_hash, effect_id) SELECT scope, 'key-2', body_hash, effect_id FROM idempotency_keys",
    ),
    ("I13", "a charge in flight for an hour", "UPDATE payments SET state = 'submitting', submitted_at = busload_now() - interval '1 hour'"),
    ("I13", "a refund nobody knows of", "UPDATE refunds SET state = 'unknown', submitted_at = busload_now() - interval '16 minutes'"),
    (
        "I13",
        "a transfer in flight for an hour",
        HIRE_DUE + f"UPDATE payouts SET state = 'unknown', amount_minor = 1000, {SENT}, submitted_at = busload_now() - interval '1 hour'",
    ),
    (
        "I13",
        "a reversal in flight for an hour",
        HIRE_DUE
        + """
        INSERT INTO payout_reversals (payout_id, correction_id, amount_minor, currency, state, submitted_at)
        SELECT id, id, 1, 'USD', 'submitting', busload_now() - interval '1 hour' FROM payouts
        """,
    ),
    (
        "I13",
        "evidence nobody answered for",
        f"{CONTESTED} SELECT id, id, 'ch', 1, 'USD', 'general', 'unknown', busload_now() - interval '16 minutes' FROM payments",
    ),
    ("I13", "open past the deadline", "UPDATE trips SET deadline_at = busload_now() - interval '61 seconds' WHERE state = 'open'"),
    (
        "I14",
        "checked in twice",
        """
        DROP INDEX check_ins_once;
        INSERT INTO check_ins (id, pledge_id, person, leg, duty_id, method, checked_at)
        SELECT gen_random_uuid(), pledge_id, person, leg, duty_id, method, checked_at FROM check_ins
        """,
    ),
    ("I14", "a person the party does not have", "UPDATE check_ins SET person = 3"),
    (
        "I14",
        "a contradiction of somebody else's check-in",
        """
        INSERT INTO check_ins (id, pledge_id, person, leg, duty_id, method, checked_at, conflicts_with)
        SELECT gen_random_uuid(), pledge_id, 2, leg, duty_id, method, checked_at, id FROM check_ins
        """,
    ),
    ("I15", "an erased account with a name", "UPDATE accounts SET erased_at = busload_now(), email = 'a1@erased.invalid'"),
    (
        "I15",
        "an erased rider's pledge with an address",
        "UPDATE accounts SET erased_at = busload_now(), name = '', email = 'a1@erased.invalid'",
    ),
    ("I15", "an erased pledge with a name", "UPDATE pledges SET erased_at = busload_now()"),
    (
        "I15",
        "an erased account that can still sign in",
        """
        UPDATE accounts SET erased_at = busload_now(), name = '', email = 'a1@erased.invalid';
        UPDATE pledges SET account_id = NULL;
        INSERT INTO passkeys (account_id, credential_id, public_key, name, is_synced)
        SELECT id, 'x', 'x', 'Phone', true FROM accounts LIMIT 1
        """,
    ),
]


async def test_every_invariant_of_the_domain_is_there() -> None:
    assert [invariant.name[:3] for invariant in read_invariants()] == CODES


async def test_a_healthy_world_violates_nothing(conn: Connection, world: World) -> None:
    assert await find_violations(conn) == {}


async def test_an_empty_database_violates_nothing(conn: Connection) -> None:
    assert await find_violations(conn) == {}


@pytest.mark.parametrize(
    ("code", "script"), [(code, script) for code, _, script in BREAKS], ids=[f"{code}-{what}" for code, what, _ in BREAKS]
)
async def test_a_broken_invariant_is_named(conn: Connection, world: World, code: str, script: str) -> None:
    await conn.execute("SET LOCAL session_replication_role = replica")
    await conn.execute(script)
    await conn.execute("SET LOCAL session_replication_role = origin")
    found = await find_violations(conn)
    assert code in {name[:3] for name in found}
    assert all(violation.subject and violation.detail for violations in found.values() for violation in violations)


def test_each_invariant_is_broken_by_some_test() -> None:
    assert {code for code, _, _ in BREAKS} == set(CODES)
