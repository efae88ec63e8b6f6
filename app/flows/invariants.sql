-- Every invariant of DOMAIN.md section 6 as one query that returns what violates it: (subject, detail). A healthy database returns no row.
-- A line "-- Inn title" begins an invariant; app/flows/invariants.py reads them, and tests, the rehearsal and `busload doctor` run them.

-- I01 ledger balances
-- Entries sum to 0 per transaction and currency; nothing can be changed afterwards; each charge and each refund is posted once, to the cent.
SELECT e.transaction_id::text AS subject, format('%s entries sum to %s', e.currency, sum(e.amount_minor)) AS detail
FROM ledger_entries e GROUP BY e.transaction_id, e.currency HAVING sum(e.amount_minor) <> 0
UNION ALL
SELECT t.id::text, format('%s without entries', t.kind)
FROM ledger_transactions t WHERE NOT EXISTS (SELECT FROM ledger_entries e WHERE e.transaction_id = t.id)
UNION ALL
SELECT kept.name, 'its rows can be changed: the guard is off'
FROM (VALUES ('ledger_entries', 'ledger_entries_append_only'), ('ledger_transactions', 'ledger_transactions_append_only')) AS kept (name, guard)
WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = to_regclass(kept.name) AND g.tgname = kept.guard AND g.tgenabled IN ('O', 'A'))
UNION ALL
SELECT p.id::text, format('payment is %s over %s %s, its charge is posted as %s', p.state, p.amount_minor, p.currency, coalesce(l.posted::text, 'nothing'))
FROM payments p LEFT JOIN LATERAL (
    SELECT sum(e.amount_minor) AS posted FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
    WHERE t.kind = 'charge' AND t.cause = p.id AND e.account = 'stripe:clearing' AND e.currency = p.currency) l ON true
WHERE l.posted IS DISTINCT FROM CASE WHEN p.state IN ('succeeded', 'disputed', 'won', 'lost') THEN p.amount_minor END
UNION ALL
SELECT r.id::text, format('refund is %s over %s %s, it is posted as %s', r.state, r.amount_minor, r.currency, -l.posted)
FROM refunds r CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.amount_minor), 0) AS posted FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
    WHERE t.kind IN ('refund', 'refund_failed') AND e.account = 'stripe:clearing' AND e.currency = r.currency
        AND t.cause IN (SELECT r.id UNION ALL SELECT f.id FROM refund_failures f WHERE f.refund_id = r.id)) l
WHERE l.posted <> CASE WHEN r.state = 'succeeded' THEN -r.amount_minor ELSE 0 END
UNION ALL
SELECT r.id::text, format('refund of %s %s is %s another way, that is posted as %s', r.amount_minor, r.currency,
    CASE WHEN r.elsewhere_at IS NULL THEN 'not settled' ELSE 'settled' END, l.posted)
FROM refunds r CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.amount_minor), 0) AS posted FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
    WHERE t.kind = 'refund_elsewhere' AND t.cause = r.id AND e.account = 'riders:fares' AND e.currency = r.currency) l
WHERE l.posted <> CASE WHEN r.elsewhere_at IS NULL THEN 0 ELSE r.amount_minor END
UNION ALL
SELECT d.id::text, format('dispute is %s, %s %s of it still stand as withdrawn', d.state, l.held, d.currency)
FROM disputes d CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.amount_minor), 0) AS held FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
    WHERE t.cause = d.id AND e.account = 'stripe:disputed') l
WHERE d.state = 'lost' AND l.held <> 0 OR l.held < 0;

-- I02 confirmed once, in time, at the minimum
SELECT c.trip_id::text AS subject, format('%s confirmations', count(*)) AS detail
FROM confirmations c GROUP BY c.trip_id HAVING count(*) > 1
UNION ALL
SELECT c.trip_id::text, format('decided with %s secured of a minimum of %s', c.secured, c.minimum)
FROM confirmations c WHERE c.secured < c.minimum
UNION ALL
SELECT c.trip_id::text, format('decided at %s, after the deadline %s', c.decided_at, c.deadline_at)
FROM confirmations c WHERE c.decided_at > c.deadline_at
UNION ALL
SELECT t.id::text, format('is %s without a confirmation', t.state)
FROM trips t WHERE t.state IN ('confirmed', 'allocated', 'departed', 'completed') AND NOT EXISTS (SELECT FROM confirmations c WHERE c.trip_id = t.id)
UNION ALL
SELECT t.id::text, format('is %s although it was confirmed', t.state)
FROM trips t JOIN confirmations c ON c.trip_id = t.id WHERE t.state IN ('draft', 'open', 'expired');

-- I03 charged only when confirmed
-- No PaymentIntent without a confirmation; none succeeded for a pledge that left unless refunded in full, or by the refund ladder to the cent.
SELECT p.id::text AS subject, format('has intent %s, its trip was never confirmed', p.intent_ref) AS detail
FROM payments p LEFT JOIN pledges g ON g.id = p.reference LEFT JOIN confirmations c ON c.trip_id = g.trip_id
WHERE p.intent_ref IS NOT NULL AND c.trip_id IS NULL
UNION ALL
SELECT p.id::text, format('charged %s for a pledge that is %s, %s on the way back', p.amount_minor, coalesce(g.state, 'unknown'), back.minor)
FROM payments p LEFT JOIN pledges g ON g.id = p.reference
CROSS JOIN LATERAL (SELECT coalesce(sum(r.amount_minor), 0) AS minor FROM refunds r WHERE r.payment_id = p.id AND (r.state <> 'failed' OR r.elsewhere_at IS NOT NULL)) back
WHERE p.state IN ('succeeded', 'disputed', 'won', 'lost') AND back.minor < p.amount_minor
    AND coalesce(g.state, '') NOT IN ('confirmed', 'paid', 'travelled', 'no_show')
    AND NOT EXISTS (SELECT FROM ladder_exits x WHERE x.pledge_id = p.reference)
UNION ALL
SELECT x.pledge_id::text, format('left by the ladder with %s bp back: charged %s, %s on the way back, %s may stay', x.refund_bp, paid.minor, paid.back, x.kept_minor)
FROM ladder_exits x CROSS JOIN LATERAL (
    SELECT coalesce(sum(p.amount_minor), 0) AS minor,
        coalesce(sum((SELECT sum(r.amount_minor) FROM refunds r WHERE r.payment_id = p.id AND (r.state <> 'failed' OR r.elsewhere_at IS NOT NULL))), 0) AS back
    FROM payments p WHERE p.reference = x.pledge_id AND p.state IN ('succeeded', 'disputed', 'won', 'lost')) paid
WHERE paid.minor - paid.back > x.kept_minor OR x.kept_minor > paid.minor * (10000 - x.refund_bp) / 10000;

-- I04 charged once, never above what was agreed
SELECT p.reference::text AS subject, format('%s succeeded charges for %s', count(*), p.purpose) AS detail
FROM payments p WHERE p.state IN ('succeeded', 'disputed', 'won', 'lost') GROUP BY p.reference, p.purpose HAVING count(*) > 1
UNION ALL
SELECT g.id::text, format('agreed to %s %s, was charged %s and gets back %s', g.amount_minor, g.currency, sum(p.amount_minor), sum(back.minor))
FROM pledges g JOIN payments p ON p.reference = g.id AND p.state IN ('succeeded', 'disputed', 'won', 'lost')
CROSS JOIN LATERAL (SELECT coalesce(sum(r.amount_minor), 0) AS minor FROM refunds r WHERE r.payment_id = p.id AND (r.state <> 'failed' OR r.elsewhere_at IS NOT NULL)) back
GROUP BY g.id, g.amount_minor, g.currency HAVING sum(p.amount_minor) - sum(back.minor) > g.amount_minor;

-- I05 refunds match charges
-- Refunds of a cancelled trip sum to its charges; no refund sum exceeds its charge.
SELECT t.id::text AS subject, format('cancelled; payment %s charged %s, %s goes back', p.id, p.amount_minor, back.minor) AS detail
FROM trips t JOIN pledges g ON g.trip_id = t.id JOIN payments p ON p.reference = g.id AND p.state IN ('succeeded', 'disputed', 'won', 'lost')
CROSS JOIN LATERAL (SELECT coalesce(sum(r.amount_minor), 0) AS minor FROM refunds r WHERE r.payment_id = p.id AND (r.state <> 'failed' OR r.elsewhere_at IS NOT NULL)) back
WHERE t.state = 'cancelled' AND back.minor <> p.amount_minor
UNION ALL
SELECT p.id::text, format('charged %s, refunds sum to %s', p.amount_minor, sum(r.amount_minor))
FROM payments p JOIN refunds r ON r.payment_id = p.id GROUP BY p.id, p.amount_minor HAVING sum(r.amount_minor) > p.amount_minor;

-- I06 counters match pledges, under the cap
SELECT t.id::text AS subject, format('counts %s secured and %s held, its pledges %s and %s', t.secured, t.held, live.secured, live.held) AS detail
FROM trips t CROSS JOIN LATERAL (
    SELECT coalesce(sum(g.people) FILTER (WHERE g.state IN ('active', 'confirmed', 'paid', 'travelled', 'no_show')), 0) AS secured,
           coalesce(sum(g.people) FILTER (WHERE g.state = 'pending_card'), 0) AS held
    FROM pledges g WHERE g.trip_id = t.id) live
WHERE (t.secured, t.held) <> (live.secured, live.held)
UNION ALL
SELECT t.id::text, format('%s secured and %s held exceed the cap of %s', t.secured, t.held, t.cap) FROM trips t WHERE t.secured + t.held > t.cap;

-- I07 manifests fit their bus
-- Seats and wheelchair places per leg within those of the bus; only accepted offers carry a manifest.
SELECT c.duty_id::text AS subject,
    format('%s of version %s seats %s of %s and %s of %s wheelchairs', a.leg, m.version, sum(a.seats), v.seats, sum(a.wheelchairs), v.wheelchair_places) AS detail
FROM current_manifests c JOIN manifests m ON m.id = c.manifest_id JOIN manifest_people a ON a.manifest_id = m.id
JOIN duties d ON d.id = c.duty_id JOIN vehicles v ON v.id = d.vehicle_id
GROUP BY c.duty_id, m.version, a.leg, v.seats, v.wheelchair_places
HAVING sum(a.seats) > v.seats OR sum(a.wheelchairs) > v.wheelchair_places
UNION ALL
SELECT c.duty_id::text, format('has a manifest for offer %s, which is %s', o.public_code, CASE WHEN o.duty_id = c.duty_id THEN o.state ELSE 'another duty''s' END)
FROM current_manifests c JOIN manifests m ON m.id = c.manifest_id JOIN offers o ON o.id = m.offer_id
WHERE o.state <> 'accepted' OR o.duty_id <> c.duty_id OR m.duty_id <> c.duty_id;

-- I08 everyone paid is on one manifest
-- Per leg, in a trip with its buses, or listed unseated with an open incident; nobody else is on one. A trip that loses a bus goes back to
-- confirmed until it is planned again; one that has departed cannot, and its people are listed with the incident of the lost bus meanwhile.
SELECT g.id::text AS subject, format('paid, on %s manifests for the %s, not listed as unseated', aboard.times, way.leg) AS detail
FROM trips t JOIN pledges g ON g.trip_id = t.id AND g.state = 'paid' CROSS JOIN LATERAL unnest(g.legs) AS way (leg)
CROSS JOIN LATERAL (
    SELECT count(*) AS times FROM manifest_people a JOIN current_manifests c ON c.manifest_id = a.manifest_id
    WHERE a.pledge_id = g.id AND a.leg = way.leg) aboard
WHERE t.state IN ('allocated', 'departed', 'completed') AND aboard.times <> 1 AND NOT (aboard.times = 0 AND EXISTS (
    SELECT FROM incident_pledges l JOIN incidents i ON i.id = l.incident_id WHERE l.pledge_id = g.id AND i.state = 'open'
        AND (i.kind = 'unseated' OR (i.kind = 'operator_pulled_out' AND t.state = 'departed'))))
UNION ALL
SELECT a.pledge_id::text, format('is %s with %s seats and %s wheelchairs for %s, on a manifest with %s and %s for the %s',
    g.state, g.seats, g.wheelchairs, array_to_string(g.legs, ' and '), a.seats, a.wheelchairs, a.leg)
FROM current_manifests c JOIN manifest_people a ON a.manifest_id = c.manifest_id JOIN pledges g ON g.id = a.pledge_id
WHERE c.ended_at IS NULL
    AND (g.state NOT IN ('paid', 'travelled', 'no_show') OR NOT a.leg = ANY (g.legs) OR (a.seats, a.wheelchairs) <> (g.seats, g.wheelchairs));

-- I09 vehicles and drivers are in one place, within their hours
-- The rules are those of the problem the duty was planned from; a leg's driving is broken by a break after each full stretch.
-- A problem is megabytes: each is opened once for all of its vehicles.
SELECT o.vehicle_id::text AS subject, format('is in the accepted offers %s and %s at once', o.public_code, other.public_code) AS detail
FROM offers o JOIN offers other ON other.vehicle_id = o.vehicle_id AND other.id > o.id AND other.during && o.during
WHERE o.state = 'accepted' AND other.state = 'accepted'
UNION ALL
SELECT s.driver_id::text, format('is on the duties %s and %s at once', s.duty_id, other.duty_id)
FROM duty_drivers s JOIN duty_drivers other ON other.driver_id = s.driver_id AND other.duty_id > s.duty_id AND other.during && s.during
WHERE s.ended_at IS NULL AND other.ended_at IS NULL
UNION ALL
SELECT clock.duty_id::text, format('%s s of driving and %s s from depot to depot with %s driver(s) and %s s of breaks break %s',
    clock.driving_s, clock.spread_s, clock.drivers_needed, clock.break_s, clock.rules)
FROM (
    WITH planned_from AS (
        SELECT DISTINCT ON (u.duty_id) u.duty_id, p.snapshot_id FROM plan_duties u JOIN plans p ON p.id = u.plan_id ORDER BY u.duty_id, p.created_at
    ), problem_rules AS MATERIALIZED (
        SELECT s.id AS snapshot_id, vehicle ->> 'id' AS vehicle_id, vehicle ->> 'rules' AS rules
        FROM snapshots s CROSS JOIN LATERAL jsonb_array_elements(s.problem -> 'vehicles') vehicle
        WHERE s.id IN (SELECT snapshot_id FROM planned_from)
    )
    SELECT d.id AS duty_id, d.drivers_needed, planned.rules, sum(legs.driving_s) AS driving_s, sum(legs.break_s) AS break_s,
        extract(epoch FROM upper(d.during) - lower(d.during)) AS spread_s,
        sum(greatest(0, ceil(legs.driving_s::numeric / rule.break_after_s) - 1) * rule.break_s) AS breaks_due_s,
        CASE d.drivers_needed WHEN 1 THEN rule.max_driving_s ELSE rule.max_driving_2_s END AS max_driving_s,
        CASE d.drivers_needed WHEN 1 THEN rule.max_spread_s ELSE rule.max_spread_2_s END AS max_spread_s
    FROM duties d JOIN offers o ON o.duty_id = d.id AND o.state = 'accepted' JOIN vehicles v ON v.id = d.vehicle_id
    LEFT JOIN planned_from f ON f.duty_id = d.id
    LEFT JOIN problem_rules r ON r.snapshot_id = f.snapshot_id AND r.vehicle_id = d.vehicle_id::text
    CROSS JOIN LATERAL (SELECT coalesce(r.rules, v.rules) AS rules) planned
    JOIN driver_rules rule ON rule.name = planned.rules
    CROSS JOIN LATERAL (
        SELECT sum((a ->> 'drive_s')::integer) AS driving_s, sum((a ->> 'break_s')::integer) AS break_s
        FROM jsonb_array_elements(d.timetable -> 'calls') a GROUP BY a ->> 'leg') legs
    GROUP BY d.id, planned.rules, rule.name) clock
WHERE clock.driving_s > clock.max_driving_s OR clock.spread_s > clock.max_spread_s
    OR (clock.drivers_needed = 1 AND clock.break_s < clock.breaks_due_s);

-- I10 payouts within what is held
-- Payouts of a book, less what was taken back, <= its charges less refunds plus the subsidy; none when every trip of the event, or of the
-- duty, is cancelled. Each transfer and reversal is posted once; what is owed in the ledger is what waits to be paid, per book.
SELECT money.book AS subject, format('paid out %s %s of %s held', money.paid_out, money.currency, money.held) AS detail
FROM (
    SELECT e.book, e.currency,
        -sum(e.amount_minor) FILTER (WHERE t.kind IN ('payout', 'payout_reversal') AND e.account = 'stripe:clearing') AS paid_out,
        coalesce(sum(e.amount_minor) FILTER (WHERE t.kind IN ('charge', 'refund', 'refund_failed') AND e.account = 'stripe:clearing'), 0)
            + coalesce(sum(e.amount_minor) FILTER (WHERE e.account = 'house:subsidy'), 0) AS held
    FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id GROUP BY e.book, e.currency) money
WHERE money.paid_out > money.held
UNION ALL
SELECT DISTINCT e.book, format('paid out %s although every trip is cancelled', t.id)
FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
WHERE t.kind = 'payout' AND NOT EXISTS (SELECT FROM trips r WHERE e.book = 'event:' || r.event_id::text AND r.state <> 'cancelled')
UNION ALL
SELECT o.id::text, format('%s %s is %s for duty %s, all of whose trips are cancelled', o.kind, o.owed_minor, o.state, o.reference)
FROM payouts o
WHERE o.kind <> 'share' AND o.state IN ('submitting', 'unknown', 'succeeded') AND EXISTS (SELECT FROM duty_parties d WHERE d.duty_id = o.reference)
    AND NOT EXISTS (SELECT FROM duty_parties d JOIN pledges p ON p.id = d.pledge_id JOIN trips t ON t.id = p.trip_id
                    WHERE d.duty_id = o.reference AND t.state <> 'cancelled')
UNION ALL
SELECT o.id::text, format('payout is %s over %s %s, it is posted as %s', o.state, o.amount_minor, o.currency, coalesce((-l.posted)::text, 'nothing'))
FROM payouts o LEFT JOIN LATERAL (
    SELECT sum(e.amount_minor) AS posted FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
    WHERE t.kind = 'payout' AND t.cause = o.id AND e.account = 'stripe:clearing' AND e.currency = o.currency) l ON true
WHERE l.posted IS DISTINCT FROM CASE WHEN o.state = 'succeeded' AND o.amount_minor > 0 THEN -o.amount_minor END
UNION ALL
SELECT r.id::text, format('reversal is %s over %s %s, it is posted as %s', r.state, r.amount_minor, r.currency, coalesce(l.posted::text, 'nothing'))
FROM payout_reversals r LEFT JOIN LATERAL (
    SELECT sum(e.amount_minor) AS posted FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
    WHERE t.kind = 'payout_reversal' AND t.cause = r.id AND e.account = 'stripe:clearing' AND e.currency = r.currency) l ON true
WHERE l.posted IS DISTINCT FROM CASE WHEN r.state = 'succeeded' THEN r.amount_minor END
UNION ALL
SELECT r.payout_id::text, format('%s of %s are taken back', sum(r.amount_minor), o.amount_minor)
FROM payout_reversals r JOIN payouts o ON o.id = r.payout_id WHERE r.state <> 'failed'
GROUP BY r.payout_id, o.amount_minor HAVING sum(r.amount_minor) > coalesce(o.amount_minor, 0)
UNION ALL
SELECT owed.book, format('operators are owed %s %s in the ledger, %s waits to be paid', owed.ledger, owed.currency, owed.waits)
FROM (
    SELECT book, currency, sum(ledger) AS ledger, sum(waits) AS waits
    FROM (
        SELECT e.book, e.currency, -e.amount_minor AS ledger, 0::bigint AS waits FROM ledger_entries e WHERE e.account = 'operators:payable'
        UNION ALL SELECT o.book, o.currency, 0, coalesce(o.amount_minor, o.owed_minor) FROM payouts o
            WHERE o.kind <> 'share' AND o.state NOT IN ('succeeded', 'void')
        UNION ALL SELECT o.book, r.currency, 0, -r.amount_minor FROM payout_reversals r JOIN payouts o ON o.id = r.payout_id
            WHERE r.state IN ('due', 'submitting', 'unknown')) parts
    GROUP BY book, currency) owed
WHERE owed.ledger <> owed.waits
UNION ALL
SELECT owed.book, format('the partner is owed %s %s in the ledger, %s waits to be paid', owed.ledger, owed.currency, owed.waits)
FROM (
    SELECT book, currency, sum(ledger) AS ledger, sum(waits) AS waits
    FROM (
        SELECT e.book, e.currency, -e.amount_minor AS ledger, 0::bigint AS waits FROM ledger_entries e WHERE e.account = 'partners:payable'
        UNION ALL SELECT o.book, o.currency, 0, o.owed_minor FROM payouts o WHERE o.kind = 'share' AND o.state NOT IN ('succeeded', 'void')
        UNION ALL SELECT b.book, b.currency, 0, b.share_minor FROM books b WHERE b.closed_at IS NULL) parts
    GROUP BY book, currency) owed
WHERE owed.ledger <> owed.waits
UNION ALL
SELECT owed.currency, format('operators owe us %s in the ledger, their debts sum to %s', owed.ledger, owed.debts)
FROM (
    SELECT currency, sum(ledger) AS ledger, sum(debts) AS debts
    FROM (
        SELECT e.currency, e.amount_minor AS ledger, 0::bigint AS debts FROM ledger_entries e WHERE e.account = 'operators:receivable'
        UNION ALL SELECT d.currency, 0, d.amount_minor FROM debts d
        UNION ALL SELECT d.currency, 0, -s.amount_minor FROM debt_settlements s JOIN debts d ON d.id = s.debt_id) parts
    GROUP BY currency) owed
WHERE owed.ledger <> owed.debts;

-- I11 every transition audited, no work lost
-- Each subject's trail leads from birth to its present state without a gap or a double; no charge is under way without an attempt of its
-- own; every job is done, pending or visibly held; whatever waits for a deadline has its timer.
SELECT trail.subject_id::text AS subject, format('%s: %s -> %s follows %s', trail.machine, trail.from_state, trail.to_state, coalesce(trail.before, 'nothing')) AS detail
FROM (
    SELECT a.machine, a.subject_id, a.from_state, a.to_state, lag(a.to_state) OVER (PARTITION BY a.machine, a.subject_id ORDER BY a.id) AS before
    FROM audit a WHERE a.from_state <> a.to_state) trail
WHERE trail.from_state <> coalesce(trail.before, '')
UNION ALL
SELECT present.id::text, format('%s is %s, its trail ends at %s', present.machine, present.state, coalesce(ends.to_state, 'nothing'))
FROM (
    SELECT 'event' AS machine, id, state FROM events UNION ALL SELECT 'stop', id, state FROM stops UNION ALL SELECT 'trip', id, state FROM trips
    UNION ALL SELECT 'pledge', id, state FROM pledges UNION ALL SELECT 'payment', id, state FROM payments
    UNION ALL SELECT 'refund', id, state FROM refunds UNION ALL SELECT 'offer', id, state FROM offers
    UNION ALL SELECT 'payee', id, state FROM payees UNION ALL SELECT 'payout', id, state FROM payouts
    UNION ALL SELECT 'reversal', id, state FROM payout_reversals
    UNION ALL SELECT 'transfer', id, state FROM transfers UNION ALL SELECT 'waitlist', id, state FROM waitlist
    UNION ALL SELECT 'incident', id, state FROM incidents UNION ALL SELECT 'dispute', id, state FROM disputes) present
LEFT JOIN (
    SELECT DISTINCT ON (a.machine, a.subject_id) a.machine, a.subject_id, a.to_state
    FROM audit a WHERE a.from_state <> a.to_state ORDER BY a.machine, a.subject_id, a.id DESC) ends
    ON ends.machine = present.machine AND ends.subject_id = present.id
WHERE ends.to_state IS DISTINCT FROM present.state
UNION ALL
SELECT p.id::text, format('payment was put under way %s times in %s attempts', count(*), p.attempts)
FROM payments p JOIN audit a ON a.machine = 'payment' AND a.subject_id = p.id
WHERE a.to_state = 'submitting' AND a.from_state <> a.to_state GROUP BY p.id, p.attempts HAVING count(*) > p.attempts
UNION ALL
SELECT j.id::text, format('job %s is with a worker that has not been heard of since %s', j.entrypoint, j.heartbeat)
FROM pgqueuer j WHERE j.status = 'picked' AND j.heartbeat < now() - interval '10 minutes'
UNION ALL
SELECT j.id::text, format('job %s is %s: neither done, pending nor held', j.entrypoint, j.status)
FROM pgqueuer j WHERE j.status NOT IN ('queued', 'picked', 'failed')
UNION ALL
SELECT l.job_id::text, format('job %s ended as %s and is gone', l.entrypoint, l.status)
FROM pgqueuer_log l WHERE l.status IN ('exception', 'deleted', 'canceled')
UNION ALL
SELECT work.id::text, format('%s is %s and no job %s is queued', work.machine, work.state, work.entrypoint)
FROM (
    SELECT 'payment' AS machine, id, state, 'charge_payment' AS entrypoint FROM payments WHERE state = 'due'
    UNION ALL SELECT 'refund', id, state, 'send_refund' FROM refunds WHERE state = 'due' AND held_by IS NULL
    UNION ALL SELECT 'mail', id, 'unsent', 'send_mail' FROM mails WHERE sent_at IS NULL) work
WHERE NOT EXISTS (SELECT FROM pgqueuer j WHERE j.entrypoint = work.entrypoint AND j.payload = uuid_send(work.id))
UNION ALL
SELECT wait.id::text, format('%s is %s and no timer %s will fire', wait.machine, wait.state, wait.kind)
FROM (
    SELECT 'trip' AS machine, id, state, 'trip_deadline' AS kind FROM trips WHERE state = 'open'
    UNION ALL SELECT 'pledge', id, state, 'pledge_hold' FROM pledges WHERE state = 'pending_card'
    UNION ALL SELECT 'offer', id, state, 'offer_expiry' FROM offers WHERE state = 'sent'
    UNION ALL SELECT 'waitlist', trip_id, state, 'waitlist' FROM waitlist WHERE state = 'waiting'
    UNION ALL SELECT 'transfer', id, state, 'transfer_expiry' FROM transfers WHERE state = 'offered'
    UNION ALL SELECT 'payout', id, state, 'payout' FROM payouts WHERE state IN ('due', 'submitting', 'unknown', 'failed')
    UNION ALL SELECT 'reversal', id, state, 'reversal' FROM payout_reversals WHERE state IN ('due', 'submitting', 'unknown')
    UNION ALL SELECT 'book', event_id, 'open', 'book_close' FROM books WHERE closed_at IS NULL
    UNION ALL SELECT 'payment', id, state, 'payment_lookup' FROM payments WHERE state IN ('submitting', 'unknown')
    UNION ALL SELECT 'dispute', id, state, 'dispute_lookup' FROM disputes WHERE state IN ('submitting', 'unknown')
    UNION ALL SELECT 'dispute', id, state, 'dispute_answer' FROM disputes
        WHERE state = 'open' AND error_code = '' AND evidence_due_at - interval '11 hours' > busload_now()
    UNION ALL SELECT 'payment', id, state, 'payment_retry' FROM payments WHERE state IN ('retryable', 'needs_action')) wait
WHERE NOT EXISTS (SELECT FROM timers m WHERE m.kind = wait.kind AND m.subject_id = wait.id AND m.fired_at IS NULL);

-- I12 one effect per key
SELECT k.scope || ' ' || k.key AS subject, format('%s effects', count(*)) AS detail
FROM idempotency_keys k GROUP BY k.scope, k.key HAVING count(*) > 1
UNION ALL
SELECT k.scope || ' ' || k.key, format('effect %s belongs to %s keys', k.effect_id, count(*) OVER (PARTITION BY k.effect_id))
FROM idempotency_keys k
WHERE EXISTS (SELECT FROM idempotency_keys other WHERE other.effect_id = k.effect_id AND (other.scope, other.key) <> (k.scope, k.key))
UNION ALL
SELECT k.scope || ' ' || k.key, format('its pledge %s does not exist', k.effect_id)
FROM idempotency_keys k
WHERE k.scope LIKE 'pledge:%' AND NOT EXISTS (SELECT FROM pledges g WHERE g.id = k.effect_id AND 'pledge:' || g.trip_id::text = k.scope);

-- I13 nothing stays in between unalarmed
SELECT p.id::text AS subject, format('payment is %s since %s and nobody was alarmed', p.state, coalesce(p.submitted_at, p.created_at)) AS detail
FROM payments p
WHERE p.state IN ('submitting', 'unknown') AND p.alarmed_at IS NULL AND coalesce(p.submitted_at, p.created_at) < busload_now() - interval '15 minutes'
UNION ALL
SELECT r.id::text, format('refund is %s since %s and nobody was alarmed', r.state, coalesce(r.submitted_at, r.created_at))
FROM refunds r
WHERE r.state IN ('submitting', 'unknown') AND r.alarmed_at IS NULL AND coalesce(r.submitted_at, r.created_at) < busload_now() - interval '15 minutes'
UNION ALL
SELECT d.id::text, format('evidence is %s since %s and nobody was alarmed', d.state, d.submitted_at)
FROM disputes d
WHERE d.state IN ('submitting', 'unknown') AND d.alarmed_at IS NULL AND d.submitted_at < busload_now() - interval '15 minutes'
UNION ALL
SELECT o.id::text, format('payout is %s since %s and nobody was alarmed', o.state, o.submitted_at)
FROM payouts o
WHERE o.state IN ('submitting', 'unknown') AND o.alarmed_at IS NULL AND o.submitted_at < busload_now() - interval '15 minutes'
UNION ALL
SELECT r.id::text, format('reversal is %s since %s and nobody was alarmed', r.state, r.submitted_at)
FROM payout_reversals r
WHERE r.state IN ('submitting', 'unknown') AND r.alarmed_at IS NULL AND r.submitted_at < busload_now() - interval '15 minutes'
UNION ALL
SELECT t.id::text, format('open although its deadline was %s', t.deadline_at)
FROM trips t WHERE t.state = 'open' AND t.deadline_at < busload_now() - interval '60 seconds';

-- I14 checked in once
-- One check-in per person and leg; a second scan is kept and points at the first one of the same person and leg.
SELECT c.pledge_id::text AS subject, format('person %s checked in %s times for the %s', c.person, count(*), c.leg) AS detail
FROM check_ins c WHERE c.conflicts_with IS NULL GROUP BY c.pledge_id, c.person, c.leg HAVING count(*) > 1
UNION ALL
SELECT c.pledge_id::text, format('check-in %s contradicts %s, which is another person''s or leg''s', c.id, c.conflicts_with)
FROM check_ins c JOIN check_ins first ON first.id = c.conflicts_with
WHERE (first.pledge_id, first.person, first.leg) <> (c.pledge_id, c.person, c.leg) OR first.conflicts_with IS NOT NULL
UNION ALL
SELECT c.pledge_id::text, format('person %s of %s checked in for the %s', c.person, g.people, c.leg)
FROM check_ins c JOIN pledges g ON g.id = c.pledge_id WHERE c.person > g.people OR NOT c.leg = ANY (g.legs);

-- I15 erased riders are gone
-- An erased account and its pledges carry no name, number, wish or reachable address (erasing writes addresses under erased.invalid).
SELECT a.id::text AS subject, 'erased account keeps its name or address' AS detail
FROM accounts a WHERE a.erased_at IS NOT NULL AND (a.name <> '' OR a.email NOT LIKE '%@erased.invalid')
UNION ALL
SELECT g.id::text, 'pledge of an erased account keeps personal data'
FROM accounts a JOIN pledges g ON g.account_id = a.id
WHERE a.erased_at IS NOT NULL AND (g.name <> '' OR g.phone <> '' OR g.needs <> '' OR g.email NOT LIKE '%@erased.invalid' OR g.email_normalised NOT LIKE '%@erased.invalid')
UNION ALL
SELECT m.id::text, 'mail to an erased rider keeps the address'
FROM accounts a JOIN pledges g ON g.account_id = a.id JOIN mails m ON m.subject_id = g.id
WHERE a.erased_at IS NOT NULL AND m.recipient NOT LIKE '%@erased.invalid'
UNION ALL
SELECT g.id::text, 'erased pledge keeps personal data'
FROM pledges g
WHERE g.erased_at IS NOT NULL AND (g.name <> '' OR g.phone <> '' OR g.needs <> '' OR g.card_label <> '' OR g.card_fingerprint IS NOT NULL
    OR g.email NOT LIKE '%@erased.invalid' OR g.email_normalised NOT LIKE '%@erased.invalid')
UNION ALL
SELECT a.id::text, 'erased account keeps a passkey or a role'
FROM accounts a
WHERE a.erased_at IS NOT NULL AND (EXISTS (SELECT FROM passkeys k WHERE k.account_id = a.id)
    OR EXISTS (SELECT FROM account_roles r WHERE r.account_id = a.id))
UNION ALL
SELECT a.id::text, 'erased account keeps a saved card or an open session'
FROM accounts a
WHERE a.erased_at IS NOT NULL AND (EXISTS (SELECT FROM saved_cards c WHERE c.account_id = a.id)
    OR EXISTS (SELECT FROM sessions s WHERE s.account_id = a.id AND s.revoked_at IS NULL AND s.expires_at > busload_now()));
