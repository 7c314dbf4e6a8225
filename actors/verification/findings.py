"""What a verification says: how far it is, and the first entry that is not what it should be."""

from msgspec import Struct


class Finding(Struct, frozen=True):
    """`seq` names the entry that is at fault, or is missing, or opened what a projection tells wrongly."""

    seller_id: str
    seq: int
    reason: str


class Progress(Struct, frozen=True):
    """Also the result: the last one, with `first_bad` when the journal is not what it should be.

    The numbers have no defaults: by them whoever reads a process's output tells this from an object of its log."""

    sellers_done: int
    sellers_total: int
    entries_checked: int
    first_bad: Finding | None = None


def in_one_line(text: str) -> str:
    """What is quoted of the database must not look like a line of ours, nor hold what no column takes: a NUL."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
