"""How many files and sockets this process may have open."""

import resource

MOST = 65_536  # more than one core can serve


def allow_many_files() -> int:
    """Raises the soft limit as far as the hard one (and MOST) lets it, and returns it.

    Every open page that watches a trip is a socket, and systems start services with a soft limit of 1,024 for the sake of select(2),
    which nothing here uses.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def files_for_watchers() -> int:
    """How many of this process's files open pages may take: the rest is for requests, the database and the provider."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (MOST if soft == resource.RLIM_INFINITY else soft) * 3 // 4
