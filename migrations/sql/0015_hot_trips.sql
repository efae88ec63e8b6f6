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
