"""SQL of dispatch, a file for each concern: demand, snapshots, plans and duties, offers, crews."""
