-- Partners, events, stops and trips.
CREATE TABLE partners (
    id          uuid PRIMARY KEY DEFAULT uuidv7(),
    public_code text NOT NULL UNIQUE,
    name        text NOT NULL CHECK (name <> ''),
    site_url    text NOT NULL DEFAULT '',
    email       citext NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT busload_now()
);
ALTER TABLE account_roles ADD FOREIGN KEY (partner_id) REFERENCES partners;

CREATE TABLE events (
    id                   uuid PRIMARY KEY DEFAULT uuidv7(),
    public_code          text NOT NULL UNIQUE,
    partner_id           uuid REFERENCES partners,
    name                 text NOT NULL CHECK (name <> ''),
    kind                 text NOT NULL CHECK (kind IN ('match', 'concert', 'festival', 'march', 'other')),
    summary              text NOT NULL DEFAULT '',
    venue_name           text NOT NULL CHECK (venue_name <> ''),
    address              text NOT NULL,
    lat                  double precision NOT NULL CHECK (lat BETWEEN -90 AND 90),
    lon                  double precision NOT NULL CHECK (lon BETWEEN -180 AND 180),
    zone                 text NOT NULL,
    currency             text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    starts_at            timestamptz NOT NULL,
    ends_at              timestamptz NOT NULL,
    arrive_by_at         timestamptz NOT NULL,
    return_departs_at    timestamptz NOT NULL,
    booking_closes_at    timestamptz NOT NULL,
    capacity_deadline_at timestamptz NOT NULL,
    fee_bp               integer NOT NULL CHECK (fee_bp BETWEEN 0 AND 10000),
    partner_share_bp     integer NOT NULL CHECK (partner_share_bp BETWEEN 0 AND 10000),
    max_stops            integer NOT NULL DEFAULT 6 CHECK (max_stops BETWEEN 1 AND 100),
    rider_minute_minor   bigint NOT NULL DEFAULT 0 CHECK (rider_minute_minor >= 0),
    contact_phone        text NOT NULL,                 -- the dispatcher on the day
    state                text NOT NULL DEFAULT 'scheduled' CHECK (state IN ('scheduled', 'cancelled')),
    terms_frozen_at      timestamptz,                   -- when its first trip opened
    booking_closed_at    timestamptz,
    sequence             integer NOT NULL DEFAULT 0,    -- iCalendar SEQUENCE
    created_at           timestamptz NOT NULL DEFAULT busload_now(),
    CHECK (starts_at < ends_at),
    CHECK (arrive_by_at <= starts_at AND arrive_by_at < return_departs_at),
    CHECK (booking_closes_at <= capacity_deadline_at AND capacity_deadline_at < arrive_by_at),
    CHECK (fee_bp + partner_share_bp <= 10000)
);
CREATE INDEX events_name ON events USING gin (name gin_trgm_ops);
CREATE INDEX events_place ON events USING gist (ll_to_earth(lat, lon));
INSERT INTO state_transitions VALUES ('event', '', 'scheduled'), ('event', 'scheduled', 'cancelled');
SELECT keep_machine('events', 'event');

CREATE TABLE stops (
    id          uuid PRIMARY KEY DEFAULT uuidv7(),
    public_code text NOT NULL UNIQUE,
    event_id    uuid NOT NULL REFERENCES events,
    name        text NOT NULL CHECK (name <> ''),
    address     text NOT NULL DEFAULT '',
    lat         double precision NOT NULL CHECK (lat BETWEEN -90 AND 90),
    lon         double precision NOT NULL CHECK (lon BETWEEN -180 AND 180),
    zone        text NOT NULL,
    dwell_s     integer NOT NULL DEFAULT 300 CHECK (dwell_s BETWEEN 0 AND 3600),
    max_ride_s  integer NOT NULL CHECK (max_ride_s > 0),
    state       text NOT NULL CHECK (state IN ('proposed', 'approved', 'rejected')),
    created_at  timestamptz NOT NULL DEFAULT busload_now(),
    UNIQUE (id, event_id)
);
CREATE INDEX stops_place ON stops USING gist (ll_to_earth(lat, lon));
INSERT INTO state_transitions VALUES ('stop', '', 'proposed'), ('stop', '', 'approved'), ('stop', 'proposed', 'approved'),
    ('stop', 'proposed', 'rejected'), ('stop', 'approved', 'rejected');
SELECT keep_machine('stops', 'stop');

CREATE TABLE trips (
    id                  uuid PRIMARY KEY DEFAULT uuidv7(),
    public_code         text NOT NULL UNIQUE,
    event_id            uuid NOT NULL REFERENCES events,
    origin              text NOT NULL CHECK (origin <> ''),
    origin_lat          double precision NOT NULL CHECK (origin_lat BETWEEN -90 AND 90),
    origin_lon          double precision NOT NULL CHECK (origin_lon BETWEEN -180 AND 180),
    zone                text NOT NULL,                         -- in which its deadline is shown
    price_both_minor    bigint NOT NULL CHECK (price_both_minor > 0),
    price_one_way_minor bigint CHECK (price_one_way_minor > 0),  -- null: sold as a round trip only
    tiers               jsonb NOT NULL DEFAULT '[]',           -- [[people, price_both_minor], ...], falling
    minimum             integer NOT NULL CHECK (minimum >= 1),
    cap                 integer NOT NULL,
    deadline_at         timestamptz NOT NULL,
    state               text NOT NULL DEFAULT 'draft' CHECK (state IN
        ('draft', 'open', 'confirmed', 'allocated', 'departed', 'completed', 'expired', 'cancelled')),
    secured             integer NOT NULL DEFAULT 0 CHECK (secured >= 0),
    held                integer NOT NULL DEFAULT 0 CHECK (held >= 0),
    opened_at           timestamptz,
    created_at          timestamptz NOT NULL DEFAULT busload_now(),
    CHECK (minimum <= cap),
    CONSTRAINT trips_cap CHECK (secured + held <= cap),
    UNIQUE (id, event_id)
);
CREATE INDEX trips_event ON trips (event_id);
INSERT INTO state_transitions VALUES
    ('trip', '', 'draft'), ('trip', 'draft', 'open'), ('trip', 'open', 'confirmed'), ('trip', 'confirmed', 'allocated'),
    ('trip', 'allocated', 'departed'), ('trip', 'departed', 'completed'), ('trip', 'open', 'expired'),
    ('trip', 'allocated', 'confirmed'), ('trip', 'draft', 'cancelled'), ('trip', 'open', 'cancelled'),
    ('trip', 'confirmed', 'cancelled'), ('trip', 'allocated', 'cancelled');
SELECT keep_machine('trips', 'trip');

CREATE TABLE trip_stops (
    trip_id  uuid NOT NULL,
    stop_id  uuid NOT NULL,
    event_id uuid NOT NULL,
    PRIMARY KEY (trip_id, stop_id),
    FOREIGN KEY (trip_id, event_id) REFERENCES trips (id, event_id),
    FOREIGN KEY (stop_id, event_id) REFERENCES stops (id, event_id)
);

-- Price, minimum, cap and deadline freeze when a trip opens: afterwards a deadline may only move later, a minimum only fall.
CREATE FUNCTION guard_open_trip() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'draft' AND (NEW.price_both_minor <> OLD.price_both_minor OR NEW.price_one_way_minor IS DISTINCT FROM OLD.price_one_way_minor
        OR NEW.tiers <> OLD.tiers OR NEW.cap <> OLD.cap OR NEW.minimum > OLD.minimum OR NEW.deadline_at < OLD.deadline_at) THEN
        RAISE EXCEPTION 'an open trip keeps its terms' USING ERRCODE = 'check_violation', CONSTRAINT = 'trips_terms_frozen';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER terms_frozen BEFORE UPDATE OF price_both_minor, price_one_way_minor, tiers, cap, minimum, deadline_at ON trips
    FOR EACH ROW EXECUTE FUNCTION guard_open_trip();

-- The promise to run: one row per trip for ever.
CREATE TABLE confirmations (
    trip_id     uuid PRIMARY KEY REFERENCES trips,
    pledge_id   uuid,                       -- the one that tipped it; null when lowering the minimum did
    secured     integer NOT NULL,
    minimum     integer NOT NULL,
    deadline_at timestamptz NOT NULL,
    decided_at  timestamptz NOT NULL,
    CHECK (secured >= minimum),
    CHECK (decided_at <= deadline_at)
);
CREATE TRIGGER confirmations_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON confirmations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
