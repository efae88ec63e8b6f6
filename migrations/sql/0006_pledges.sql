-- Pledges: conditional, card-backed commitments of a party. A party is never split.
CREATE TABLE terms (
    version      text PRIMARY KEY,
    body         text NOT NULL,
    mandate      text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT busload_now()
);
INSERT INTO terms (version, body, mandate) VALUES ('2026-11',
    'You pay only if this trip is confirmed by its deadline. Until it is confirmed you may withdraw free of charge. Once it is confirmed your card is charged and the trip runs; if we cannot carry you, you get everything back.',
    'I allow Busload to charge the saved card once, up to the amount shown, if and when this trip is confirmed.');

CREATE TABLE pledges (
    id                uuid PRIMARY KEY DEFAULT uuidv7(),
    public_code       text NOT NULL UNIQUE,
    trip_id           uuid NOT NULL,
    event_id          uuid NOT NULL,
    stop_id           uuid NOT NULL,
    account_id        uuid REFERENCES accounts,
    name              text NOT NULL,
    email             citext NOT NULL,
    email_normalised  text NOT NULL,
    phone             text NOT NULL DEFAULT '',
    needs             text NOT NULL DEFAULT '',
    locale            text NOT NULL DEFAULT 'en',
    seats             integer NOT NULL CHECK (seats BETWEEN 0 AND 8),
    wheelchairs       integer NOT NULL CHECK (wheelchairs BETWEEN 0 AND 8),
    people            integer NOT NULL GENERATED ALWAYS AS (seats + wheelchairs) STORED,
    legs              text[] NOT NULL CHECK (legs IN ('{outbound}', '{return}', '{outbound,return}')),
    price_minor       bigint NOT NULL CHECK (price_minor > 0),     -- per person, the most the rider agreed to
    amount_minor      bigint NOT NULL,
    currency          text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    terms_version     text NOT NULL REFERENCES terms,
    terms_shown_at    timestamptz NOT NULL,
    state             text NOT NULL CHECK (state IN ('pending_card', 'active', 'confirmed', 'paid', 'travelled', 'no_show',
        'lapsed', 'refused', 'withdrawn', 'released', 'dropped', 'refunded')),
    manage_token_hash bytea NOT NULL UNIQUE,
    hold_expires_at   timestamptz,
    setup_session_ref text UNIQUE,
    card_url          text,
    customer_ref      text,
    payment_method_ref text,
    card_fingerprint  text,
    card_label        text NOT NULL DEFAULT '',                    -- 'Visa 4242', nothing more is known here
    free_exit_until   timestamptz,                                 -- set when the event moves
    partner_key_id    uuid,                                        -- which widget brought it
    created_at        timestamptz NOT NULL DEFAULT busload_now(),
    CHECK (amount_minor = price_minor * (seats + wheelchairs)),
    CHECK (seats + wheelchairs BETWEEN 1 AND 8),
    CHECK (state <> 'pending_card' OR hold_expires_at IS NOT NULL),
    CHECK (state NOT IN ('active', 'confirmed', 'paid') OR (customer_ref IS NOT NULL AND payment_method_ref IS NOT NULL)),
    FOREIGN KEY (trip_id, event_id) REFERENCES trips (id, event_id),
    FOREIGN KEY (stop_id, event_id) REFERENCES stops (id, event_id)
);
CREATE UNIQUE INDEX pledges_one_live ON pledges (trip_id, email_normalised)
    WHERE state IN ('pending_card', 'active', 'confirmed', 'paid');
CREATE INDEX pledges_trip ON pledges (trip_id, state);
CREATE INDEX pledges_event ON pledges (event_id, state);
CREATE INDEX pledges_account ON pledges (account_id) WHERE account_id IS NOT NULL;
CREATE INDEX pledges_fingerprint ON pledges (card_fingerprint, trip_id) WHERE card_fingerprint IS NOT NULL;
ALTER TABLE confirmations ADD FOREIGN KEY (pledge_id) REFERENCES pledges;

INSERT INTO state_transitions VALUES
    ('pledge', '', 'pending_card'), ('pledge', '', 'active'), ('pledge', '', 'confirmed'),
    ('pledge', 'pending_card', 'active'), ('pledge', 'pending_card', 'confirmed'), ('pledge', 'active', 'confirmed'),
    ('pledge', 'confirmed', 'paid'), ('pledge', 'paid', 'travelled'), ('pledge', 'paid', 'no_show'),
    ('pledge', 'pending_card', 'lapsed'), ('pledge', 'pending_card', 'refused'), ('pledge', 'pending_card', 'withdrawn'),
    ('pledge', 'lapsed', 'active'), ('pledge', 'lapsed', 'confirmed'),
    ('pledge', 'active', 'withdrawn'), ('pledge', 'pending_card', 'released'), ('pledge', 'active', 'released'),
    ('pledge', 'confirmed', 'released'), ('pledge', 'confirmed', 'dropped'), ('pledge', 'paid', 'refunded');
SELECT keep_machine('pledges', 'pledge');

-- A signed-in rider's card, kept for the next pledge.
CREATE TABLE saved_cards (
    account_id         uuid PRIMARY KEY REFERENCES accounts,
    customer_ref       text NOT NULL,
    payment_method_ref text NOT NULL,
    card_fingerprint   text,
    card_label         text NOT NULL,
    saved_at           timestamptz NOT NULL DEFAULT busload_now()
);

-- A rider's change of seats or legs after the charge: what it was before, and the payment that carries the difference.
CREATE TABLE pledge_changes (
    pledge_id    uuid NOT NULL REFERENCES pledges,
    number       integer NOT NULL CHECK (number >= 1),
    seats        integer NOT NULL,
    wheelchairs  integer NOT NULL,
    legs         text[] NOT NULL,
    price_minor  bigint NOT NULL,
    changed_at   timestamptz NOT NULL DEFAULT busload_now(),
    reverted_at  timestamptz,
    PRIMARY KEY (pledge_id, number)
);
