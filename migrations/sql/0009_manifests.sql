-- What the driver works from, the passes people show, what happened on the day.
CREATE TABLE manifests (
    id         uuid PRIMARY KEY DEFAULT uuidv7(),
    duty_id    uuid NOT NULL REFERENCES duties,
    offer_id   uuid NOT NULL REFERENCES offers,
    version    integer NOT NULL CHECK (version >= 1),
    document   jsonb NOT NULL,
    cause      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT busload_now(),
    UNIQUE (duty_id, version)
);
CREATE TRIGGER manifests_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON manifests
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Which version drivers work from; closed once the bus has left its last outbound stop, ended when it is back.
CREATE TABLE current_manifests (
    duty_id     uuid PRIMARY KEY REFERENCES duties,
    manifest_id uuid NOT NULL UNIQUE REFERENCES manifests,
    closed_at   timestamptz,
    ended_at    timestamptz CHECK (ended_at IS NULL OR closed_at IS NOT NULL)
);

CREATE TABLE manifest_people (
    manifest_id uuid NOT NULL REFERENCES manifests,
    pledge_id   uuid NOT NULL REFERENCES pledges,
    leg         text NOT NULL CHECK (leg IN ('outbound', 'return')),
    stop_id     uuid NOT NULL REFERENCES stops,
    seats       integer NOT NULL CHECK (seats >= 0),
    wheelchairs integer NOT NULL CHECK (wheelchairs >= 0),
    PRIMARY KEY (manifest_id, pledge_id, leg)
);
CREATE INDEX manifest_people_pledge ON manifest_people (pledge_id);
CREATE TRIGGER manifest_people_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON manifest_people
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The public halves of the keys that ever signed passes: phones accept all that are not retired, so that a new secret
-- leaves passes already shown valid.
CREATE TABLE pass_keys (
    key_id     text PRIMARY KEY,
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    created_at timestamptz NOT NULL DEFAULT busload_now(),
    retired_at timestamptz
);

-- What a pass states. The signed token is made from it when it is shown, and rests nowhere.
CREATE TABLE boarding_passes (
    id          uuid PRIMARY KEY DEFAULT uuidv7(),
    pledge_id   uuid NOT NULL REFERENCES pledges,
    person      integer NOT NULL CHECK (person BETWEEN 1 AND 8),
    leg         text NOT NULL CHECK (leg IN ('outbound', 'return')),
    duty_id     uuid NOT NULL REFERENCES duties,
    valid_from  timestamptz NOT NULL,
    valid_until timestamptz NOT NULL CHECK (valid_from < valid_until),
    issued_at   timestamptz NOT NULL DEFAULT busload_now(),
    revoked_at  timestamptz
);
CREATE UNIQUE INDEX boarding_passes_live ON boarding_passes (pledge_id, person, leg) WHERE revoked_at IS NULL;
CREATE INDEX boarding_passes_duty ON boarding_passes (duty_id);

CREATE TABLE check_ins (
    id          uuid PRIMARY KEY,                            -- chosen by the driver's phone: a repeated sync is the same row
    pledge_id   uuid NOT NULL REFERENCES pledges,
    person      integer NOT NULL CHECK (person BETWEEN 1 AND 8),
    leg         text NOT NULL CHECK (leg IN ('outbound', 'return')),
    duty_id     uuid NOT NULL REFERENCES duties,
    method      text NOT NULL CHECK (method IN ('pass', 'name')),
    checked_at  timestamptz NOT NULL,                        -- the phone's clock
    recorded_at timestamptz NOT NULL DEFAULT busload_now(),
    conflicts_with uuid REFERENCES check_ins                 -- a second scan of the same person and leg: kept and shown
);
CREATE UNIQUE INDEX check_ins_once ON check_ins (pledge_id, person, leg) WHERE conflicts_with IS NULL;
CREATE INDEX check_ins_duty ON check_ins (duty_id);
CREATE INDEX check_ins_pledge ON check_ins (pledge_id);

CREATE TABLE positions (
    duty_id     uuid NOT NULL REFERENCES duties,
    at          timestamptz NOT NULL,
    lat         double precision NOT NULL CHECK (lat BETWEEN -90 AND 90),
    lon         double precision NOT NULL CHECK (lon BETWEEN -180 AND 180),
    accuracy_m  double precision NOT NULL CHECK (accuracy_m >= 0),
    recorded_at timestamptz NOT NULL DEFAULT busload_now(),
    PRIMARY KEY (duty_id, at)
);
CREATE INDEX positions_at ON positions (at);                 -- the purge

CREATE TABLE incidents (
    id          uuid PRIMARY KEY DEFAULT uuidv7(),
    public_code text NOT NULL UNIQUE,
    event_id    uuid NOT NULL REFERENCES events,
    duty_id     uuid REFERENCES duties,
    kind        text NOT NULL CHECK (kind IN ('unseated', 'operator_pulled_out', 'no_plan', 'late', 'breakdown', 'accident', 'cancelled',
        'event_moved', 'payment_stuck', 'other')),
    summary     text NOT NULL,                               -- plain words, no personal data
    state       text NOT NULL CHECK (state IN ('open', 'resolved')),
    opened_at   timestamptz NOT NULL DEFAULT busload_now(),
    resolved_at timestamptz
);
CREATE INDEX incidents_duty ON incidents (duty_id);
CREATE INDEX incidents_event ON incidents (event_id);
CREATE TABLE incident_pledges (
    incident_id uuid NOT NULL REFERENCES incidents,
    pledge_id   uuid NOT NULL REFERENCES pledges,
    PRIMARY KEY (incident_id, pledge_id)
);
CREATE INDEX incident_pledges_pledge ON incident_pledges (pledge_id);
INSERT INTO state_transitions VALUES ('incident', '', 'open'), ('incident', 'open', 'resolved');
SELECT keep_machine('incidents', 'incident');
