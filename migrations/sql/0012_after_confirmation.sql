-- After the confirmation: refund ladder, seat transfer, waitlist.

-- What comes back after the confirmation: [[hours before arrive_by_at, basis points], ...], both falling; 0 hours is booking close, and no
-- step outlives it. Frozen with fee and share when the event's first trip opens.
ALTER TABLE events ADD COLUMN refund_ladder jsonb NOT NULL DEFAULT '[[336, 10000], [168, 5000], [0, 2500]]';
CREATE FUNCTION guard_refund_ladder() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.terms_frozen_at IS NOT NULL AND NEW.refund_ladder <> OLD.refund_ladder THEN
        RAISE EXCEPTION 'the refund ladder is frozen' USING ERRCODE = 'check_violation', CONSTRAINT = 'events_ladder_frozen';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ladder_frozen BEFORE UPDATE OF refund_ladder ON events FOR EACH ROW EXECUTE FUNCTION guard_refund_ladder();

INSERT INTO terms (version, body, mandate) VALUES ('2026-12',
    'You pay only if this trip is confirmed by its deadline. Until it is confirmed you may withdraw free of charge. Once it is confirmed your card is charged and the trip runs. If you withdraw after that, you get back the share that was shown to you, by its dates; what was shown stays yours even if the event moves. You may pass your seats on to another person until departure. If we cannot carry you, you get everything back.',
    'I allow Busload to charge the saved card once, up to the amount shown, if and when this trip is confirmed.');

-- What was shown when somebody pledged: the ladder and the dates it hangs on. Filled here, so that no way of placing a pledge can forget it.
ALTER TABLE pledges ADD COLUMN terms_shown jsonb,
    ADD COLUMN holder integer NOT NULL DEFAULT 0 CHECK (holder >= 0);      -- how often it changed hands; its links are made from it
CREATE FUNCTION keep_terms_shown() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT jsonb_build_object('ladder', e.refund_ladder, 'arrive_by_at', e.arrive_by_at, 'booking_closes_at', e.booking_closes_at)
    INTO NEW.terms_shown FROM events e WHERE e.id = NEW.event_id;
    RETURN NEW;
END $$;
CREATE TRIGGER terms_shown BEFORE INSERT ON pledges FOR EACH ROW EXECUTE FUNCTION keep_terms_shown();

-- A rider who withdraws before the charge owes nothing: what waits is void, what is under way settles first and then goes back by the ladder.
INSERT INTO state_transitions VALUES ('pledge', 'confirmed', 'withdrawn');
CREATE TABLE ladder_exits (
    pledge_id  uuid PRIMARY KEY REFERENCES pledges,
    refund_bp  integer NOT NULL CHECK (refund_bp BETWEEN 0 AND 10000),
    kept_minor bigint NOT NULL DEFAULT 0 CHECK (kept_minor >= 0),          -- what stays in fares, over all of its charges
    left_at    timestamptz NOT NULL DEFAULT busload_now()
);

-- Seats passed on to another person: whole pledges, by a signed link that expires.
CREATE TABLE transfers (
    id                  uuid PRIMARY KEY DEFAULT uuidv7(),
    pledge_id           uuid NOT NULL REFERENCES pledges,
    from_name           text NOT NULL,
    from_email          citext NOT NULL,
    to_name             text NOT NULL,
    to_email            citext NOT NULL,
    to_email_normalised text NOT NULL,
    token_hash          bytea NOT NULL UNIQUE,
    card_ref            text,                             -- the card of who gave the seats away: its money goes back to them
    card_label          text,                             -- as they know it; the new rider reads whose card it is, not which
    payer_token_hash    bytea UNIQUE,                     -- their own link to the receipt of what their card paid
    state               text NOT NULL CHECK (state IN ('offered', 'accepted', 'cancelled', 'expired')),
    expires_at          timestamptz NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT busload_now(),
    settled_at          timestamptz
);
CREATE UNIQUE INDEX transfers_one_open ON transfers (pledge_id) WHERE state = 'offered';
CREATE INDEX transfers_pledge ON transfers (pledge_id, id);
INSERT INTO state_transitions VALUES ('transfer', '', 'offered'), ('transfer', 'offered', 'accepted'), ('transfer', 'offered', 'cancelled'),
    ('transfer', 'offered', 'expired');
SELECT keep_machine('transfers', 'transfer');

-- Who waits for seats of a full trip, in the order of their ids. An offer is a pledge whose seats are held until it expires.
CREATE TABLE waitlist (
    id               uuid PRIMARY KEY DEFAULT uuidv7(),
    trip_id          uuid NOT NULL,
    event_id         uuid NOT NULL,
    stop_id          uuid NOT NULL,
    name             text NOT NULL,
    email            citext NOT NULL,
    email_normalised text NOT NULL,
    locale           text NOT NULL DEFAULT 'en',
    seats            integer NOT NULL CHECK (seats BETWEEN 0 AND 8),
    wheelchairs      integer NOT NULL CHECK (wheelchairs BETWEEN 0 AND 8),
    people           integer NOT NULL GENERATED ALWAYS AS (seats + wheelchairs) STORED,
    legs             text[] NOT NULL CHECK (legs IN ('{outbound}', '{return}', '{outbound,return}')),
    token_hash       bytea NOT NULL UNIQUE,
    state            text NOT NULL CHECK (state IN ('waiting', 'offered', 'left', 'ended')),
    pledge_id        uuid UNIQUE REFERENCES pledges,
    created_at       timestamptz NOT NULL DEFAULT busload_now(),
    CHECK (seats + wheelchairs BETWEEN 1 AND 8),
    CHECK ((state = 'offered') = (pledge_id IS NOT NULL)),
    FOREIGN KEY (trip_id, event_id) REFERENCES trips (id, event_id),
    FOREIGN KEY (stop_id, event_id) REFERENCES stops (id, event_id)
);
CREATE UNIQUE INDEX waitlist_one_waiting ON waitlist (trip_id, email_normalised) WHERE state = 'waiting';
CREATE INDEX waitlist_line ON waitlist (trip_id, id) WHERE state = 'waiting';
INSERT INTO state_transitions VALUES ('waitlist', '', 'waiting'), ('waitlist', 'waiting', 'offered'), ('waitlist', 'waiting', 'left'),
    ('waitlist', 'waiting', 'ended');
SELECT keep_machine('waitlist', 'waitlist');

-- Seats come free in many ways, and selling ends in several: each calls the line's timer at once, so that no flow can forget it.
CREATE FUNCTION call_line(called uuid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO timers (kind, subject_id, due_at)
    SELECT 'waitlist', called, busload_now() WHERE EXISTS (SELECT FROM waitlist w WHERE w.trip_id = called AND w.state = 'waiting')
    ON CONFLICT (kind, subject_id) DO UPDATE SET due_at = excluded.due_at, fired_at = NULL, attempts = 0, leased_until = NULL
$$;
CREATE FUNCTION seats_came_free() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM call_line(NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER seats_came_free AFTER UPDATE OF secured, held ON trips FOR EACH ROW
    WHEN (NEW.secured + NEW.held < OLD.secured + OLD.held) EXECUTE FUNCTION seats_came_free();
CREATE TRIGGER selling_ended AFTER UPDATE OF state ON trips FOR EACH ROW
    WHEN (NEW.state NOT IN ('open', 'confirmed') AND OLD.state IN ('open', 'confirmed')) EXECUTE FUNCTION seats_came_free();
CREATE FUNCTION booking_has_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM call_line(t.id) FROM trips t WHERE t.event_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER booking_has_closed AFTER UPDATE OF booking_closed_at ON events FOR EACH ROW
    WHEN (OLD.booking_closed_at IS NULL AND NEW.booking_closed_at IS NOT NULL) EXECUTE FUNCTION booking_has_closed();
