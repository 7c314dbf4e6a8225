"""Reads HTTP/1.1 responses from bytes, as they come in (RFC 9112): as much of it as answers to plain requests need.

Bodies by length, in chunks, or until the end of the connection; interim responses are skipped. No I/O.
"""

from typing import Final

from msgspec import Struct

HEAD_SIZE_MAX: Final = 64 * 1024
BODY_SIZE_MAX: Final = 16 * 1024 * 1024


class MalformedAnswer(Exception):
    """What came is not HTTP, or too much of it."""


class Answer(Struct, frozen=True, gc=False):
    status: int
    body: bytes
    is_replay: bool
    is_last: bool
    """Nothing more will be answered on this connection."""


class ResponseReader:
    """One response after the other."""

    def __init__(self) -> None:
        self._buffer = b""
        self._head: dict[bytes, bytes] | None = None
        self._status = 0
        self._body: list[bytes] = []
        """Chunks that are complete."""
        self._body_size = 0

    def feed(self, data: bytes) -> Answer | None:
        """The response, once all of it is there. Raises MalformedAnswer."""
        self._buffer = self._buffer + data if self._buffer else data
        while self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > HEAD_SIZE_MAX:
                    raise MalformedAnswer("a head without an end")
                return None
            self._read_head(self._buffer[:end])
            self._buffer = self._buffer[end + 4 :]
        if self._status in (204, 304):
            return self._whole(b"")
        if b"transfer-encoding" in self._head:
            return self._read_chunks()
        length = self._head.get(b"content-length")
        if length is None:
            if len(self._buffer) > BODY_SIZE_MAX:
                raise MalformedAnswer("a body without an end")
            return None  # It ends with the connection.
        size = _number(length, 10)
        if len(self._buffer) < size:
            return None
        if len(self._buffer) > size:
            raise MalformedAnswer("more than was asked for")
        body, self._buffer = self._buffer, b""
        return self._whole(body)

    def end(self) -> Answer | None:
        """The connection's end: the response that it ends, if it ends one."""
        if self._head is None or b"content-length" in self._head or b"transfer-encoding" in self._head:
            return None
        self._head[b"connection"] = b"close"
        body, self._buffer = self._buffer, b""
        return self._whole(body)

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        status = first[9:12]
        if not first.startswith(b"HTTP/1.") or len(status) != 3 or not status.isdigit():
            raise MalformedAnswer(f"not a status line: {first[:80]!r}")
        self._status = int(status)
        if self._status < 200:
            return
        self._head = {}
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon:
                raise MalformedAnswer(f"not a header: {line[:80]!r}")
            self._head[name.lower()] = value.strip()
        if first.startswith(b"HTTP/1.0"):
            self._head.setdefault(b"connection", b"close")

    def _read_chunks(self) -> Answer | None:
        while True:
            end = self._buffer.find(b"\r\n")
            if end < 0:
                return None
            size = _number(self._buffer[:end].partition(b";")[0].strip(), 16)
            if size == 0:
                # Trailers are not expected: an empty line has to follow.
                if len(self._buffer) < end + 4:
                    return None
                self._buffer = self._buffer[end + 4 :]
                return self._whole(b"".join(self._body))
            if len(self._buffer) < end + 2 + size + 2:
                return None
            self._body.append(self._buffer[end + 2 : end + 2 + size])
            self._body_size += size
            if self._body_size > BODY_SIZE_MAX:
                raise MalformedAnswer("a body without an end")
            self._buffer = self._buffer[end + 2 + size + 2 :]

    def _whole(self, body: bytes) -> Answer:
        assert self._head is not None
        is_replay = self._head.get(b"idempotent-replayed") == b"true"
        is_last = self._head.get(b"connection", b"").lower() == b"close"
        answer = Answer(self._status, body, is_replay, is_last)
        self._head, self._body, self._body_size = None, [], 0
        return answer


def _number(text: bytes, radix: int) -> int:
    try:
        number = int(text, radix)
    except ValueError as error:
        raise MalformedAnswer(f"not a size: {text[:20]!r}") from error
    if not 0 <= number <= BODY_SIZE_MAX:
        raise MalformedAnswer(f"a size of {number}")
    return number
