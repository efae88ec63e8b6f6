-- Protection: passkeys, rate limits, velocity hold, erasure.
SELECT 1;  -- nothing yet
