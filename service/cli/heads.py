"""The lines that `charge-shop heads` writes and `charge-shop verify --heads` reads: where each seller's chain ended."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from journal.ids import SEQ_MAX, is_id
from journal.reader import Head


class HeadsUnreadable(Exception):
    """The file is not there, or is not what `charge-shop heads` writes; the text says which."""


class HeadLine(Struct, frozen=True, forbid_unknown_fields=True):
    seller_id: str
    seq: Annotated[int, Meta(ge=1, le=SEQ_MAX)]
    hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


def line_of(head: Head) -> bytes:
    """Without its end."""
    return msgspec.json.encode(HeadLine(head.seller_id, head.seq, head.hash.hex()))


def read(path: Path) -> list[Head]:
    """Blocking. Raises HeadsUnreadable."""
    try:
        with path.open("rb") as lines:
            return [_head_of(line) for line in lines if line.strip()]
    except OSError as error:
        raise HeadsUnreadable(f"cannot read {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise HeadsUnreadable(f"{path} is not what `charge-shop heads` writes: {error}") from None


def _head_of(line: bytes) -> Head:
    head = msgspec.json.decode(line, type=HeadLine)
    if not is_id(head.seller_id):
        raise ValueError(f"expected a seller's id, got {head.seller_id[:80]!r}")
    return Head(head.seller_id, head.seq, bytes.fromhex(head.hash))
