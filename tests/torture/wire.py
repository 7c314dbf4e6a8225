"""Just enough of the Postgres protocol, version 3, to tell where a flush begins and where its answer ends.

https://www.postgresql.org/docs/current/protocol-message-formats.html: after the startup every message is one
byte of type, four of length (itself included), and its content. Without TLS; nothing else is understood.
"""

import asyncio
import struct
from typing import Final

from msgspec import Struct

STARTUP_BYTES_MAX: Final = 10_000
FLUSH_MARK: Final = b"WITH fence AS"
"""How the journal's flush statement begins, in every version of it."""

PARSE, BIND, SYNC, QUERY = b"P", b"B", b"S", b"Q"
DATA_ROW, READY, ERROR = b"D", b"Z", b"E"


class Message(Struct, frozen=True):
    type: bytes
    content: bytes

    @property
    def encoded(self) -> bytes:
        return self.type + struct.pack("!i", len(self.content) + 4) + self.content


async def read_startup(reader: asyncio.StreamReader) -> bytes:
    """The first packet of a connection, whole. A request to cancel is one, too, and the only one."""
    head = await reader.readexactly(4)
    length = struct.unpack("!i", head)[0]
    assert 8 <= length <= STARTUP_BYTES_MAX, length
    return head + await reader.readexactly(length - 4)


async def read_message(reader: asyncio.StreamReader) -> Message:
    head = await reader.readexactly(5)
    return Message(head[:1], await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4))


def parsed(message: Message) -> tuple[bytes, bytes]:
    """Name and text of the statement that a Parse prepares."""
    name, text, _ = message.content.split(b"\0", 2)
    return name, text


def bound(message: Message) -> bytes:
    """The name of the statement that a Bind is for."""
    return message.content.split(b"\0", 2)[1]


def is_null(row: Message) -> bool:
    """Whether the first column of a DataRow is."""
    return bool(struct.unpack_from("!i", row.content, 2)[0] == -1)
