-- Operators, their vehicles, prices, calendar and drivers; driver-hours rules as data.
CREATE TABLE driver_rules (
    name             text PRIMARY KEY,
    max_driving_s    integer NOT NULL CHECK (max_driving_s > 0),
    max_spread_s     integer NOT NULL CHECK (max_spread_s > 0),
    max_driving_2_s  integer NOT NULL CHECK (max_driving_2_s > 0),
    max_spread_2_s   integer NOT NULL CHECK (max_spread_2_s > 0),
    break_after_s    integer NOT NULL CHECK (break_after_s > 0),
    break_s          integer NOT NULL CHECK (break_s >= 0),
    source           text NOT NULL
);
INSERT INTO driver_rules VALUES
    ('eu-561', 32400, 46800, 64800, 75600, 16200, 2700,
     'Regulation (EC) 561/2006 arts 6(1), 7, 8; two-driver figures are planning assumptions'),
    ('us-fmcsa-395.5', 36000, 54000, 72000, 86400, 86400, 0,
     '49 CFR 395.5(a): 10 h driving, 15 h on duty; no break rule for passenger carriers; two-driver figures are planning assumptions');

CREATE TABLE operators (
    id                   uuid PRIMARY KEY DEFAULT uuidv7(),
    public_code          text NOT NULL UNIQUE,
    name                 text NOT NULL CHECK (name <> ''),
    country              text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    email                citext NOT NULL,
    phone                text NOT NULL,
    licence_number       text NOT NULL,
    licence_expires_on   date NOT NULL,
    insurance_expires_on date NOT NULL,
    connect_ref          text UNIQUE,
    created_at           timestamptz NOT NULL DEFAULT busload_now()
);
ALTER TABLE account_roles ADD FOREIGN KEY (operator_id) REFERENCES operators;

CREATE TABLE depots (
    id          uuid PRIMARY KEY DEFAULT uuidv7(),
    operator_id uuid NOT NULL REFERENCES operators,
    name        text NOT NULL,
    lat         double precision NOT NULL CHECK (lat BETWEEN -90 AND 90),
    lon         double precision NOT NULL CHECK (lon BETWEEN -180 AND 180),
    UNIQUE (id, operator_id)
);

CREATE TABLE vehicles (
    id                uuid PRIMARY KEY DEFAULT uuidv7(),
    operator_id       uuid NOT NULL REFERENCES operators,
    depot_id          uuid NOT NULL,
    plate             text NOT NULL,
    name              text NOT NULL,
    seats             integer NOT NULL CHECK (seats BETWEEN 1 AND 150),
    wheelchair_places integer NOT NULL CHECK (wheelchair_places BETWEEN 0 AND 20),
    rules             text NOT NULL REFERENCES driver_rules,
    in_service        boolean NOT NULL DEFAULT true,
    UNIQUE (operator_id, plate),
    FOREIGN KEY (depot_id, operator_id) REFERENCES depots (id, operator_id)
);

-- Hire price of a vehicle from a day on; money in minor units of the currency.
CREATE TABLE rate_cards (
    id                  uuid PRIMARY KEY DEFAULT uuidv7(),
    vehicle_id          uuid NOT NULL REFERENCES vehicles,
    currency            text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    valid_from          date NOT NULL,
    call_out_minor      bigint NOT NULL CHECK (call_out_minor >= 0),
    per_km_minor        bigint NOT NULL CHECK (per_km_minor >= 0),
    per_h_minor         bigint NOT NULL CHECK (per_h_minor >= 0),
    standby_per_h_minor bigint NOT NULL CHECK (standby_per_h_minor >= 0),
    minimum_minor       bigint NOT NULL CHECK (minimum_minor >= 0),
    second_driver_minor bigint NOT NULL CHECK (second_driver_minor >= 0),
    UNIQUE (vehicle_id, currency, valid_from)
);

-- Spans in which a vehicle is offered for hire, or blocked (busy elsewhere, in the workshop).
CREATE TABLE availability (
    id         uuid PRIMARY KEY DEFAULT uuidv7(),
    vehicle_id uuid NOT NULL REFERENCES vehicles,
    kind       text NOT NULL CHECK (kind IN ('available', 'blocked')),
    during     tstzrange NOT NULL CHECK (NOT isempty(during) AND NOT lower_inf(during) AND NOT upper_inf(during)),
    note       text NOT NULL DEFAULT ''
);
CREATE INDEX availability_vehicle ON availability USING gist (vehicle_id, during);

CREATE TABLE drivers (
    id          uuid PRIMARY KEY DEFAULT uuidv7(),
    operator_id uuid NOT NULL REFERENCES operators,
    name        text NOT NULL CHECK (name <> ''),
    email       citext NOT NULL,
    phone       text NOT NULL,
    active      boolean NOT NULL DEFAULT true,
    UNIQUE (operator_id, email)
);
