"""How much of everything: streams, memory, time."""

from typing import Final

from msgspec import Struct

BLOCK_BYTES_MAX: Final = 64 * 1024
"""What is written at once. A longer block only ever holds a single entry."""
PAGE_MAX: Final = 100
"""Entries that a stream reads from the journal at once: two milliseconds of the event loop."""
READERS_MAX: Final = 2
"""Streams that read from the journal at the same moment. When a thousand clients come again after a restart, the
others wait their turn, and lists and exports have the rest of the reader's connections."""


class Bounds(Struct, frozen=True):
    streams_max: int = 5_000
    streams_per_user_max: int = 100
    heartbeat_s: float = 15.0
    """A client hears something at least this often."""
    blocked_max_s: float = 30.0
    """After this long without taking a block, a client is cut off."""
    held_bytes_max: int = 4 * 1024 * 1024
    """What is kept for a client that is slow; beyond it, the client reads it from the journal."""
    held_by_all_bytes_max: int = 64 * 1024 * 1024
    watch_every_s: float = 0.4
    """Within this, a stream ends whose credential was revoked, whose client has gone, or when the service drains."""
