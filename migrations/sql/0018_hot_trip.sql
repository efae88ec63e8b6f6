-- A hot trip: what a pledge is checked against is found by who pledges, never by the trip.

-- The address first. With the trip first, a plan made while the database held next to nothing took pledges_trip for the same price, and
-- read the whole trip for each address of a batch until the tables were analysed: 0.3 ms of database time a pledge instead of 0.12.
CREATE UNIQUE INDEX pledges_one_live_by_address ON pledges (email_normalised, trip_id)
    WHERE state IN ('pending_card', 'active', 'confirmed', 'paid');
DROP INDEX pledges_one_live;
ALTER INDEX pledges_one_live_by_address RENAME TO pledges_one_live;
