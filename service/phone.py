"""Phone numbers of requests: to E.164, if they are possible mobile numbers, at a cost that a charge can bear.

*Possible* is meant as in libphonenumber: a calling code that exists, and a length that mobile numbers of that
country have. Whether a number is assigned, only its operator knows. Numbers that work within one area only are
not possible here: a top-up has no area.

What is asked of the text comes before any parsing: at most 40 characters, ASCII digits with single spaces,
hyphens, dots, slashes or brackets between them, a plus sign at most in front. Letters, extensions, `tel:` and
digits of other scripts are refused, though the library would guess at them.

Nearly all numbers come as plain E.164, each of them once. Those are checked against tables that are made from
the library's own metadata, per calling code, when it is first seen: 0.6 us, where the library takes 13 to
22 us. Everything that the tables cannot tell for certain goes to the library, whose answers are kept for the
last few thousand texts. That both ways agree is tested for all calling codes.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType, ValidationResult

_PLAIN: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_LOOSE: Final = re.compile(r"\+?\(?[0-9](?:[ ()./-]{0,2}[0-9])+", re.ASCII)
_TEXT_SIZE_MAX: Final = 40
_E164_SIZE_MAX: Final = 16


class _Mobiles(NamedTuple):
    """The mobile numbers of one calling code."""

    lengths: frozenset[int]
    """Of the digits after the calling code."""
    national_prefix: re.Pattern[str] | None
    """What the library may take away from their front."""


def normalize(text: str, default_region: str | None = None) -> str | None:
    """E.164 for a possible mobile number, else None. `default_region`: of numbers without calling code, as `US`."""
    if _PLAIN.fullmatch(text) is not None:
        for end in (2, 3, 4):
            if (mobiles := _mobiles_of(text[1:end])) is not None:
                prefix = mobiles.national_prefix
                if text[end] == "0" or (prefix is not None and prefix.match(text, end) is not None):
                    break  # the library may see a prefix, and only it knows
                return text if len(text) - end in mobiles.lengths else None
        else:
            return None
    elif len(text) > _TEXT_SIZE_MAX or _LOOSE.fullmatch(text) is None:
        return None
    return _ask_library(text, default_region)


def is_region(code: str) -> bool:
    """Whether numbers without calling code can be read as this region's: an ISO 3166 code, upper case."""
    return code in phonenumbers.SUPPORTED_REGIONS


@lru_cache(maxsize=4096)
def _ask_library(text: str, default_region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text, default_region)
    except phonenumbers.NumberParseException:
        return None
    reason = phonenumbers.is_possible_number_for_type_with_reason(number, PhoneNumberType.MOBILE)
    if reason != ValidationResult.IS_POSSIBLE:
        return None
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return e164 if len(e164) <= _E164_SIZE_MAX else None


@lru_cache(maxsize=1200)  # more than there are texts of one to three digits
def _mobiles_of(calling_code: str) -> _Mobiles | None:
    """None when there is no such calling code. No calling code is the beginning of another."""
    code = int(calling_code)
    if code not in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        return None
    # As the library does: numbers of a shared calling code are measured by its main region.
    region = phonenumbers.region_code_for_country_code(code)
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    if metadata is None or metadata.mobile is None:
        return _Mobiles(frozenset(), None)
    lengths = metadata.mobile.possible_length
    prefix = metadata.national_prefix_for_parsing
    return _Mobiles(frozenset(lengths), re.compile(prefix) if prefix else None)
