"""Events and the stops their trips share."""
