"""Cursors: opaque, safe in a URL, good for their own list and filters only."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.cursors import CursorFormat, CursorId, CursorInt
from service.http.query import QueryDecoder
from service.problems import Problem
from service.wire import queries

CHARGES = CursorFormat("charges", tuple[CursorInt, CursorId])
ID = "0195f3a2-c4b0-7000-8000-002a5d3e9c41"

keys = st.tuples(st.integers(0, 2**63 - 1), st.uuids().map(str))
filters = st.lists(
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.integers(-(2**63), 2**63 - 1),
    max_size=3,
)


def is_refused(text: str, of: CursorFormat = CHARGES, with_filters: Any = ()) -> bool:
    try:
        of.decode(text, with_filters)
    except Problem as raised:
        problem = raised
    else:
        return False
    return problem.status == 422 and [error.field for error in problem.errors] == ["cursor"]


@given(keys, filters)
def test_a_cursor_leads_back_to_its_key(key: tuple[int, str], with_filters: list) -> None:
    text = CHARGES.encode(key, with_filters)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    assert CHARGES.decode(text, with_filters) == key


@given(keys, filters, filters)
def test_other_filters_or_another_list_are_refused(key: tuple[int, str], mine: list, others: list) -> None:
    text = CHARGES.encode(key, mine)
    assert is_refused(text, CHARGES, others) == (mine != others)
    assert is_refused(text, CursorFormat("transactions", tuple[CursorInt, CursorId]), mine)


@given(keys, st.data())
def test_a_changed_cursor_is_refused(key: tuple[int, str], data: st.DataObject) -> None:
    text = CHARGES.encode(key)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_=+/ \n"))
    changed = text[:at] + other + text[at + 1 :]
    assert is_refused(changed) == (changed != text)


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{8,60}", fullmatch=True))
def test_text_at_random_is_no_cursor(text: str) -> None:
    assert is_refused(text)


@pytest.mark.parametrize("text", ["", "a", "=" * 12, "A" * 5000, "٥" * 12, "\ud800" * 12, "AAAAAAAA\n"])
def test_hostile_texts_are_no_cursors(text: str) -> None:
    assert is_refused(text)


@pytest.mark.parametrize(
    "key",
    [
        (2**64 - 1, ID),
        (-1, ID),
        ("5", ID),
        (5, "x"),
        (5, "\0"),
        (5, ID + "\n"),
        (5,),
        (5, ID, 5),
        None,
        {"a": 1},
        [[[5]]],
    ],
)
def test_a_forged_key_never_reaches_the_database(key: Any) -> None:
    """Checksums are no secret: one may be right while the key is nothing that a query can take."""
    assert is_refused(CursorFormat("charges", Any).encode(key))


def test_filters_are_taken_as_queries_decode_them() -> None:
    query = QueryDecoder(queries.Transactions).decode(
        [("from", "2026-11-23"), ("charge_id", ID.upper()), ("type", "charge")]
    )
    filters = (query.type, query.charge_id, query.from_us, query.to_us)
    text = CHARGES.encode((5, ID), filters)
    assert CHARGES.decode(text, ("charge", ID, 1_795_392_000_000_000, None)) == (5, ID)
