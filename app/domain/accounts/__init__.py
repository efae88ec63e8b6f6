"""People who sign in: accounts, roles, mail links, sessions."""
