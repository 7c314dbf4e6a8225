"""Amounts of requests: raw JSON text to minor units of the seller's currency, without a number in between."""

from typing import Final

import msgspec
from msgspec import Raw

from journal import money
from service.problems import Problem, ProblemCode, invalid

_PLAIN_MAX: Final = 64
"""No amount is written in more characters than this, escapes in its string included (6 each)."""


def read(raw: Raw, currency: str, *, is_zero_allowed: bool = False) -> int | None:
    """Minor units, or None when it is no amount that is allowed here (see `requirement`).

    Raises a 400 for a number or a string that is not one in JSON's own terms, such as 1e1000000.
    """
    text = str(raw, "utf-8", "replace")
    amount = money.parse(text[1:-1] if text[0] == '"' else text, currency)
    if amount is None:
        amount = _look_again(text, raw, currency)
    return amount if amount or is_zero_allowed else None


def required(raw: Raw, currency: str, field: str = "amount", *, is_zero_allowed: bool = False) -> int:
    """As `read`, but raises a 422 for the field when it is no amount that is allowed here."""
    amount = read(raw, currency, is_zero_allowed=is_zero_allowed)
    if amount is None:
        raise invalid(field, requirement(currency, is_zero_allowed=is_zero_allowed))
    return amount


def requirement(currency: str, *, is_zero_allowed: bool = False) -> str:
    """What to say about something that is not an amount."""
    decimals = money.exponent(currency)
    bound = "zero or more" if is_zero_allowed else "more than zero"
    fraction = f" and at most {decimals} decimals" if decimals else " and no decimals"
    return f"Expected an amount of {currency}: {bound}, at most {money.WHOLE_DIGITS_MAX} digits{fraction}."


def _look_again(text: str, raw: Raw, currency: str) -> int | None:
    """What did not match is either no amount, or one written with escapes, or not even JSON."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(ProblemCode.MALFORMED_REQUEST, "A number or string in the body is absurd.") from error
    if isinstance(value, str) and len(text) <= 6 * _PLAIN_MAX:
        return money.parse(value, currency)
    return None
