"""Pictures are whole, the same for the same figures, and bear having little to show."""

from xml.etree import ElementTree

import pytest

from loadtest import charts
from loadtest.charts import Line

TIMES = [0.0, 1.0, 2.0]
LINES = [Line("first & <last>", TIMES, [1.0, 2.0, 3.0]), Line("other", TIMES, [3.0, 2.0, 1.0], is_faint=True)]
DRAWN = {
    "lines": lambda: charts.lines(LINES, x="seconds", y="requests per second"),
    "logarithmic lines": lambda: charts.lines(LINES, x="seconds", y="ms", is_log=True),
    "no lines": lambda: charts.lines([], x="seconds", y="ms"),
    "empty lines": lambda: charts.lines([Line("none", [], [])], x="seconds", y="ms", is_log=True),
    "stack": lambda: charts.stack(LINES, x="seconds", y="requests per second"),
    "no stack": lambda: charts.stack([], x="seconds", y="requests per second"),
    "curve": lambda: charts.percentile_curve([("all", range(1, 100_000))], y="ms"),
    "curve of one": lambda: charts.percentile_curve([("all", [5.0])], y="ms"),
    "no curve": lambda: charts.percentile_curve([("all", [])], y="ms"),
    "bars": lambda: charts.bars(["one", "two"], [12_345.0, 2.5], x="requests per second", errors=[10.0, 0.1]),
}


@pytest.mark.parametrize("title", DRAWN)
def test_a_picture_is_whole_and_the_same_for_the_same_figures(title: str):
    drawn = DRAWN[title]()
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert drawn == DRAWN[title]()


def test_texts_stay_texts():
    drawn = charts.bars(["charge"], [12_345.0], x="requests per second")
    texts = {"".join(each.itertext()).strip() for each in ElementTree.fromstring(drawn).iter() if "text" in each.tag}
    assert {"charge", "12,345", "requests per second"} <= texts


def test_the_curve_of_a_million_fits_in_a_page():
    assert len(charts.percentile_curve([("all", range(1_000_000))], y="ms")) < 60_000
