"""The bounds of connections: how many there may be, and how long a client may take.

How many is also for the operating system to say, by its limit on open files.
"""

import logging
import resource
from typing import Final

from msgspec import Struct

log = logging.getLogger(__name__)

OPEN_FILES_WANTED: Final = 65_536
OPEN_FILES_RESERVED: Final = 256
"""For everything that is not a client's connection: the database's, files, and refusals on their way out."""
OPEN_MAX_BY_DEFAULT: Final = 16_384
OPEN_MAX_TO_BE_TOLD_OF: Final = 128
"""Fewer are hardly a service: an operator is told of it, even one who asked for no number."""


class Bounds(Struct, frozen=True, kw_only=True):
    head_timeout_s: float = 10.0
    idle_timeout_s: float = 28.0
    """More than nginx keeps an idle connection to us (20 s), so that no request meets our close on its way."""
    stuck_timeout_s: float = 25.0
    refusal_timeout_s: float = 1.0
    """For a refused client to read why. Closing at once would reset the connection under what it still sends."""
    sweep_interval_s: float = 1.0
    open_max: int = OPEN_MAX_BY_DEFAULT
    per_address_max: int = OPEN_MAX_BY_DEFAULT // 2


def bounds_of(connections_max: int | None) -> Bounds:
    """The bounds of a process that may hold so many connections; None: as many as the limit on open files lets it.

    Nobody can fill the house alone: one address gets half of it."""
    most = max(1, _raised_limit_of_open_files() - OPEN_FILES_RESERVED)
    open_max = min(most, connections_max or OPEN_MAX_BY_DEFAULT)
    wanted = connections_max or OPEN_MAX_TO_BE_TOLD_OF
    if open_max < wanted:
        log.warning("connections_max_lowered", extra={"wanted": wanted, "open_files_allow": open_max})
    return Bounds(open_max=open_max, per_address_max=max(1, open_max // 2))


def _raised_limit_of_open_files() -> int:
    """The process's own soft limit, raised where the hard one permits: the usual 1024 is meant for `select`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = OPEN_FILES_WANTED if hard == unlimited else min(OPEN_FILES_WANTED, hard)
    if soft != unlimited and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return OPEN_FILES_WANTED if soft == unlimited else soft
