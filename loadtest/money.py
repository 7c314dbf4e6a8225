"""Money of the contract, text to minor units and back, for the currencies that the load test sells in.

Integers only. Stricter than the service has to be with its clients: an answer has to have exactly the
currency's decimals, so that a slip of the service's own formatting is found.
"""

import re
from typing import Final

DECIMALS: Final = {"USD": 2, "JPY": 0, "KWD": 3}

_FORMS: Final = {
    currency: re.compile(r"-?(0|[1-9][0-9]*)" + (rf"\.[0-9]{{{decimals}}}" if decimals else ""), re.ASCII)
    for currency, decimals in DECIMALS.items()
}


def to_minor(text: object, currency: str) -> int:
    """`"50.00"` in USD is 5000. Raises ValueError for what is not money text of this currency."""
    if not isinstance(text, str) or currency not in _FORMS or not _FORMS[currency].fullmatch(text):
        raise ValueError(f"not money in {currency}: {text!r}")
    if text.startswith("-") and not text.strip("-0."):
        raise ValueError(f"minus zero: {text!r}")
    return int(text.replace(".", ""))


def to_text(minor: int, currency: str) -> str:
    """5000 in USD is `"50.00"`."""
    decimals = DECIMALS[currency]
    sign, digits = "-" if minor < 0 else "", f"{abs(minor):0{decimals + 1}d}"
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else f"{sign}{digits}"
