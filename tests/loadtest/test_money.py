"""The load test's own money: exact, and stricter than what the service accepts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.money import DECIMALS, to_minor, to_text


@given(minor=st.integers(-(10**18), 10**18), currency=st.sampled_from(sorted(DECIMALS)))
def test_what_is_written_reads_back(minor: int, currency: str):
    assert to_minor(to_text(minor, currency), currency) == minor


def test_texts_are_those_of_the_contract():
    assert to_text(5000, "USD") == "50.00"
    assert to_text(-5, "USD") == "-0.05"
    assert to_text(-5, "KWD") == "-0.005"
    assert to_text(0, "JPY") == "0"


@pytest.mark.parametrize(
    "text",
    ["50", "50.0", "50.000", "050.00", "+1.00", "-0.00", " 1.00", "1.00\n", "1,00", "٥.٠٠", "", None, 5000, 50.0],
)
def test_other_forms_of_money_are_no_money(text: object):
    with pytest.raises(ValueError, match=r"money|minus zero"):
        to_minor(text, "USD")
