"""Money: every amount survives the way to text and back; nothing but the contract's grammar is an amount."""

import re
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from journal import money

# One currency of each number of decimals there is.
CURRENCIES = {"JPY": 0, "USD": 2, "KWD": 3, "CLF": 4}

currencies = st.sampled_from(sorted(CURRENCIES))


@given(currencies, st.integers(min_value=0, max_value=10**13 - 1))
def test_formatted_amounts_parse_back_to_themselves(currency: str, amount: int) -> None:
    assert money.parse(money.format_minor(amount, currency), currency) == amount


@given(currencies, st.integers())
@example("USD", -5)
@example("JPY", -1)
def test_formatted_text_is_the_exact_decimal(currency: str, amount: int) -> None:
    """Sign, at least one whole digit, exactly the currency's decimals, whatever the size."""
    text = money.format_minor(amount, currency)
    decimals = CURRENCIES[currency]
    assert re.fullmatch(rf"-?(0|[1-9][0-9]*)(\.[0-9]{{{decimals}}})?", text, re.ASCII)
    assert ("." in text) == (decimals > 0)
    assert int(text.replace(".", "")) == amount
    assert text.startswith("-") == (amount < 0)


@given(currencies, st.from_regex(r"(0|[1-9][0-9]{0,12})(\.[0-9]{1,4})?", fullmatch=True))
def test_grammar_is_accepted_up_to_the_currencys_decimals(currency: str, text: str) -> None:
    whole, _, fraction = text.partition(".")
    decimals = CURRENCIES[currency]
    expected = int(whole) * 10**decimals + int(fraction.ljust(decimals, "0") or "0")
    assert money.parse(text, currency) == (expected if len(fraction) <= decimals else None)


@given(currencies, st.from_regex(r"(0|[1-9][0-9]{0,12})(\.[0-9]{1,4})?", fullmatch=True))
def test_an_amount_of_other_decimals_is_cut_off(currency: str, text: str) -> None:
    cut = money.parse_cut(text, currency)
    assert cut == int(Decimal(text) * 10 ** CURRENCIES[currency])
    assert cut == money.parse(text, currency) or money.parse(text, currency) is None


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            ".",
            "-",
            "+",
            "NaN",
            "nan",
            "Infinity",
            "-Infinity",
            "inf",
            "-0",
            "-1",
            "+1",
            "00",
            "01",
            "0x10",
        ),
        *(
            "1e3",
            "1E3",
            "1e1000000",
            "1_000",
            "1,000",
            "1.",
            ".5",
            "1.2.3",
            "0.00001",
            "1.00000",
            "true",
            "null",
        ),
        *(
            " 5 ",
            "5 ",
            " 5",
            "5\n",
            "\n5",
            "5\x00",
            "\x005",
            "٥",
            "５",
            "५",
            "५.00",
            "²",
            "Ⅴ",
            "5\u200b",
            "\ud800",
        ),
        *("12345678901234", "9" * 5000, "0." + "0" * 5000, "0" * 5000, "1" + "0" * 20000, "$5", "5 USD"),
    ],
)
def test_anything_else_is_no_amount(currency: str, text: str) -> None:
    assert money.parse(text, currency) is None
    assert money.parse_cut(text, currency) is None


@given(currencies, st.text(max_size=40))
def test_text_at_random_is_an_amount_only_if_it_is_of_the_grammar(currency: str, text: str) -> None:
    decimals = CURRENCIES[currency]
    fraction = rf"(\.[0-9]{{1,{decimals}}})?" if decimals else ""
    is_amount = re.fullmatch(rf"(0|[1-9][0-9]{{0,12}}){fraction}", text, re.ASCII) is not None
    assert (money.parse(text, currency) is not None) == is_amount


@pytest.mark.parametrize("code", ["usd", "US", "USDT", "XXX", "XAU", "XTS", "", "ＵＳＤ", "USD "])
def test_codes_that_no_amount_can_be_kept_in(code: str) -> None:
    assert not money.is_currency(code)


def test_the_table_holds_each_currency_once() -> None:
    codes = [code for codes in money._CODES_BY_DECIMALS.values() for code in codes.split()]
    assert len(codes) == len(set(codes)) == 165
    assert all(re.fullmatch("[A-Z]{3}", code) for code in codes)
    assert {code: money.exponent(code) for code in CURRENCIES} == CURRENCIES


def test_the_widest_amount_fits_a_signed_64_bit_integer_many_times_over() -> None:
    widest = money.parse("9" * money.WHOLE_DIGITS_MAX + ".9999", "CLF")
    assert widest == 10**17 - 1
    assert widest * 90 < 2**63
