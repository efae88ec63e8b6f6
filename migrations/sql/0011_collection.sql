-- Collection: the shared request budget, reminders, receipts.
SELECT 1;  -- nothing yet
