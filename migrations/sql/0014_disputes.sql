-- Disputes, refunds that fail later, reconciliation.
SELECT 1;  -- nothing yet
