-- The ground everything stands on: the clock seam, transition tables with their audit trail, timers, idempotency keys.
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE EXTENSION IF NOT EXISTS citext;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS cube;
CREATE EXTENSION IF NOT EXISTS earthdistance;

-- What this database is. Only a test or demo database may run ahead of, or behind, real time.
CREATE TABLE installation (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    mark        text NOT NULL DEFAULT 'live' CHECK (mark IN ('live', 'demo', 'test')),
    clock_shift interval NOT NULL DEFAULT '0',
    CHECK (mark <> 'live' OR clock_shift = interval '0')
);
INSERT INTO installation DEFAULT VALUES;

CREATE FUNCTION busload_now() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS
$$ SELECT clock_timestamp() + (SELECT clock_shift FROM installation) $$;

-- Every state machine of the domain as data; the guard below and the StrEnums of the code read the same arrows.
CREATE TABLE state_transitions (
    machine    text NOT NULL,
    from_state text NOT NULL,          -- '' is birth
    to_state   text NOT NULL,
    PRIMARY KEY (machine, from_state, to_state)
);

CREATE TABLE audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT busload_now(),
    actor      text NOT NULL,          -- 'rider', 'timer', 'organiser:<account id>', ...: never personal data
    machine    text NOT NULL,
    subject_id uuid NOT NULL,
    from_state text NOT NULL,
    to_state   text NOT NULL,          -- equal to from_state for a recorded change that is no transition
    reason     text NOT NULL,
    detail     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_subject ON audit (subject_id, id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One trigger per machine table, once per statement: refuses an arrow that is not in the table, writes one audit row per
-- transition. Who and why come from the transaction (core/audit.py sets them).
CREATE FUNCTION audit_births() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM born b WHERE NOT EXISTS (
        SELECT FROM state_transitions t WHERE t.machine = TG_ARGV[0] AND t.from_state = '' AND t.to_state = b.state)) THEN
        RAISE EXCEPTION '% cannot be born in this state', TG_ARGV[0] USING ERRCODE = 'check_violation', CONSTRAINT = 'state_transitions';
    END IF;
    INSERT INTO audit (actor, machine, subject_id, from_state, to_state, reason)
    SELECT coalesce(nullif(current_setting('busload.actor', true), ''), 'system'), TG_ARGV[0], b.id, '', b.state,
           coalesce(current_setting('busload.reason', true), '')
    FROM born b ORDER BY b.id;
    RETURN NULL;
END $$;

CREATE FUNCTION audit_transitions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone g JOIN come c USING (id) WHERE g.state <> c.state AND NOT EXISTS (
        SELECT FROM state_transitions t WHERE t.machine = TG_ARGV[0] AND t.from_state = g.state AND t.to_state = c.state)) THEN
        RAISE EXCEPTION '% does not allow this transition', TG_ARGV[0]
            USING ERRCODE = 'check_violation', CONSTRAINT = 'state_transitions';
    END IF;
    INSERT INTO audit (actor, machine, subject_id, from_state, to_state, reason)
    SELECT coalesce(nullif(current_setting('busload.actor', true), ''), 'system'), TG_ARGV[0], c.id, g.state, c.state,
           coalesce(current_setting('busload.reason', true), '')
    FROM gone g JOIN come c USING (id) WHERE g.state <> c.state ORDER BY c.id;
    RETURN NULL;
END $$;

-- Puts both triggers on a table whose rows have (id uuid, state text), and forbids deleting them.
CREATE FUNCTION keep_machine(table_name regclass, machine text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER births AFTER INSERT ON %s REFERENCING NEW TABLE AS born
                    FOR EACH STATEMENT EXECUTE FUNCTION audit_births(%L)', table_name, machine);
    EXECUTE format('CREATE TRIGGER transitions AFTER UPDATE ON %s REFERENCING OLD TABLE AS gone NEW TABLE AS come
                    FOR EACH STATEMENT EXECUTE FUNCTION audit_transitions(%L)', table_name, machine);
    EXECUTE format('CREATE TRIGGER keep BEFORE DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', table_name);
END $$;

-- Timers are due rows compared with busload_now(); any worker may sweep them.
CREATE TABLE timers (
    kind       text NOT NULL,
    subject_id uuid NOT NULL,
    due_at     timestamptz NOT NULL,
    fired_at   timestamptz,
    attempts   integer NOT NULL DEFAULT 0,
    leased_until timestamptz,                -- a worker is firing it; should it die, another one may after this
    PRIMARY KEY (kind, subject_id)
);
CREATE INDEX timers_due ON timers (due_at) WHERE fired_at IS NULL;

-- One effect per key and scope; the effect is remembered by its id, so that an answer can be given again.
CREATE TABLE idempotency_keys (
    scope      text NOT NULL,
    key        text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    body_hash  bytea NOT NULL,
    effect_id  uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT busload_now(),
    PRIMARY KEY (scope, key)
);
