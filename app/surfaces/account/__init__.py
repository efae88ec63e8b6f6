"""One's own account: passkeys, sessions, what is held about one, and being forgotten."""
