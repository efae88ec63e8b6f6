-- Hot trips: pledges in batches, waiting room.
SELECT 1;  -- nothing yet
