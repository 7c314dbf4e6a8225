"""Cursors: the place in a list where the next page begins, as text that is opaque and safe in a URL.

A cursor is the last key that was shown, with a checksum over that key, the list and its filters: one from
another list or with other filters is refused like one that is not ours. The checksum tells mistakes, it is no
secret; a cursor says where to read on, never whose data may be read, and its key is checked by type and range.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta

from service.problems import invalid

CursorInt = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A number of a cursor's key, within what the database takes."""
CursorId = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
"""An id of a cursor's key."""

_CHECKSUM_SIZE: Final = 6
_TEXT: Final = re.compile(r"[A-Za-z0-9_-]{8,1000}", re.ASCII)

K = TypeVar("K")


class CursorFormat(Generic[K]):
    """The cursors of one list. Use `CursorInt` and `CursorId` in the type of its keys, which is a tuple."""

    def __init__(self, list_name: str, key_type: type[K]) -> None:
        self.list_name = list_name
        self._decoder: msgspec.msgpack.Decoder[K] = msgspec.msgpack.Decoder(key_type)

    def encode(self, last_key: K, filters: Sequence[Any] = ()) -> str:
        """A cursor that continues after the key. Filters: whatever selects what is in the list, not `limit`."""
        packed = msgspec.msgpack.encode(last_key)
        return base64.urlsafe_b64encode(self._checksum(packed, filters) + packed).rstrip(b"=").decode()

    def decode(self, text: str, filters: Sequence[Any] = ()) -> K:
        """The key to continue after. Raises a 422 for any text that `encode` has not made with these filters."""
        try:
            if _TEXT.fullmatch(text) is None:
                raise ValueError
            data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            packed = data[_CHECKSUM_SIZE:]
            if data[:_CHECKSUM_SIZE] != self._checksum(packed, filters):
                raise ValueError
            key = self._decoder.decode(packed)
            if self.encode(key, filters) != text:
                raise ValueError
        except (ValueError, binascii.Error, msgspec.DecodeError, RecursionError) as error:
            raise invalid("cursor", "Not a cursor of this list with these filters.") from error
        return key

    def _checksum(self, packed: bytes, filters: Sequence[Any]) -> bytes:
        covered = msgspec.json.encode((self.list_name, filters), enc_hook=_plain) + packed
        return blake2b(covered, digest_size=_CHECKSUM_SIZE, person=b"cursor").digest()


def _plain(value: object) -> int | str:
    """Filters as queries decode them: their own kinds of numbers and texts."""
    if isinstance(value, int):
        return int(value)
    assert isinstance(value, str), f"no filter of a list: {value!r}"
    return str(value)
