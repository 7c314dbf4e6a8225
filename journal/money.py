"""Money: integers in minor units inside, decimal text at the edge, never a float or a `Decimal` between them.

The number of decimals of a currency is part of the meaning of every amount in the journal. So the table
stands here, literally: an update of some package must never move the point in amounts that are already
written. Source: ISO 4217 list one (currency and funds codes), as published on 2026-01-01; codes without a
minor unit (metals, baskets, test codes) are not money that can be sold for and are left out. When the list
changes: add codes, never remove one that a journal may hold, never change decimals.

Pure: no input or output, no clock. Text is matched against the bounded grammar of the API before any number
is made from it, so neither a huge exponent nor five thousand digits cost anything.
"""

import re
from collections.abc import Callable
from typing import Final

_CODES_BY_DECIMALS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE "
    "CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD "
    "HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK "
    "MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD "
    "RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH "
    "USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENTS: Final = {code: decimals for decimals, codes in _CODES_BY_DECIMALS.items() for code in codes.split()}

WHOLE_DIGITS_MAX: Final = 13
"""With four decimals 10**17, far inside a signed 64-bit integer, even summed over ninety such amounts."""

TEXT_PATTERN: Final = rf"(0|[1-9][0-9]{{0,{WHOLE_DIGITS_MAX - 1}}})(\.[0-9]{{1,{max(_CODES_BY_DECIMALS)}}})?"
"""The grammar of an amount in the widest of all currencies; each currency narrows the decimals."""


def is_currency(code: str) -> bool:
    """Whether amounts can be kept in this currency: an upper-case ISO 4217 code that has a minor unit."""
    return code in _EXPONENTS


def exponent(currency: str) -> int:
    """How many decimals the currency has. The code must be a currency."""
    return _EXPONENTS[currency]


def format_minor(amount: int, currency: str) -> str:
    """`5000` as `"50.00"`, `-5` as `"-0.05"`, with exactly the currency's decimals; 0.2 us.

    The value itself is whatever the journal holds: it may be a sum, so it is not bounded here.
    """
    layout, scale, zero = _LAYOUTS[currency]
    if amount == 0:
        return zero
    if amount < 0:
        return "-" + layout % divmod(-amount, scale)
    return layout % divmod(amount, scale)


def parse(text: str, currency: str) -> int | None:
    """The minor units that an amount's text means, or None when it is not of the grammar; 0.5 us.

    `(0|[1-9][0-9]{0,12})(\\.[0-9]{1,d})?` in ASCII and nothing around it. Zero is parsed: whether zero is
    allowed is for the caller to say.
    """
    match, missing_zeros = _GRAMMARS[currency]
    found = match(text)
    if found is None:
        return None
    whole, fraction = found.groups("")
    return int(whole + fraction) * missing_zeros[len(fraction)]


def parse_cut(text: str, currency: str) -> int | None:
    """As `parse`, for an amount that was not written for this currency: decimals that it does not have are cut off.

    So an amount of the currency is more than the text says exactly when it is more than what is returned.
    """
    if re.fullmatch(TEXT_PATTERN, text) is None:
        return None
    whole, _, fraction = text.partition(".")
    kept = fraction[: exponent(currency)]
    return parse(f"{whole}.{kept}" if kept else whole, currency)


def _grammar(decimals: int) -> tuple[Callable[[str], re.Match[str] | None], tuple[int, ...]]:
    # Without decimals the second group is there but never matches, so that every grammar has two groups.
    fraction = rf"\.([0-9]{{1,{decimals}}})" if decimals else "((?!))"
    pattern = re.compile(rf"(0|[1-9][0-9]{{0,{WHOLE_DIGITS_MAX - 1}}})(?:{fraction})?", re.ASCII)
    return pattern.fullmatch, tuple(10 ** (decimals - given) for given in range(decimals + 1))


_GRAMMARS: Final = {code: _grammar(decimals) for code, decimals in _EXPONENTS.items()}
# Without decimals the remainder, always 0, is printed with a precision of nothing.
_LAYOUTS: Final[dict[str, tuple[str, int, str]]] = {
    code: (f"%d.%0{decimals}d" if decimals else "%d%.0s", 10**decimals, f"{0:.{decimals}f}")
    for code, decimals in _EXPONENTS.items()
}
