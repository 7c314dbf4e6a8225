"""CSV that reads back as it was, and runs in no spreadsheet."""

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import csv_cells

cells = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=2)


@given(st.lists(cells, max_size=5))
def test_rows_read_back_as_they_were(rows: list[list[str]]) -> None:
    text = "".join(csv_cells.row(row) for row in rows)
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == rows


STARTS = "=+-@\uff1d\uff0b\uff0d\uff20"


@pytest.mark.parametrize("start", [*STARTS, *"\t\r\n", " =", "  @"])
def test_what_would_be_a_formula_is_text(start: str) -> None:
    assert csv_cells.guarded(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("separator", [";", "\t", "\r\n", "\n"])
def test_nor_is_it_a_formula_where_a_spreadsheet_splits_lines_elsewhere(separator: str) -> None:
    assert csv_cells.guarded(f"a{separator}=1+1;b") == f"a{separator}'=1+1;b"


@given(st.text(st.sampled_from(f"{STARTS};\t\r\n ',\"a1")))
def test_no_part_of_a_text_begins_like_a_formula_and_nothing_else_is_changed(text: str) -> None:
    guarded = csv_cells.guarded(text)
    assert guarded[:1] not in tuple("\t\r\n")
    for part in re.split(r"[;\t\r\n]", guarded):
        assert part.lstrip(" ")[:1] not in tuple(STARTS)
    assert guarded.replace("'", "") == text.replace("'", "")


def test_json_stays_what_it_is_and_has_no_semicolon() -> None:
    text = '{"reference":"a;=1+1;b","metadata":{";":"\\\\;"}}'
    assert ";" not in csv_cells.guarded_json(text)
    assert json.loads(csv_cells.guarded_json(text)) == json.loads(text)


def test_nothing_is_an_empty_cell() -> None:
    assert csv_cells.guarded(None) == ""
