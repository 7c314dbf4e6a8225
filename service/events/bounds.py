"""The limits of event streams: how many there may be, and what they may take of memory and time.

How long a client may take nothing of what was written to it is bounded for all connections alike, streams included, by
`service.http.connections`.
"""

from msgspec import Struct


class Bounds(Struct, frozen=True):
    streams_max: int = 5_000
    streams_per_user_max: int = 100

    heartbeat_s: float = 15.0
    """A client hears something at least this often."""
    watch_every_s: float = 0.4
    """Within this a stream ends whose credential was revoked, whose client has gone, or when the service drains."""

    share: float = 0.01
    """Of a busy event loop's time, for writing to streams what was committed (`python -m tests.service.streams_cost`
    measures what a thousand streams really take) ..."""
    pause_max_s: float = 1.0
    """... as long as nothing is late by more than this."""
    slice_s: float = 0.002
    """How long the feed works before others have the event loop for a turn."""

    block_bytes_max: int = 64 * 1024
    """Of one write, unless a single entry is larger."""
    at_once_max: int = 500
    """Entries that are encoded as soon as they are durable: some two milliseconds."""
    encoded_together_max: int = 100
    """Entries that are encoded between two looks at the clock: half a millisecond."""
    undelivered_max: int = 100_000
    """Committed, wanted by somebody, and not passed on yet."""
    held_bytes_max: int = 4 * 1024 * 1024
    """What is kept for a client that is slow; beyond it, the client reads it from the journal."""
    held_by_all_bytes_max: int = 64 * 1024 * 1024

    page_max: int = 100
    """Entries that a stream reads from the journal at once: two milliseconds of the event loop."""
    readers_max: int = 2
    """Streams that read from the journal at the same moment. When a thousand clients reconnect after a restart,
    the others wait their turn, and lists and exports keep the rest of the reader's connections."""
    near: int = 1_000
    """A stream joins the feed once it is at most so many positions behind. Earlier it would only hold blocks that it
    has to drop again."""
