-- Payouts: Connect accounts, what duties and partners are owed, transfers and what was taken back, debts, the closing of an event's book.
-- Payments know opaque references: a payee is an operator's or a partner's own id, a hire a duty's, a book an event's.

-- An account's state at Stripe now belongs to its payee.
ALTER TABLE operators DROP COLUMN connect_ref;
ALTER TABLE operators
    ADD COLUMN vat_bp integer NOT NULL DEFAULT 0 CHECK (vat_bp BETWEEN 0 AND 5000),           -- contained in its hire prices
    ADD COLUMN reserve_bp integer NOT NULL DEFAULT 1000 CHECK (reserve_bp BETWEEN 0 AND 5000); -- of the hire, held back for a while

INSERT INTO ledger_accounts VALUES
    ('operators:receivable', 'asset', 'What operators owe us: pull-out fees, hire paid and not earned'),
    ('house:penalties', 'income', 'Fees of operators that pulled out'),
    ('house:margin', 'income', 'What is left of an event''s fares when its book is closed');

CREATE TABLE payees (
    id          uuid PRIMARY KEY,                            -- the operator's or partner's
    kind        text NOT NULL CHECK (kind IN ('operator', 'partner')),
    state       text NOT NULL CHECK (state IN ('information_needed', 'ready')),
    account_ref text NOT NULL UNIQUE,                        -- never changes: a transfer is looked up where it was sent
    opened_at   timestamptz NOT NULL DEFAULT busload_now(),
    checked_at  timestamptz NOT NULL DEFAULT busload_now()
);
INSERT INTO state_transitions VALUES
    ('payee', '', 'information_needed'), ('payee', 'information_needed', 'ready'), ('payee', 'ready', 'information_needed');
SELECT keep_machine('payees', 'payee');

-- What an operator earned with a duty, tax included; written once, when the duty is over.
CREATE TABLE hires (
    duty_id       uuid PRIMARY KEY,
    payee_id      uuid NOT NULL,
    book          text NOT NULL,
    currency      text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    gross_minor   bigint NOT NULL CHECK (gross_minor >= 0),
    vat_bp        integer NOT NULL CHECK (vat_bp >= 0),
    tax_minor     bigint NOT NULL CHECK (tax_minor BETWEEN 0 AND gross_minor),
    reserve_minor bigint NOT NULL CHECK (reserve_minor BETWEEN 0 AND gross_minor),
    accrued_at    timestamptz NOT NULL DEFAULT busload_now()
);
CREATE INDEX hires_payee ON hires (payee_id, accrued_at DESC);
CREATE TRIGGER hires_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hires FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An event's book: our fee and the partner's share when the last bus is home, what is left over when it is closed.
CREATE TABLE books (
    book         text PRIMARY KEY,
    event_id     uuid NOT NULL UNIQUE,
    partner_id   uuid,
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    kept_minor   bigint NOT NULL,                            -- charges less refunds
    fee_minor    bigint NOT NULL CHECK (fee_minor >= 0),
    share_minor  bigint NOT NULL CHECK (share_minor >= 0),
    accrued_at   timestamptz NOT NULL DEFAULT busload_now(),
    closes_at    timestamptz NOT NULL,
    closed_at    timestamptz,
    margin_minor bigint CHECK (margin_minor >= 0),
    CHECK ((closed_at IS NULL) = (margin_minor IS NULL))
);
CREATE INDEX books_partner ON books (partner_id) WHERE partner_id IS NOT NULL;
CREATE FUNCTION guard_closed_book() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.closed_at IS NOT NULL THEN
        RAISE EXCEPTION 'a closed book stays as it is' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'books_closed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER closed BEFORE UPDATE OR DELETE ON books FOR EACH ROW EXECUTE FUNCTION guard_closed_book();

-- One transfer each: hire less reserve, the reserve later, a partner's share.
CREATE TABLE payouts (
    id            uuid PRIMARY KEY DEFAULT uuidv7(),
    kind          text NOT NULL CHECK (kind IN ('hire', 'reserve', 'share')),
    reference     uuid NOT NULL,                             -- the duty, for a share the event
    payee_id      uuid NOT NULL,
    book          text NOT NULL,
    currency      text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    owed_minor    bigint NOT NULL CHECK (owed_minor >= 0),
    amount_minor  bigint CHECK (amount_minor BETWEEN 0 AND owed_minor),   -- owed less debts netted off; fixed at the first attempt
    state         text NOT NULL CHECK (state IN ('due', 'submitting', 'succeeded', 'failed', 'unknown', 'void')),
    waits_for     text NOT NULL DEFAULT '' CHECK (waits_for IN ('', 'account', 'cover', 'funds')),
    account_ref   text,
    transfer_ref  text UNIQUE,
    not_before_at timestamptz NOT NULL,
    attempts      integer NOT NULL DEFAULT 0,
    submitted_at  timestamptz,
    settled_at    timestamptz,
    error_code    text NOT NULL DEFAULT '',
    alarmed_at    timestamptz,
    created_at    timestamptz NOT NULL DEFAULT busload_now(),
    UNIQUE (reference, kind),
    CHECK (state IN ('due', 'void') OR (amount_minor IS NOT NULL AND account_ref IS NOT NULL) OR amount_minor = 0),
    CHECK (state <> 'succeeded' OR (settled_at IS NOT NULL AND (amount_minor = 0 OR transfer_ref IS NOT NULL)))
);
CREATE INDEX payouts_payee ON payouts (payee_id, created_at DESC);
CREATE INDEX payouts_book ON payouts (book);
INSERT INTO state_transitions VALUES
    ('payout', '', 'due'), ('payout', 'due', 'submitting'), ('payout', 'due', 'succeeded'), ('payout', 'due', 'void'),
    ('payout', 'submitting', 'succeeded'), ('payout', 'submitting', 'failed'), ('payout', 'submitting', 'unknown'),
    ('payout', 'unknown', 'succeeded'), ('payout', 'unknown', 'failed'), ('payout', 'unknown', 'submitting'),
    ('payout', 'failed', 'submitting'), ('payout', 'failed', 'void');
SELECT keep_machine('payouts', 'payout');

-- An organiser's word that a hire was not earned, or not all of it.
CREATE TABLE hire_corrections (
    id           uuid PRIMARY KEY DEFAULT uuidv7(),
    duty_id      uuid NOT NULL REFERENCES hires,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    reason       text NOT NULL CHECK (reason <> ''),
    actor        text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT busload_now()
);
CREATE INDEX hire_corrections_duty ON hire_corrections (duty_id);
CREATE TRIGGER hire_corrections_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hire_corrections
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE FUNCTION guard_correction_sum() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM hires WHERE duty_id = NEW.duty_id FOR UPDATE;
    IF (SELECT sum(amount_minor) FROM hire_corrections WHERE duty_id = NEW.duty_id) > (SELECT gross_minor FROM hires WHERE duty_id = NEW.duty_id) THEN
        RAISE EXCEPTION 'corrections exceed the hire' USING ERRCODE = 'check_violation', CONSTRAINT = 'corrections_within_hire';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER within_hire AFTER INSERT ON hire_corrections FOR EACH ROW EXECUTE FUNCTION guard_correction_sum();

-- Part of a transfer taken back for a correction; what cannot be taken back becomes a debt.
CREATE TABLE payout_reversals (
    id            uuid PRIMARY KEY DEFAULT uuidv7(),
    payout_id     uuid NOT NULL REFERENCES payouts,
    correction_id uuid NOT NULL REFERENCES hire_corrections,
    amount_minor  bigint NOT NULL CHECK (amount_minor > 0),
    currency      text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    state         text NOT NULL CHECK (state IN ('due', 'submitting', 'succeeded', 'failed', 'unknown')),
    reversal_ref  text UNIQUE,
    attempts      integer NOT NULL DEFAULT 0,
    submitted_at  timestamptz,
    settled_at    timestamptz,
    error_code    text NOT NULL DEFAULT '',
    alarmed_at    timestamptz,
    created_at    timestamptz NOT NULL DEFAULT busload_now(),
    UNIQUE (correction_id, payout_id)
);
INSERT INTO state_transitions VALUES
    ('reversal', '', 'due'), ('reversal', 'due', 'submitting'), ('reversal', 'submitting', 'succeeded'), ('reversal', 'submitting', 'failed'),
    ('reversal', 'submitting', 'unknown'), ('reversal', 'unknown', 'succeeded'), ('reversal', 'unknown', 'failed'),
    ('reversal', 'unknown', 'submitting');
SELECT keep_machine('payout_reversals', 'reversal');
CREATE FUNCTION guard_reversal_sum() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM payouts WHERE id = NEW.payout_id FOR UPDATE;
    IF (SELECT sum(amount_minor) FROM payout_reversals WHERE payout_id = NEW.payout_id AND state <> 'failed')
        > (SELECT amount_minor FROM payouts WHERE id = NEW.payout_id AND state = 'succeeded') IS NOT FALSE THEN
        RAISE EXCEPTION 'reversals exceed the transfer' USING ERRCODE = 'check_violation', CONSTRAINT = 'reversals_within_transfer';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER within_transfer AFTER INSERT ON payout_reversals FOR EACH ROW EXECUTE FUNCTION guard_reversal_sum();

-- Stored before each call to Stripe, finished after it; `subject_id` is a payout or a reversal.
CREATE TABLE transfer_attempts (
    subject_id      uuid NOT NULL,
    number          integer NOT NULL,
    idempotency_key text NOT NULL,
    started_at      timestamptz NOT NULL DEFAULT busload_now(),
    finished_at     timestamptz,
    outcome         text NOT NULL DEFAULT '',
    PRIMARY KEY (subject_id, number)
);

-- What an operator owes us, netted off its next payouts.
CREATE TABLE debts (
    id           uuid PRIMARY KEY DEFAULT uuidv7(),
    payee_id     uuid NOT NULL,
    book         text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('pull_out', 'overpaid')),
    cause        uuid NOT NULL,                              -- the offer pulled out of; the reversal or correction
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    created_at   timestamptz NOT NULL DEFAULT busload_now(),
    UNIQUE (kind, cause)
);
CREATE INDEX debts_payee ON debts (payee_id, currency);
CREATE TRIGGER debts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON debts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TABLE debt_settlements (
    debt_id      uuid NOT NULL REFERENCES debts,
    payout_id    uuid NOT NULL REFERENCES payouts,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    settled_at   timestamptz NOT NULL DEFAULT busload_now(),
    PRIMARY KEY (debt_id, payout_id)
);
CREATE INDEX debt_settlements_payout ON debt_settlements (payout_id);
CREATE TRIGGER debt_settlements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON debt_settlements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE FUNCTION guard_settlement_sum() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM debts WHERE id = NEW.debt_id FOR UPDATE;
    IF (SELECT sum(amount_minor) FROM debt_settlements WHERE debt_id = NEW.debt_id) > (SELECT amount_minor FROM debts WHERE id = NEW.debt_id) THEN
        RAISE EXCEPTION 'more is netted off than is owed' USING ERRCODE = 'check_violation', CONSTRAINT = 'settlements_within_debt';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER within_debt AFTER INSERT ON debt_settlements FOR EACH ROW EXECUTE FUNCTION guard_settlement_sum();

-- What a book may still pay out, minor units: charges, subsidy and what was taken back, less refunds (those on their way too) and payouts under
-- way or made. `held` counts what is posted, so that a movement and its limit are one source.
CREATE FUNCTION left_to_pay_out(wanted_book text, wanted_currency text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT (
        coalesce((SELECT sum(e.amount_minor) FILTER (WHERE t.kind IN ('charge', 'refund', 'refund_failed', 'payout_reversal') AND e.account = 'stripe:clearing')
                  FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.transaction_id
                  WHERE e.book = wanted_book AND e.currency = wanted_currency), 0)
        + coalesce((SELECT sum(e.amount_minor) FROM ledger_entries e
                    WHERE e.book = wanted_book AND e.currency = wanted_currency AND e.account = 'house:subsidy'), 0)
        - coalesce((SELECT sum(r.amount_minor) FROM refunds r JOIN payments p ON p.id = r.payment_id
                    WHERE p.book = wanted_book AND p.currency = wanted_currency AND r.state <> 'succeeded'), 0)
        - coalesce((SELECT sum(o.amount_minor) FROM payouts o
                    WHERE o.book = wanted_book AND o.currency = wanted_currency AND o.state IN ('submitting', 'unknown', 'succeeded')), 0))::bigint
$$;

-- Invariant 10: no transfer begins that the event's money does not carry, and none for a duty none of whose trips runs.
CREATE FUNCTION guard_payout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(NEW.book, 13));
    IF OLD.state <> 'unknown' AND left_to_pay_out(NEW.book, NEW.currency) < NEW.amount_minor THEN
        RAISE EXCEPTION 'the event''s money does not carry this payout' USING ERRCODE = 'check_violation', CONSTRAINT = 'payouts_within_held';
    END IF;
    IF NEW.kind <> 'share' AND EXISTS (SELECT FROM duty_parties d WHERE d.duty_id = NEW.reference) AND NOT EXISTS (
        SELECT FROM duty_parties d JOIN pledges p ON p.id = d.pledge_id JOIN trips t ON t.id = p.trip_id
        WHERE d.duty_id = NEW.reference AND t.state <> 'cancelled') THEN
        RAISE EXCEPTION 'nobody is paid for a cancelled trip' USING ERRCODE = 'check_violation', CONSTRAINT = 'payouts_none_cancelled';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER within_held BEFORE UPDATE OF state ON payouts FOR EACH ROW
    WHEN (NEW.state = 'submitting' AND OLD.state <> 'submitting') EXECUTE FUNCTION guard_payout();

-- Pull-out fees recorded before this migration are owed too.
WITH recorded AS (
    SELECT a.subject_id AS offer_id, o.operator_id, o.event_id, o.currency, sum((a.detail ->> 'pull_out_fee_minor')::bigint)::bigint AS fee_minor
    FROM audit a JOIN offers o ON o.id = a.subject_id
    WHERE a.machine = 'offer' AND a.detail ? 'pull_out_fee_minor'
    GROUP BY a.subject_id, o.operator_id, o.event_id, o.currency HAVING sum((a.detail ->> 'pull_out_fee_minor')::bigint) > 0
), made AS (
    INSERT INTO debts (payee_id, book, kind, cause, currency, amount_minor)
    SELECT operator_id, 'event:' || event_id::text, 'pull_out', offer_id, currency, fee_minor FROM recorded RETURNING id, book, currency, amount_minor
), posted AS (
    INSERT INTO ledger_transactions (kind, cause) SELECT 'debt', id FROM made RETURNING id, cause
)
INSERT INTO ledger_entries (transaction_id, account, book, amount_minor, currency)
SELECT p.id, side.account, m.book, side.sign * m.amount_minor, m.currency
FROM posted p JOIN made m ON m.id = p.cause
CROSS JOIN (VALUES ('operators:receivable', 1), ('house:penalties', -1)) AS side (account, sign);
