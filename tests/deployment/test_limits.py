"""Slow, large and many: nginx bears them, the service never hears of them."""

import re
import time

import pytest

from .compose import ROOT
from .conftest import Opens
from .front_door import FrontDoor
from .http_client import Connection, request
from .stand_in import StandIn

SOON_S = 2.0
KIB = 1024
LONG = 10 * 1024**3


def head(target: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {target} HTTP/1.1", "Host: b2b.local", *lines, "", ""]).encode()


def test_100_megabytes_are_refused_before_they_are_sent(door: FrontDoor, app: StandIn) -> None:
    with Connection(door.port) as connection:
        started = time.monotonic()
        connection.send(head("/v1/charges", "Content-Length: 104857600", "X-Request-Id: big"))
        answer = connection.receive()
    assert time.monotonic() - started < SOON_S
    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"] == "big"
    assert answer.headers["Connection"] == "close"
    assert app.arrived == []


def test_a_client_that_sends_on_regardless_is_cut_off(opens: Opens, app: StandIn) -> None:
    """After the refusal nginx reads a little, so that the refusal can be read, and then no more."""
    door = opens(overrides={"lingering_time": "1s"})
    with Connection(door.port) as connection:
        connection.send(head("/v1/charges", f"Content-Length: {LONG}"))
        assert sent_until_cut(connection, LONG) < LONG
    assert app.arrived == []


def sent_until_cut(connection: Connection, length: int) -> int:
    for sent in range(0, length, 65536):
        try:
            connection.send(b"x" * 65536)
        except ConnectionError:
            return sent
    return length


def test_a_large_body_that_hides_its_length_is_refused(door: FrontDoor, app: StandIn) -> None:
    with Connection(door.port) as connection:
        chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        connection.send(head("/v1/charges", "Transfer-Encoding: chunked") + chunk * 3)
        assert connection.receive().status == 413
    assert app.arrived == []


@pytest.mark.parametrize(
    ("target", "length_max"), [("/v1/charges", 64 * KIB), ("/v1/charges/batch", 4096 * KIB), ("/", 64 * KIB)]
)
def test_the_limits_of_the_api_are_the_limits_here(door: FrontDoor, app: StandIn, target: str, length_max: int) -> None:
    """A body of just that length passes, one byte more does not."""
    assert request(door.port, target, "POST", b"x" * length_max).json()["body_bytes"] == length_max
    with Connection(door.port) as connection:
        connection.send(head(target, f"Content-Length: {length_max + 1}"))
        assert connection.receive().status == 413
    assert len(app.arrived) == 1


@pytest.mark.parametrize("line", ["GET /" + "x" * 9000 + " HTTP/1.1", "GET / HTTP/1.1\r\nX-Long: " + "x" * 9000])
def test_a_long_line_is_refused(door: FrontDoor, app: StandIn, line: str) -> None:
    with Connection(door.port) as connection:
        connection.send(f"{line}\r\nHost: b2b.local\r\n\r\n".encode())
        answer = connection.receive()
    assert (answer.status, answer.json()["code"]) == (400, "malformed_request")
    assert app.arrived == []


def test_a_slow_header_is_cut(opens: Opens, app: StandIn) -> None:
    door = opens(overrides={"client_header_timeout": "200ms"})
    with Connection(door.port) as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: b2b.local\r\nX-Slow: ")
        assert connection.rest() == b""
    assert app.arrived == []


def test_a_slow_body_is_cut_and_never_reaches_the_service(opens: Opens, app: StandIn) -> None:
    door = opens(overrides={"client_body_timeout": "200ms"})
    with Connection(door.port) as connection:
        connection.send(head("/v1/charges", "Content-Length: 1000") + b"x" * 999)
        assert connection.rest() == b""
    assert app.arrived == []


@pytest.mark.parametrize(
    ("directive", "seconds_max"),
    [("client_header_timeout", 15), ("client_body_timeout", 15), ("send_timeout", 60), ("keepalive_timeout", 90)],
)
def test_the_committed_timeouts_are_short(directive: str, seconds_max: int) -> None:
    """The tests above shorten them; this one reads what is committed."""
    committed = re.search(rf"(?m)^{directive}\s+(\d+)s;", (ROOT / "nginx/limits.conf").read_text())
    assert committed
    assert 0 < int(committed[1]) <= seconds_max


def test_the_service_never_waits_for_a_body(door: FrontDoor, app: StandIn) -> None:
    """Nothing of a request arrives there before its last byte arrived at nginx; then with its length, in one piece."""
    with Connection(door.port) as connection:
        connection.send(head("/v1/charges", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n")
        request(door.port, "/v1/meanwhile")
        assert app.targets() == ["/v1/meanwhile"]
        connection.send(b"0\r\n\r\n")
        assert connection.receive().status == 201
    assert app.targets() == ["/v1/meanwhile", "/v1/charges"]
    assert app.arrived[1].headers["Content-Length"] == "2"
    assert "Transfer-Encoding" not in app.arrived[1].headers


def test_too_many_at_once_are_told_that_nothing_was_applied(opens: Opens, app: StandIn) -> None:
    door = opens(overrides={"limit_conn per_address": "1"})
    with Connection(door.port) as connection:
        connection.send(b"GET /v1/events HTTP/1.1\r\nHost: b2b.local\r\n\r\n")
        assert connection.socket.recv(1)
        answer = request(door.port, "/v1/charges", "POST", b"{}")
    assert (answer.status, answer.json()["code"]) == (503, "overloaded")
    assert answer.headers["Retry-After"] == "1"
    assert app.targets() == ["/v1/events"]


def test_2000_requests_in_flight_are_not_too_many() -> None:
    """What the API promises each seller, all of them behind one address."""
    configuration = "\n".join(file.read_text() for file in ROOT.glob("nginx/**/*.conf"))
    limits = [int(count) for count in re.findall(r"limit_conn\s+per_address\s+(\d+);", configuration)]
    assert limits
    assert min(limits) > 2000
    assert not re.findall(r"limit_req\s+zone=(?!sign_in)", configuration), "a bound by time breaks the promise"


def test_signing_in_is_bounded_for_an_address(opens: Opens, app: StandIn) -> None:
    door = opens(replacements={"rate=20r/s": "rate=1r/m", "burst=400": "burst=2"})
    answers = [request(door.port, "/v1/auth/token", "POST", b"{}") for _ in range(4)]
    assert [answer.status for answer in answers] == [201, 201, 201, 429]
    assert answers[3].json()["code"] == "too_many_attempts"
    assert answers[3].headers["Retry-After"] == "1"
    assert len(app.arrived) == 3
    assert request(door.port, "/v1/charges", "POST", b"{}").status == 201
