"""Logs: one line of JSON per event, and no secret in any of them."""

import io
import json
import logging
import time
from collections.abc import Iterator

import pytest
from aiohttp.http_exceptions import BadHttpMessage
from hypothesis import given
from hypothesis import strategies as st

from service import logs

SECRETS = [
    "cst_" + "a" * 43,
    "csk_" + "B-_" * 14 + "x",
    "s3cret-word",
]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged at `info` and above; the process's own logging is put back afterwards."""
    root = logging.getLogger()
    before = (root.handlers, root.level, logging.raiseExceptions)
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    yield stream
    root.handlers, level, logging.raiseExceptions = before
    root.setLevel(level)


def events(lines: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_an_event_is_one_line_of_json(lines: io.StringIO) -> None:
    logging.getLogger("a.b").info("serving", extra={"address": "http://x:1", "text": "two\nlines", "n": 5})
    (event,) = events(lines)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "serving",
        "level": "info",
        "logger": "a.b",
        "address": "http://x:1",
        "text": "two\nlines",
        "n": 5,
    }


def test_an_exception_stays_on_its_line_without_its_secrets(lines: io.StringIO) -> None:
    try:
        raise RuntimeError(f"no connection to postgresql://shop:{SECRETS[2]}@db:5432/shop with Bearer {SECRETS[0]}")
    except RuntimeError:
        logging.getLogger("x").exception("failed")
    (event,) = events(lines)
    assert "RuntimeError" in event["exception"]
    assert "postgresql://shop:***@db:5432/shop" in event["exception"]
    assert not any(secret in lines.getvalue() for secret in SECRETS)


@pytest.mark.parametrize(
    "extra",
    [
        {"password": SECRETS[2]},
        {"new_password": SECRETS[2]},
        {"Authorization": f"Bearer {SECRETS[2]}"},
        {"api_key": SECRETS[2]},
        {"database_url": SECRETS[2]},
        {"headers": {"authorization": SECRETS[2], "cookie": SECRETS[2]}},
        {"items": [{"token": SECRETS[2]}]},
        {"text": f"password={SECRETS[2]}"},
        {"text": f'{{"password": "{SECRETS[2]}"}}'},
        {"text": f"got {SECRETS[0]} and {SECRETS[1]}"},
        {"object": ValueError(f"postgres://u:{SECRETS[2]}@h/d")},
    ],
)
def test_secrets_are_taken_out(extra: dict, lines: io.StringIO) -> None:
    logging.getLogger("x").info("happened", extra=extra)
    assert events(lines)[0]["event"] == "happened"
    assert not any(secret in lines.getvalue() for secret in SECRETS)


def test_what_is_no_secret_stays(lines: io.StringIO) -> None:
    logging.getLogger("x").info("answered", extra={"idempotency_key": "k-1", "request_id": "r", "path": "/v1/api-keys"})
    event = events(lines)[0]
    assert (event["idempotency_key"], event["request_id"], event["path"]) == ("k-1", "r", "/v1/api-keys")


@given(st.text(max_size=100))
def test_any_text_is_one_line(text: str) -> None:
    stream = io.StringIO()
    handler, level = logging.getLogger().handlers, logging.getLogger().level
    try:
        logs.configure("info", "json", stream)
        logging.getLogger("x").info("said", extra={"text": text})
    finally:
        logging.getLogger().handlers = handler
        logging.getLogger().setLevel(level)
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().isascii()


@pytest.mark.parametrize("text", ["a", "a.", "a://b:", "password ", "password", "pgpassword=", "bearer ", "cst_", " "])
def test_a_long_text_of_any_kind_is_searched_in_no_time(text: str, lines: io.StringIO) -> None:
    """The event loop writes the log: 20,000 letters kept it for 14 s."""
    started = time.process_time()
    logging.getLogger("tests").info("said", extra={"what": text * (100_000 // len(text))})
    assert time.process_time() - started < 1
    assert lines.getvalue()


def test_below_the_level_nothing_is_made(lines: io.StringIO) -> None:
    logging.getLogger("x").debug("detail")
    assert lines.getvalue() == ""


def test_requests_that_are_not_http_do_not_fill_the_log(lines: io.StringIO) -> None:
    server = logging.getLogger("aiohttp.server")
    server.error("Error handling request", exc_info=BadHttpMessage("bad"))
    assert lines.getvalue() == ""
    server.error("Error handling request", exc_info=ValueError("ours"))
    assert len(events(lines)) == 1


def test_a_terminal_gets_text(lines: io.StringIO) -> None:
    stream = io.StringIO()
    logs.configure("info", "console", stream)
    logging.getLogger("x").info("serving", extra={"password": SECRETS[2], "port": 8080})
    assert "serving" in stream.getvalue()
    assert "port" in stream.getvalue()
    assert SECRETS[2] not in stream.getvalue()
