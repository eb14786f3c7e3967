"""How many files and sockets a process may have open: a book takes one."""

import logging
import resource

log = logging.getLogger(__name__)
ENOUGH = 65_536
"""Where the system sets no limit of its own."""


def raise_descriptor_limit() -> int:
    """Raise this process's soft limit of open files to what the system allows it; the limit.

    A usual soft limit is 1,024, for the sake of old programs.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else hard
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:  # as macOS does above a number of its own
        log.info("the limit of open files stays at %d: %s", soft, error)
        return soft
    return wanted
