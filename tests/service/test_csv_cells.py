"""CSV that reads back as it was, and runs in no spreadsheet."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import csv_cells

cells = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=2)


@given(st.lists(cells, max_size=5))
def test_rows_read_back_as_they_were(rows: list[list[str]]) -> None:
    text = "".join(csv_cells.row(row) for row in rows)
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == rows


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_what_would_be_a_formula_is_text(start: str) -> None:
    assert csv_cells.guarded(f"{start}1+1") == f"'{start}1+1"


@given(st.text())
def test_nothing_else_is_changed(text: str) -> None:
    guarded = csv_cells.guarded(text)
    assert guarded in (text, f"'{text}")
    assert guarded[:1] not in tuple("=+-@\t\r\n")


def test_nothing_is_an_empty_cell() -> None:
    assert csv_cells.guarded(None) == ""
