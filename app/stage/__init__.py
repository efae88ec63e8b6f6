"""Playing the service without the outside world: embedded database, private stack, demo, rehearsal."""
