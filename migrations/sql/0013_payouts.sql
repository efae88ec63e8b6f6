-- Payouts: Connect accounts, transfers, statements, shares.
SELECT 1;  -- nothing yet
