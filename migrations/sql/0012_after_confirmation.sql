-- After the confirmation: refund ladder, seat transfer, waitlist.
SELECT 1;  -- nothing yet
