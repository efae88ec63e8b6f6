-- From frozen demand to accepted duties.
CREATE TABLE snapshots (
    id         uuid PRIMARY KEY DEFAULT uuidv7(),
    event_id   uuid NOT NULL REFERENCES events,
    scope      text NOT NULL CHECK (scope IN ('both', 'outbound', 'return')),
    round      integer NOT NULL CHECK (round >= 1),
    hash       bytea NOT NULL,                               -- SHA-256 of the problem's canonical JSON
    epoch_at   timestamptz NOT NULL,                         -- second 0 of the problem's own clock
    problem    jsonb NOT NULL,
    fixed      jsonb NOT NULL DEFAULT '[]',                  -- duty ids that were accepted when it was taken
    cause      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT busload_now(),
    UNIQUE (event_id, scope, round)
);

-- A (re-)plan is wanted and no snapshot has been taken for it yet; several wishes are one.
CREATE TABLE replans (
    event_id     uuid PRIMARY KEY REFERENCES events,
    cause        text NOT NULL CHECK (cause IN ('booking_close', 'declined', 'expired', 'pulled_out', 'superseded', 'organiser')),
    requested_at timestamptz NOT NULL DEFAULT busload_now()
);

CREATE TABLE plans (
    id          uuid PRIMARY KEY DEFAULT uuidv7(),
    event_id    uuid NOT NULL REFERENCES events,
    snapshot_id uuid NOT NULL UNIQUE REFERENCES snapshots,
    scope       text NOT NULL CHECK (scope IN ('both', 'outbound', 'return')),
    status      text NOT NULL CHECK (status IN ('optimal', 'feasible')),
    cost_minor  bigint NOT NULL CHECK (cost_minor >= 0),
    bound_minor bigint CHECK (bound_minor BETWEEN 0 AND cost_minor),
    seconds     double precision NOT NULL,
    document    jsonb NOT NULL,                              -- busload.plan/1 as the solver gave it
    is_current  boolean NOT NULL,
    needs_approval boolean NOT NULL DEFAULT false,           -- fares do not carry it: waits for an organiser
    shortfall_minor bigint NOT NULL DEFAULT 0 CHECK (shortfall_minor >= 0),
    approved_by uuid REFERENCES accounts,
    created_at  timestamptz NOT NULL DEFAULT busload_now()
);
CREATE UNIQUE INDEX plans_one_current ON plans (event_id, scope) WHERE is_current;

-- What one bus does. The same work in the next plan is the same row: fingerprint covers vehicle, timetable, riders and price.
CREATE TABLE duties (
    id          uuid PRIMARY KEY DEFAULT uuidv7(),
    public_code text NOT NULL UNIQUE,
    event_id    uuid NOT NULL REFERENCES events,
    scope       text NOT NULL,
    operator_id uuid NOT NULL REFERENCES operators,
    vehicle_id  uuid NOT NULL REFERENCES vehicles,
    fingerprint bytea NOT NULL,
    drivers_needed integer NOT NULL CHECK (drivers_needed IN (1, 2)),
    hire_minor  bigint NOT NULL CHECK (hire_minor >= 0),
    currency    text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    distance_m  bigint NOT NULL CHECK (distance_m >= 0),
    during      tstzrange NOT NULL CHECK (NOT isempty(during)),
    timetable   jsonb NOT NULL,                              -- model.Timetable: calls with place and time, both legs
    created_at  timestamptz NOT NULL DEFAULT busload_now(),
    UNIQUE (event_id, fingerprint)
);
CREATE TABLE plan_duties (
    plan_id uuid NOT NULL REFERENCES plans,
    duty_id uuid NOT NULL REFERENCES duties,
    PRIMARY KEY (plan_id, duty_id)
);
CREATE INDEX plan_duties_duty ON plan_duties (duty_id);
CREATE TABLE duty_parties (
    duty_id    uuid NOT NULL REFERENCES duties,
    pledge_id  uuid NOT NULL REFERENCES pledges,
    left_at    timestamptz,                                  -- refunded or moved after the duty was accepted
    PRIMARY KEY (duty_id, pledge_id)
);
CREATE INDEX duty_parties_pledge ON duty_parties (pledge_id);
CREATE TABLE unserved_parties (
    plan_id   uuid NOT NULL REFERENCES plans,
    pledge_id uuid NOT NULL REFERENCES pledges,
    reason    text NOT NULL,
    detail    text NOT NULL DEFAULT '',
    PRIMARY KEY (plan_id, pledge_id)
);

CREATE TABLE offers (
    id             uuid PRIMARY KEY DEFAULT uuidv7(),
    public_code    text NOT NULL UNIQUE,
    duty_id        uuid NOT NULL REFERENCES duties,
    event_id       uuid NOT NULL REFERENCES events,
    operator_id    uuid NOT NULL REFERENCES operators,
    vehicle_id     uuid NOT NULL REFERENCES vehicles,
    round          integer NOT NULL CHECK (round >= 1),
    price_minor    bigint NOT NULL CHECK (price_minor >= 0),
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    during         tstzrange NOT NULL,
    state          text NOT NULL CHECK (state IN ('proposed', 'sent', 'accepted', 'declined', 'expired', 'withdrawn', 'failed')),
    sent_at        timestamptz,
    expires_at     timestamptz,
    decided_at     timestamptz,
    decline_reason text CHECK (decline_reason IN ('busy', 'price', 'driver', 'vehicle', 'other')),
    decline_note   text NOT NULL DEFAULT '',
    token_hash     bytea UNIQUE,                             -- the one-click link of the mail
    created_at     timestamptz NOT NULL DEFAULT busload_now(),
    CONSTRAINT offers_vehicle_free EXCLUDE USING gist (vehicle_id WITH =, during WITH &&) WHERE (state = 'accepted'),
    CHECK (state IN ('proposed', 'withdrawn') OR (sent_at IS NOT NULL AND expires_at IS NOT NULL))
);
CREATE UNIQUE INDEX offers_one_live ON offers (duty_id) WHERE state IN ('proposed', 'sent', 'accepted');
CREATE INDEX offers_operator ON offers (operator_id, state);
CREATE INDEX offers_event ON offers (event_id, state);
INSERT INTO state_transitions VALUES
    ('offer', '', 'proposed'), ('offer', 'proposed', 'sent'), ('offer', 'proposed', 'withdrawn'), ('offer', 'sent', 'accepted'),
    ('offer', 'sent', 'declined'), ('offer', 'sent', 'expired'), ('offer', 'sent', 'withdrawn'), ('offer', 'accepted', 'failed'),
    ('offer', 'accepted', 'withdrawn');
SELECT keep_machine('offers', 'offer');

-- A driver is on one duty at a time; the link opens this duty and nothing else.
CREATE TABLE duty_drivers (
    duty_id      uuid NOT NULL REFERENCES duties,
    driver_id    uuid NOT NULL REFERENCES drivers,
    seat         integer NOT NULL CHECK (seat IN (1, 2)),    -- first or second driver
    during       tstzrange NOT NULL,
    token_hash   bytea NOT NULL,
    link_expires_at timestamptz NOT NULL,
    assigned_at  timestamptz NOT NULL DEFAULT busload_now(),
    ended_at     timestamptz,
    PRIMARY KEY (duty_id, driver_id, assigned_at),
    CONSTRAINT drivers_free EXCLUDE USING gist (driver_id WITH =, during WITH &&) WHERE (ended_at IS NULL)
);
CREATE UNIQUE INDEX duty_drivers_seat ON duty_drivers (duty_id, seat) WHERE ended_at IS NULL;
-- A driver taken off and put back on the same duty gets the same link again; only one row of it opens.
CREATE UNIQUE INDEX duty_drivers_link ON duty_drivers (token_hash) WHERE ended_at IS NULL;
CREATE INDEX duty_drivers_past_links ON duty_drivers (token_hash);
