-- Payments know an opaque reference, never a pledge. One row per (reference, purpose), one PaymentIntent for ever.
CREATE TABLE payments (
    id                 uuid PRIMARY KEY DEFAULT uuidv7(),
    reference          uuid NOT NULL,
    purpose            text NOT NULL CHECK (purpose ~ '^(fare|change-[0-9]{1,3})$'),
    book               text NOT NULL,                        -- the ledger book (an event's) it is posted in
    amount_minor       bigint NOT NULL CHECK (amount_minor > 0),
    currency           text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    description        text NOT NULL,
    state              text NOT NULL CHECK (state IN ('due', 'submitting', 'succeeded', 'needs_action', 'retryable', 'unknown',
        'abandoned', 'void', 'disputed', 'won', 'lost')),
    customer_ref       text NOT NULL,
    payment_method_ref text NOT NULL,
    intent_ref         text UNIQUE,
    charge_ref         text UNIQUE,
    attempts           integer NOT NULL DEFAULT 0,
    next_attempt_at    timestamptz,
    collect_until      timestamptz NOT NULL,                 -- end of the collection window
    submitted_at       timestamptz,
    settled_at         timestamptz,
    error_code         text NOT NULL DEFAULT '',
    decline_code       text NOT NULL DEFAULT '',
    alarmed_at         timestamptz,
    created_at         timestamptz NOT NULL DEFAULT busload_now(),
    UNIQUE (reference, purpose),
    CHECK (state NOT IN ('succeeded', 'disputed', 'won', 'lost') OR (intent_ref IS NOT NULL AND settled_at IS NOT NULL))
);
CREATE INDEX payments_unsettled ON payments (state, submitted_at) WHERE state IN ('submitting', 'unknown');
CREATE INDEX payments_due ON payments (next_attempt_at) WHERE state IN ('due', 'retryable', 'needs_action');

INSERT INTO state_transitions VALUES
    ('payment', '', 'due'), ('payment', 'due', 'submitting'),
    ('payment', 'submitting', 'succeeded'), ('payment', 'submitting', 'needs_action'), ('payment', 'submitting', 'retryable'),
    ('payment', 'submitting', 'unknown'),
    ('payment', 'unknown', 'succeeded'), ('payment', 'unknown', 'needs_action'), ('payment', 'unknown', 'retryable'),
    ('payment', 'unknown', 'submitting'),
    ('payment', 'needs_action', 'submitting'), ('payment', 'needs_action', 'succeeded'), ('payment', 'needs_action', 'abandoned'),
    ('payment', 'retryable', 'submitting'), ('payment', 'retryable', 'succeeded'), ('payment', 'retryable', 'abandoned'),
    ('payment', 'due', 'void'), ('payment', 'needs_action', 'void'), ('payment', 'retryable', 'void'),
    ('payment', 'succeeded', 'disputed'), ('payment', 'disputed', 'won'), ('payment', 'disputed', 'lost');
SELECT keep_machine('payments', 'payment');

-- Stored before each call to Stripe, finished after it: what was tried is known even when nobody answered.
CREATE TABLE payment_attempts (
    id              uuid PRIMARY KEY DEFAULT uuidv7(),
    payment_id      uuid NOT NULL REFERENCES payments,
    number          integer NOT NULL,
    idempotency_key text NOT NULL UNIQUE,
    started_at      timestamptz NOT NULL DEFAULT busload_now(),
    finished_at     timestamptz,
    outcome         text NOT NULL DEFAULT '',
    UNIQUE (payment_id, number)
);

CREATE TABLE refunds (
    id           uuid PRIMARY KEY DEFAULT uuidv7(),
    payment_id   uuid NOT NULL REFERENCES payments,
    reason       text NOT NULL CHECK (reason ~ '^(credit_back|ladder|cancellation|unseated|free_exit|change-[0-9]{1,3})$'),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency     text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    state        text NOT NULL CHECK (state IN ('due', 'submitting', 'succeeded', 'failed', 'unknown')),
    refund_ref   text UNIQUE,
    submitted_at timestamptz,
    settled_at   timestamptz,
    attempts     integer NOT NULL DEFAULT 0,
    error_code   text NOT NULL DEFAULT '',
    alarmed_at   timestamptz,
    created_at   timestamptz NOT NULL DEFAULT busload_now(),
    UNIQUE (payment_id, reason)
);
INSERT INTO state_transitions VALUES
    ('refund', '', 'due'), ('refund', 'due', 'submitting'), ('refund', 'submitting', 'succeeded'), ('refund', 'submitting', 'failed'),
    ('refund', 'submitting', 'unknown'), ('refund', 'unknown', 'succeeded'), ('refund', 'unknown', 'failed'),
    ('refund', 'unknown', 'submitting'), ('refund', 'failed', 'submitting');
SELECT keep_machine('refunds', 'refund');

CREATE FUNCTION guard_refund_sum() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM payments WHERE id = NEW.payment_id FOR UPDATE;
    IF (SELECT sum(amount_minor) FROM refunds WHERE payment_id = NEW.payment_id)
        > (SELECT amount_minor FROM payments WHERE id = NEW.payment_id) THEN
        RAISE EXCEPTION 'refunds exceed the charge' USING ERRCODE = 'check_violation', CONSTRAINT = 'refunds_within_charge';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER within_charge AFTER INSERT ON refunds FOR EACH ROW EXECUTE FUNCTION guard_refund_sum();

-- Double entry, append-only, integer minor units: debit positive, credit negative, zero per transaction and currency.
CREATE TABLE ledger_accounts (
    code  text PRIMARY KEY,                                  -- 'stripe:clearing', 'event:<id>:fares', 'house:subsidy', ...
    kind  text NOT NULL CHECK (kind IN ('asset', 'liability', 'income', 'expense')),
    title text NOT NULL
);
CREATE TABLE ledger_transactions (
    id           uuid PRIMARY KEY DEFAULT uuidv7(),
    posted_at    timestamptz NOT NULL DEFAULT busload_now(),
    kind         text NOT NULL,
    cause        uuid NOT NULL,                              -- the payment, refund or transfer that moved the money
    external_ref text,                                       -- the Stripe object that shows the same movement
    UNIQUE (kind, cause)
);
CREATE TABLE ledger_entries (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id uuid NOT NULL REFERENCES ledger_transactions,
    account        text NOT NULL REFERENCES ledger_accounts,
    book           text NOT NULL,
    amount_minor   bigint NOT NULL CHECK (amount_minor <> 0),
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$')
);
CREATE INDEX ledger_entries_transaction ON ledger_entries (transaction_id);
CREATE INDEX ledger_entries_book ON ledger_entries (book, account, currency);
INSERT INTO ledger_accounts VALUES
    ('stripe:clearing', 'asset', 'Money at Stripe'),
    ('riders:fares', 'liability', 'Fares held for riders until the trip has run'),
    ('operators:payable', 'liability', 'Hire owed to operators'),
    ('partners:payable', 'liability', 'Share owed to partners'),
    ('house:fees', 'income', 'Our fee'),
    ('house:subsidy', 'expense', 'What we add when fares do not carry a plan'),
    ('house:stripe_fees', 'expense', 'Stripe''s fees'),
    ('house:disputes', 'expense', 'Lost disputes');

CREATE FUNCTION guard_ledger_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM ledger_entries WHERE transaction_id = NEW.transaction_id
               GROUP BY currency HAVING sum(amount_minor) <> 0) THEN
        RAISE EXCEPTION 'ledger transaction % does not balance', NEW.transaction_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balances';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER balances AFTER INSERT ON ledger_entries DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION guard_ledger_balance();
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_transactions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Webhooks answer first and work later: stored by event id before the 2xx.
CREATE TABLE stripe_events (
    id           text PRIMARY KEY,
    type         text NOT NULL,
    object_ref   text NOT NULL,
    created_at   timestamptz NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT busload_now(),
    polled       boolean NOT NULL,                           -- seen by the poller, which reads on from the newest of these
    settled_at   timestamptz
);
CREATE INDEX stripe_events_open ON stripe_events (received_at) WHERE settled_at IS NULL;
