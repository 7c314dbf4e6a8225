"""Phone numbers: possible mobile numbers become E.164, everything else is refused before it costs anything."""

import random
import time

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import phone
from service.phone import normalize

CALLING_CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


@pytest.mark.parametrize(
    "text",
    [
        "+15550100001",
        "+12025550123",
        "+447911123456",
        "+989121234567",
        "+393401234567",
        "+5511987654321",
        "+8613800138000",
    ],
)
def test_e164_stays_as_it_is(text: str) -> None:
    assert normalize(text) == text


@pytest.mark.parametrize(
    "text", ["+1 555 010 0001", "+1 (555) 010-0001", "+1-555-010-0001", "+1.555.010.0001", "+1 555/0100001"]
)
def test_what_people_write_between_digits_does_not_matter(text: str) -> None:
    assert normalize(text) == "+15550100001"


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("07911 123456", "GB", "+447911123456"),
        ("(0)7911123456", "GB", "+447911123456"),
        ("555-010-0001", "US", "+15550100001"),
        ("(555) 010-0001", "US", "+15550100001"),
        ("0912 123 4567", "IR", "+989121234567"),
        ("00447911123456", "DE", "+447911123456"),
        ("+447911123456", "US", "+447911123456"),
        ("07911 123456", None, None),
        ("5550100001", None, None),
        ("5550100", "US", None),
    ],
)
def test_national_numbers_need_a_region(text: str, region: str | None, number: str | None) -> None:
    assert normalize(text, region) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", "+", "0", "1", "+1", "+1555", "+1555010000", "+155501000011", "+4479111234567", "+44791112345"),
        *("+0123456789", "+999123456789", "+210123456789", "++15550100001", "15550100001+", "+1+5550100001"),
        *("tel:+15550100001", "+15550100001;ext=5", "+15550100001 ext 5", "+15550100001x5", "+15550100001#5"),
        *("+1555FLOWERS", "1-800-FLOWERS", "call me", "+1555010000O", "５５５０１００００１", "+١٥٥٥٠١٠٠٠٠١"),
        *(
            "＋15550100001",
            " +15550100001",
            "+15550100001 ",
            "+15550100001\n",
            "+1555\x000100001",
            "+1555\u00a00100001",
        ),
        *(
            "+1555---0100001",
            "\ud800",
            "+" + "1" * 5000,
            "1" * 5000,
            "+1" + " " * 5000 + "5550100001",
            "+800" + "1" * 8,
        ),
        *("+1 5550100", "+44 123", "((((("),
    ],
)
@pytest.mark.parametrize("region", [None, "US"])
def test_nothing_else_is_a_number(text: str, region: str | None) -> None:
    assert normalize(text, region) is None


def test_a_long_text_is_refused_unread() -> None:
    for text in ("+" + "1" * 10**6, "1 " * 10**6, "(" * 10**6, "+1" + "( )" * 10**6):
        taken_s = []
        for _ in range(3):
            started = time.perf_counter()
            assert normalize(text, "US") is None
            taken_s.append(time.perf_counter() - started)
        assert min(taken_s) < 0.01


def test_the_tables_agree_with_the_library_for_every_calling_code() -> None:
    """A seeded sweep: for each code, numbers of all lengths, with all leading digits, at random beyond."""
    draw = random.Random(20261123)
    accepted = 0
    for code in CALLING_CODES:
        for size in range(4, 15 - len(str(code)) + 1):
            for first in "0123456789":
                national = first + "".join(draw.choices("0123456789", k=size - 1))
                text = f"+{code}{national}"
                answer = normalize(text)
                assert answer == phone._ask_library.__wrapped__(text, None), text
                accepted += answer is not None
    assert accepted > 2000


@given(st.sampled_from(CALLING_CODES), st.from_regex(r"[0-9]{4,12}", fullmatch=True))
def test_the_tables_agree_with_the_library(code: int, national: str) -> None:
    text = f"+{code}{national}"
    assert normalize(text) == phone._ask_library.__wrapped__(text, None)


@given(st.text(max_size=60) | st.text("+0123456789 ()-./", max_size=60), st.sampled_from([None, "US", "GB", "AR"]))
def test_whatever_is_accepted_is_e164_and_stays_so(text: str, region: str | None) -> None:
    number = normalize(text, region)
    if number is not None:
        assert number.startswith("+")
        assert number[1:].isdigit()
        assert number.isascii()
        assert 8 <= len(number) <= 16
        assert normalize(number) == number


def test_regions() -> None:
    assert phone.is_region("US")
    assert not phone.is_region("us")
    assert not phone.is_region("001")
    assert not phone.is_region("ZZ")
