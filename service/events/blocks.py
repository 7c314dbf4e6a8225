"""Blocks: entries of one audience, encoded and joined once for everybody in it.

An *audience* is all streams that want the same entries: those of one seller, or those of admins, who want all.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from service.events.stream import Stream


class Block:
    """Consecutive frames, with the positions of the first and the last."""

    __slots__ = ("_frames", "data", "first", "last")

    def __init__(self, frames: list[tuple[int, bytes]]) -> None:
        self.first: Final = frames[0][0]
        self.last: Final = frames[-1][0]
        self.data: Final = b"".join([data for _, data in frames])
        self._frames = frames

    def after(self, position: int) -> bytes:
        """What of it lies after a position: for whoever joined between two of its entries."""
        if self.first > position:
            return self.data
        return b"".join([data for at, data in self._frames if at > position])


def blocks_of(frames: list[tuple[int, bytes]], bytes_max: int) -> Iterator[Block]:
    """In order, in pieces that are not too large for one write; at least one frame each."""
    begin = size = 0
    for index, (_, data) in enumerate(frames):
        if size + len(data) > bytes_max and index > begin:
            yield Block(frames[begin:index])
            begin, size = index, 0
        size += len(data)
    if begin < len(frames):
        yield Block(frames[begin:])


class Audience:
    """The streams, and the frames that are on their way to them."""

    __slots__ = ("frames", "streams")

    def __init__(self) -> None:
        self.streams: set[Stream] = set()
        self.frames: list[tuple[int, bytes]] = []
