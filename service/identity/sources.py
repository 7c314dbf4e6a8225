"""Time and chance: whoever makes ids and secrets is given both, so that a test can choose them."""

from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from service.identity.instants import NowUs

RandomBytes: TypeAlias = Callable[[int], bytes]
"""So many bytes that nobody can guess."""


class Sources(Struct, frozen=True):
    now_us: NowUs
    random_bytes: RandomBytes
