-- Hot trips: pledges of many riders are born in one statement, so who acted cannot be the transaction's word for all of them.
-- A rider's own pledge names the account it was made with; every other actor is still the transaction's.
CREATE FUNCTION audit_pledge_births() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    who text := coalesce(nullif(current_setting('busload.actor', true), ''), 'system');
BEGIN
    IF EXISTS (SELECT FROM born b WHERE NOT EXISTS (
        SELECT FROM state_transitions t WHERE t.machine = TG_ARGV[0] AND t.from_state = '' AND t.to_state = b.state)) THEN
        RAISE EXCEPTION '% cannot be born in this state', TG_ARGV[0] USING ERRCODE = 'check_violation', CONSTRAINT = 'state_transitions';
    END IF;
    INSERT INTO audit (actor, machine, subject_id, from_state, to_state, reason)
    SELECT CASE WHEN who = 'rider' THEN coalesce('rider:' || b.account_id, who) ELSE who END, TG_ARGV[0], b.id, '', b.state,
           coalesce(current_setting('busload.reason', true), '')
    FROM born b ORDER BY b.id;
    RETURN NULL;
END $$;
DROP TRIGGER births ON pledges;
CREATE TRIGGER births AFTER INSERT ON pledges REFERENCING NEW TABLE AS born
    FOR EACH STATEMENT EXECUTE FUNCTION audit_pledge_births('pledge');

-- The waiting room of a trip that more people want at once than it can take: numbers given, and those up to which people were let in.
-- Written with synchronous_commit off: a crash of the server may give a few numbers twice, which costs nobody a place.
CREATE TABLE waiting_rooms (
    trip_id  uuid PRIMARY KEY,
    given    bigint NOT NULL,
    let_in   bigint NOT NULL DEFAULT 0,
    CHECK (let_in BETWEEN 0 AND given)
) WITH (fillfactor = 50);

-- The transition trigger joins the rows before with the rows after. A plan made for the few rows of everyday would be a nested loop, and
-- for the tens of thousands that a hot trip confirms at once that takes minutes: here it is always a hash join.
ALTER FUNCTION audit_transitions() SET enable_nestloop = off;
