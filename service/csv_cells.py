"""Rows of CSV (RFC 4180) that a spreadsheet shows as they are.

A cell of free text that begins like a formula would be run as one by spreadsheets. It gets an apostrophe in
front, which they take for "this is text". Numbers, ids and times are ours and cannot be formulas, so a negative
amount stays a number.

Where the comma is the decimal mark, spreadsheets split the lines of a file that is simply opened at semicolons, and do
not see the quotes around what we wrote as one cell. So what follows a semicolon, a tab or a line break within a text is
looked at as the beginning of a cell too. East Asian ones take the wide forms of the signs for the signs.
"""

import re
from typing import Final

_BEFORE_A_FORMULA: Final = re.compile(r"\A(?=[\t\r\n])|(?:\A|(?<=[;\t\r\n]))(?= *[=+\-@\uff1d\uff0b\uff0d\uff20])")
_NEEDS_QUOTES: Final = frozenset(',;"\r\n\t ')


def guarded(text: str | None) -> str:
    """Free text, harmless."""
    return _BEFORE_A_FORMULA.sub("'", text) if text else ""


def guarded_json(text: str) -> str:
    """A JSON object, harmless and the same object: semicolons are within its strings only."""
    return text.replace(";", r"\u003b")


def row(cells: list[str]) -> str:
    return ",".join(map(_quoted, cells)) + "\r\n"


def _quoted(cell: str) -> str:
    if _NEEDS_QUOTES.isdisjoint(cell):
        return cell
    return '"' + cell.replace('"', '""') + '"'
