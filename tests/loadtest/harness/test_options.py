"""Options out of bounds are refused in one line, before anything is asked of anybody."""

import pytest

from loadtest.harness.options import PASSWORD, wishes_of


@pytest.fixture(autouse=True)
def password(monkeypatch):
    monkeypatch.setenv(PASSWORD, "a password")


@pytest.mark.parametrize(
    "arguments",
    [
        "--rate 0",
        "--rate -5",
        "--rate nan",
        "--rate inf",
        "--rate 60000",
        "--rate many",
        "--duration 0",
        "--duration 1e9",
        "--rate 50000 --duration 3600",
        "--sellers 0",
        "--sellers 10001",
        "--concurrency 0",
        "--concurrency 5 --rate 5",
        "--mix sell=1",
        "--mix charge=0",
        "--skew -1",
        "--keys 1.1",
        "--in-flight-max 0",
        "--timeout 0",
        "--credit 1",
        "--credit -1.00",
        "--url shop.example",
        "--url ftp://shop.example",
        "--url http://shop.example:0",
        "--url http://user:word@shop.example",
        "--report /there/is/no/such/folder/report.html",
        "--unknown",
    ],
)
def test_what_is_out_of_bounds_is_refused_in_one_line(arguments: str, capsys):
    with pytest.raises(SystemExit) as ended:
        wishes_of(arguments.split())
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1


def test_a_url_without_a_password_is_refused(monkeypatch, capsys):
    monkeypatch.delenv(PASSWORD)
    with pytest.raises(SystemExit):
        wishes_of(["--url", "http://shop.example"])
    assert PASSWORD in capsys.readouterr().err


def test_the_defaults_are_a_small_open_loop_on_a_service_of_its_own():
    wishes = wishes_of([])
    assert wishes.url is None
    assert (wishes.load.rate, wishes.load.duration_s, wishes.load.sellers) == (200, 30, 20)


def test_a_closed_loop_has_no_rate():
    wishes = wishes_of(["--concurrency", "64", "--url", "https://shop.example/base/"])
    assert (wishes.load.rate, wishes.in_flight_max, wishes.url) == (None, 64, "https://shop.example/base")
