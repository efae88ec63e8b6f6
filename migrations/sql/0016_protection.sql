-- Protection: passkeys, rate limits, velocity hold, erasure.

-- A passkey signs its owner in by a signature over our challenge; only its public half is here.
CREATE TABLE passkeys (
    id            uuid PRIMARY KEY DEFAULT uuidv7(),
    account_id    uuid NOT NULL REFERENCES accounts,
    credential_id bytea NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023),
    public_key    bytea NOT NULL,
    sign_count    bigint NOT NULL DEFAULT 0 CHECK (sign_count >= 0),
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    is_synced     boolean NOT NULL,                          -- the maker of the phone or browser keeps a copy
    created_at    timestamptz NOT NULL DEFAULT busload_now(),
    last_used_at  timestamptz
);
CREATE INDEX passkeys_account ON passkeys (account_id);

-- What a browser was asked to sign: used once, for one purpose, in the browser that asked.
CREATE TABLE passkey_challenges (
    challenge_hash bytea PRIMARY KEY,
    browser_hash   bytea NOT NULL,
    account_id     uuid REFERENCES accounts,                 -- whose new passkey; NULL to sign in
    expires_at     timestamptz NOT NULL
);
CREATE INDEX passkey_challenges_old ON passkey_challenges (expires_at);

CREATE INDEX sessions_account ON sessions (account_id);
ALTER TABLE sessions ADD COLUMN opened_with text NOT NULL DEFAULT 'link' CHECK (opened_with IN ('link', 'passkey', 'door'));

-- Counters that all web processes share. Lost in a crash, which does no harm; `who` is a keyed hash of an address or an account.
CREATE UNLOGGED TABLE rate_counters (
    policy     text NOT NULL,
    who        bytea NOT NULL,
    window_end timestamptz NOT NULL,
    used       integer NOT NULL,
    PRIMARY KEY (policy, who)
);
CREATE INDEX rate_counters_old ON rate_counters (window_end);

-- Somebody wants to be forgotten: confirmed by a mailed link, done at once or when nothing needs the data any more.
CREATE TABLE erasures (
    id           uuid PRIMARY KEY DEFAULT uuidv7(),
    email        citext NOT NULL,                            -- itself erased when it is done
    asked_by     text NOT NULL CHECK (asked_by IN ('account', 'pledge', 'organiser')),
    state        text NOT NULL CHECK (state IN ('asked', 'confirmed', 'done', 'lapsed')),
    asked_at     timestamptz NOT NULL DEFAULT busload_now(),
    link_expires_at timestamptz NOT NULL,
    confirmed_at timestamptz,
    done_at      timestamptz,
    CHECK (state NOT IN ('done', 'lapsed') OR email LIKE '%@erased.invalid')
);
CREATE INDEX erasures_open ON erasures (email) WHERE state IN ('asked', 'confirmed');
INSERT INTO state_transitions VALUES
    ('erasure', '', 'asked'), ('erasure', '', 'confirmed'), ('erasure', 'asked', 'confirmed'), ('erasure', 'asked', 'lapsed'), ('erasure', 'confirmed', 'done');
SELECT keep_machine('erasures', 'erasure');
ALTER TABLE pledges ADD COLUMN erased_at timestamptz;

-- What the law makes us keep of an erased rider who has paid or travelled, apart from everything that pages read.
CREATE TABLE legal_retention (
    id         uuid PRIMARY KEY DEFAULT uuidv7(),
    subject_id uuid NOT NULL UNIQUE REFERENCES pledges,
    document   jsonb NOT NULL,
    stored_at  timestamptz NOT NULL DEFAULT busload_now(),
    keep_until timestamptz NOT NULL
);
CREATE INDEX legal_retention_old ON legal_retention (keep_until);

-- A pledge that looks like fake demand: it holds its seats and counts for nothing until an organiser has looked at it.
ALTER TABLE pledges ADD COLUMN held_for_review_at timestamptz, ADD COLUMN held_because text NOT NULL DEFAULT '',
    ADD COLUMN client_hash bytea;                            -- keyed hash of the network it came from, for this rule only
CREATE INDEX pledges_held ON pledges (event_id) WHERE held_for_review_at IS NOT NULL;
CREATE INDEX pledges_from ON pledges (trip_id, client_hash, created_at) WHERE client_hash IS NOT NULL;
ALTER TABLE events ADD COLUMN crowd_expected boolean NOT NULL DEFAULT false;  -- an organiser knows the crowd: nothing is held
