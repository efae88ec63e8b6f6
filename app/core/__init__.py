"""What every slice stands on and none of which knows a slice: database, clock, ids, money, errors, jobs, audit, log."""
