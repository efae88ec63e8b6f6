-- Collection: the shared request budget, cards set aside, receipts.

-- What is left of Stripe's limits right now, shared by every process: one row for the account ('') and one for each endpoint.
-- Not logged: after a crash it begins empty, which is full, and a reservation waits for no disk.
CREATE UNLOGGED TABLE request_budget (
    bucket     text PRIMARY KEY,
    tokens     double precision NOT NULL,
    filled_at  timestamptz NOT NULL,
    held_until timestamptz                         -- Stripe said "too many" and named a time
) WITH (fillfactor = 50);

-- Takes up to `wanted` requests to an endpoint. Others may not eat into the reserve (half of what a bucket holds): it is for sign-ups.
-- The limit is what a bucket may give in any one second, its full content included. `wait_s`: how long until there is one, when none was given.
-- A clock that was set back begins a new second; time never makes a bucket overflow.
CREATE FUNCTION take_requests(endpoint text, wanted integer, for_sign_up boolean, account_per_s double precision,
    endpoint_per_s double precision, OUT granted integer, OUT wait_s double precision) LANGUAGE plpgsql AS $$
DECLARE
    moment   timestamptz;
    one      record;
    holds    double precision;
    fills    double precision;
    level    double precision;
    levels   jsonb := '{}';
    reserve  double precision;
BEGIN
    INSERT INTO request_budget (bucket, tokens, filled_at)
    SELECT name, 1e9, busload_now() FROM unnest(ARRAY['', endpoint]) AS missing (name)
    WHERE NOT EXISTS (SELECT FROM request_budget WHERE bucket = name) ORDER BY name ON CONFLICT DO NOTHING;
    PERFORM FROM request_budget WHERE bucket IN ('', endpoint) ORDER BY bucket FOR NO KEY UPDATE;
    moment := busload_now();
    granted := wanted;
    wait_s := 0;
    FOR one IN SELECT bucket, tokens, filled_at, held_until FROM request_budget WHERE bucket IN ('', endpoint) LOOP
        fills := CASE one.bucket WHEN '' THEN account_per_s ELSE endpoint_per_s END;
        holds := greatest(2, floor(fills * 0.12));
        fills := greatest(fills - holds, 0.5);
        reserve := CASE WHEN for_sign_up THEN 0 ELSE floor(holds / 2) END;
        level := least(holds, one.tokens + fills * greatest(0, extract(epoch FROM moment - one.filled_at)));
        levels := levels || jsonb_build_object(one.bucket, level);
        granted := least(granted, greatest(0, floor(level - reserve + 1e-9)));
        wait_s := greatest(wait_s, (1 + reserve - level) / fills);
        IF one.held_until BETWEEN moment AND moment + interval '1 minute' THEN
            granted := 0;
            wait_s := greatest(wait_s, extract(epoch FROM one.held_until - moment));
        END IF;
    END LOOP;
    UPDATE request_budget SET tokens = (levels ->> bucket)::double precision - granted, filled_at = moment WHERE bucket IN ('', endpoint);
END $$;

-- Cards that a pledge does not use any more (another was given) or never did (too many people stand on it): forgotten at Stripe once no
-- charge under way needs them, and never taken up again, however late their card page is heard of.
CREATE TABLE set_aside_cards (
    id                 uuid PRIMARY KEY DEFAULT uuidv7(),
    payment_method_ref text NOT NULL UNIQUE,
    pledge_id          uuid NOT NULL REFERENCES pledges,
    card_label         text NOT NULL,
    reason             text NOT NULL CHECK (reason IN ('replaced', 'card_limit')),
    set_aside_at       timestamptz NOT NULL DEFAULT busload_now(),
    forgotten_at       timestamptz
);
CREATE INDEX set_aside_cards_pledge ON set_aside_cards (pledge_id);

-- A receipt's number, given with the first charge that goes through; one receipt per reference, whatever is charged or refunded later.
CREATE TABLE receipts (
    reference uuid PRIMARY KEY,
    number    bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    issued_at timestamptz NOT NULL DEFAULT busload_now()
);
INSERT INTO receipts (reference, issued_at)
SELECT reference, min(settled_at) FROM payments WHERE state IN ('succeeded', 'disputed', 'won', 'lost') GROUP BY reference
ORDER BY min(settled_at), reference;
CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON receipts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
