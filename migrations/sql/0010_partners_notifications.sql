-- Partners' keys and webhooks; mails to everyone.
CREATE TABLE api_keys (
    id          uuid PRIMARY KEY DEFAULT uuidv7(),
    partner_id  uuid NOT NULL REFERENCES partners,
    public_key  text NOT NULL UNIQUE,                        -- stands in the partner's page: opens public trips, from its origins only
    origins     text[] NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT busload_now(),
    revoked_at  timestamptz
);
ALTER TABLE pledges ADD FOREIGN KEY (partner_key_id) REFERENCES api_keys;

CREATE TABLE webhook_endpoints (
    id          uuid PRIMARY KEY DEFAULT uuidv7(),
    partner_id  uuid NOT NULL REFERENCES partners,
    url         text NOT NULL CHECK (url ~ '^https?://'),
    secret      text NOT NULL,                               -- signing secret (Standard Webhooks), needed in clear to sign
    created_at  timestamptz NOT NULL DEFAULT busload_now(),
    disabled_at timestamptz,
    disabled_reason text NOT NULL DEFAULT ''
);
CREATE TABLE webhook_deliveries (
    id              uuid PRIMARY KEY DEFAULT uuidv7(),
    endpoint_id     uuid NOT NULL REFERENCES webhook_endpoints,
    message_id      text NOT NULL,                           -- webhook-id: the same on every try
    type            text NOT NULL,
    body            text NOT NULL,
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    tries           integer NOT NULL DEFAULT 0,
    next_try_at     timestamptz,
    last_status     integer,
    last_error      text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT busload_now(),
    delivered_at    timestamptz,
    UNIQUE (endpoint_id, message_id)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_try_at) WHERE state = 'pending';

CREATE TABLE mails (
    id         uuid PRIMARY KEY DEFAULT uuidv7(),
    dedupe_key text NOT NULL UNIQUE,                         -- the same news is told once
    recipient  citext NOT NULL,
    template   text NOT NULL,                                -- rendered when sent, so that no link token rests here
    locale     text NOT NULL DEFAULT 'en',
    data       jsonb NOT NULL,
    subject_id uuid,                                         -- the pledge, offer or duty it is about
    created_at timestamptz NOT NULL DEFAULT busload_now(),
    sent_at    timestamptz,
    tries      integer NOT NULL DEFAULT 0,
    last_error text NOT NULL DEFAULT ''
);
CREATE INDEX mails_unsent ON mails (created_at) WHERE sent_at IS NULL;
CREATE INDEX mails_subject ON mails (subject_id);
