"""The rehearsal: a whole event played over HTTP, from the first pledge to the last check-in, then everything is checked."""
