"""Rows of CSV (RFC 4180) that a spreadsheet shows as they are.

A cell of free text that begins like a formula would be run as one by spreadsheets. It gets an apostrophe in
front, which they take for "this is text". Numbers, ids and times are ours and cannot be formulas, so a negative
amount stays a number.
"""

from typing import Final

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_NEEDS_QUOTES: Final = frozenset(',"\r\n\t ')


def guarded(text: str | None) -> str:
    """Free text, harmless."""
    if not text:
        return ""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def row(cells: list[str]) -> str:
    return ",".join(map(_quoted, cells)) + "\r\n"


def _quoted(cell: str) -> str:
    if _NEEDS_QUOTES.isdisjoint(cell):
        return cell
    return '"' + cell.replace('"', '""') + '"'
