-- Disputes, refunds that fail later, reconciliation.
INSERT INTO ledger_accounts VALUES
    ('stripe:disputed', 'asset', 'Withdrawn by a rider''s bank until it has decided'),
    ('house:bank', 'asset', 'At our own bank: what Stripe paid to it, less what we brought to Stripe');
UPDATE ledger_accounts SET title = 'Lost disputes and dispute fees' WHERE code = 'house:disputes';
CREATE INDEX ledger_transactions_external ON ledger_transactions (external_ref) WHERE external_ref IS NOT NULL;
CREATE INDEX ledger_entries_pages ON ledger_entries (book, id);
CREATE INDEX payments_by_book ON payments (book, id);

-- A charge contested at the rider's bank. What Stripe says of it is fetched; this is what we did about it.
CREATE TABLE disputes (
    id              uuid PRIMARY KEY DEFAULT uuidv7(),
    payment_id      uuid NOT NULL REFERENCES payments,
    dispute_ref     text NOT NULL UNIQUE,
    charge_ref      text NOT NULL,
    amount_minor    bigint NOT NULL CHECK (amount_minor >= 0),   -- 0: the charge had gone back in full before
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    reason          text NOT NULL,
    state           text NOT NULL CHECK (state IN ('open', 'submitting', 'unknown', 'under_review', 'won', 'lost')),
    evidence_due_at timestamptz,
    note            text NOT NULL DEFAULT '' CHECK (length(note) <= 10000),
    evidence        jsonb NOT NULL DEFAULT '{}',                 -- what was sent, stored before the call
    attempts        integer NOT NULL DEFAULT 0,
    submitted_at    timestamptz,
    submitted_by    text NOT NULL DEFAULT '',
    error_code      text NOT NULL DEFAULT '',
    alarmed_at      timestamptz,
    closed_at       timestamptz,
    opened_at       timestamptz NOT NULL DEFAULT busload_now(),
    CHECK (state NOT IN ('submitting', 'unknown') OR submitted_at IS NOT NULL)
);
CREATE INDEX disputes_payment ON disputes (payment_id);
INSERT INTO state_transitions VALUES
    ('dispute', '', 'open'),
    ('dispute', 'open', 'submitting'), ('dispute', 'open', 'under_review'), ('dispute', 'open', 'won'), ('dispute', 'open', 'lost'),
    ('dispute', 'submitting', 'under_review'), ('dispute', 'submitting', 'unknown'), ('dispute', 'submitting', 'open'),
    ('dispute', 'submitting', 'won'), ('dispute', 'submitting', 'lost'),
    ('dispute', 'unknown', 'under_review'), ('dispute', 'unknown', 'submitting'), ('dispute', 'unknown', 'open'),
    ('dispute', 'unknown', 'won'), ('dispute', 'unknown', 'lost'),
    ('dispute', 'under_review', 'won'), ('dispute', 'under_review', 'lost');
SELECT keep_machine('disputes', 'dispute');

-- A charge whose dispute was won may be disputed once more.
INSERT INTO state_transitions VALUES ('payment', 'won', 'disputed');

-- A refund that went through and came back days later: the rider's bank would not take it. Sent again it is another refund at Stripe.
INSERT INTO state_transitions VALUES ('refund', 'succeeded', 'failed');
ALTER TABLE refunds
    ADD COLUMN held_by uuid REFERENCES disputes,                 -- not sent while the bank decides; never when it gave the money back
    ADD COLUMN sending integer NOT NULL DEFAULT 1,               -- counted up when a failed one is sent again: another key at Stripe
    ADD COLUMN send_again boolean NOT NULL DEFAULT false,        -- an organiser wants a failed one sent once more
    ADD COLUMN elsewhere_at timestamptz,                         -- the rider has the money by another way: it is never sent any more
    ADD COLUMN elsewhere_note text NOT NULL DEFAULT '',
    ADD CONSTRAINT refunds_elsewhere CHECK (elsewhere_at IS NULL
        OR (elsewhere_note <> '' AND NOT send_again AND (state = 'failed' OR (state = 'due' AND held_by IS NOT NULL))));
CREATE TABLE refund_failures (
    id           uuid PRIMARY KEY DEFAULT uuidv7(),              -- the cause of the movement that takes the refund back
    refund_id    uuid NOT NULL REFERENCES refunds,
    refund_ref   text NOT NULL UNIQUE,
    reason       text NOT NULL,
    failed_at    timestamptz NOT NULL DEFAULT busload_now()
);
CREATE INDEX refund_failures_refund ON refund_failures (refund_id);
CREATE TRIGGER refund_failures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refund_failures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Whoever makes a refund due: one for a charge that is disputed (or whose dispute was lost) is held from its first moment.
CREATE FUNCTION hold_refund() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.held_by := (SELECT d.id FROM disputes d WHERE d.payment_id = NEW.payment_id AND d.state <> 'won' ORDER BY d.id DESC LIMIT 1);
    RETURN NEW;
END $$;
CREATE TRIGGER hold BEFORE INSERT ON refunds FOR EACH ROW EXECUTE FUNCTION hold_refund();

-- Every comparison of the ledger with Stripe's balance transactions; one that never finished has no finished_at.
CREATE TABLE reconciliations (
    id          uuid PRIMARY KEY DEFAULT uuidv7(),
    started_at  timestamptz NOT NULL DEFAULT busload_now(),
    finished_at timestamptz,
    since       timestamptz,
    movements   integer NOT NULL DEFAULT 0,                      -- balance transactions that Stripe listed
    matched     integer NOT NULL DEFAULT 0,
    findings    jsonb NOT NULL DEFAULT '[]',
    in_flight   jsonb NOT NULL DEFAULT '[]'
);
CREATE INDEX reconciliations_started ON reconciliations (started_at DESC);
