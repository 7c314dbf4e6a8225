"""What passes through nginx: to whom, from whom, and what is told about it."""

import pytest

from .conftest import Opens
from .front_door import FrontDoor
from .http_client import Connection, request
from .stand_in import StandIn

SPOOFED = {
    "X-Forwarded-For": "203.0.113.9",
    "Forwarded": "for=203.0.113.9",
    "X-Real-IP": "203.0.113.9",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
}


def test_a_request_passes_whole(door: FrontDoor, app: StandIn) -> None:
    """Method, target with its query and escapes, body and the client's own headers arrive as they were sent."""
    answer = request(
        door.port, "/v1/charges?x=%2F%C3%A9&y=", "POST", b'{"amount":"1.00"}', headers={"Idempotency-Key": "k 1"}
    )
    assert answer.status == 201
    (arrived,) = app.arrived
    assert (arrived.method, arrived.target) == ("POST", "/v1/charges?x=%2F%C3%A9&y=")
    assert arrived.body == b'{"amount":"1.00"}'
    assert arrived.headers["Idempotency-Key"] == "k 1"
    assert arrived.headers["Host"] == "b2b.local"


def test_nobody_can_pretend_to_be_somebody_else(door: FrontDoor, app: StandIn) -> None:
    """The service is told the address that nginx sees, whatever the client says of itself."""
    request(door.port, "/v1/charges", headers=SPOOFED)
    headers = app.arrived[0].headers
    assert headers.getall("X-Forwarded-For") == ["127.0.0.1"]
    assert headers.getall("X-Forwarded-Proto") == ["http"]
    assert headers.getall("X-Forwarded-Host") == ["b2b.local"]
    assert "Forwarded" not in headers
    assert "X-Real-IP" not in headers


def test_two_spellings_of_a_header_cannot_reach_the_service(door: FrontDoor, app: StandIn) -> None:
    """`X_Forwarded_For` is another name for nginx, and the same one for much that stands behind a proxy."""
    with Connection(door.port) as connection:
        connection.send(b"GET /v1/x HTTP/1.1\r\nHost: b2b.local\r\nX_Forwarded_For: 203.0.113.9\r\n\r\n")
        assert connection.receive().status == 200
    assert not [name for name in app.arrived[0].headers if "_" in name]


@pytest.mark.parametrize("sent", ["a", "order/17:retry=2", "x" * 128])
def test_a_request_id_is_kept(door: FrontDoor, app: StandIn, sent: str) -> None:
    answer = request(door.port, "/v1/charges", headers={"X-Request-Id": sent})
    assert app.arrived[0].headers["X-Request-Id"] == sent
    assert answer.headers.get_all("X-Request-Id") == [sent]
    assert door.log()[-1]["request_id"] == sent


@pytest.mark.parametrize("sent", ['a"b', "a\\b", "a b", "x" * 129, "é"])
def test_a_request_id_that_is_none_is_replaced(door: FrontDoor, app: StandIn, sent: str) -> None:
    request(door.port, "/v1/charges", headers={"X-Request-Id": sent})
    made = app.arrived[0].headers["X-Request-Id"]
    assert len(made) == 32
    assert made.isalnum()


def test_an_answer_is_never_touched(door: FrontDoor) -> None:
    """The service's own errors and headers pass; nginx only adds headers that are missing."""
    answer = request(door.port, "/v1/refused")
    assert answer.status == 404
    assert answer.json() == {"status": 404, "code": "not_found"}
    assert answer.headers.get_all("X-Frame-Options") == ["SAMEORIGIN"]
    assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert answer.headers.get_all("Referrer-Policy") == ["no-referrer"]
    assert answer.headers.get_all("Server") == ["nginx"]
    assert answer.headers.get_all("Retry-After") is None


def test_only_what_holds_no_secret_is_compressed(door: FrontDoor) -> None:
    assert request(door.port, "/console.js", headers={"Accept-Encoding": "gzip"}).headers["Content-Encoding"] == "gzip"
    assert request(door.port, "/v1/charges", headers={"Accept-Encoding": "gzip"}).headers["Content-Encoding"] is None


@pytest.mark.parametrize(
    ("target", "parts"), [("/v1/events", [b"id: 1", b"id: 2"]), ("/v1/transactions.csv", [b"id\r\n", b"1\r\n"])]
)
def test_a_stream_passes_as_it_comes(door: FrontDoor, app: StandIn, target: str, parts: list[bytes]) -> None:
    """Each part arrives although the next one, and the end, do not exist yet."""
    with Connection(door.port) as connection:
        connection.send(f"GET {target} HTTP/1.1\r\nHost: b2b.local\r\nAccept-Encoding: gzip\r\n\r\n".encode())
        connection.receive_until(b"\r\n\r\n")
        for part in parts:
            assert connection.receive_until(part)
            app.go_on()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "b2b.local.evil.example"])
def test_other_host_names_are_not_served(door: FrontDoor, app: StandIn, host: str) -> None:
    answer = request(door.port, "/v1/charges", host=host)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")
    assert app.arrived == []


def test_the_site_is_renamed_in_one_line(opens: Opens) -> None:
    door = opens(replacements={"server_name b2b.local localhost;": "server_name shop.example;"})
    assert request(door.port, "/v1/charges", host="shop.example").status == 200
    assert request(door.port, "/v1/charges", host="b2b.local").status == 404


OPERATORS_ONLY = ["/metrics", "/readyz", "//metrics", "/v1/../metrics", "/%6detrics", "/metrics?x", "/readyz#x"]


@pytest.mark.parametrize("target", OPERATORS_ONLY)
def test_what_is_for_operators_is_not_for_everybody(opens: Opens, app: StandIn, target: str) -> None:
    """However it is spelt. This client is at a loopback address, the only kind that may: that is taken out."""
    door = opens(replacements={"allow 127.0.0.0/8;": "allow 192.0.2.0/24;"})
    answer = request(door.port, target)
    assert (answer.status, answer.json()["code"]) == (403, "forbidden")
    assert app.arrived == []


@pytest.mark.parametrize("target", ["/metrics", "/readyz", "/healthz"])
def test_operators_see_it(door: FrontDoor, app: StandIn, target: str) -> None:
    assert request(door.port, target).status == 200
    assert app.targets() == [target]


def test_the_log_tells_what_was_asked_and_keeps_secrets(door: FrontDoor) -> None:
    request(
        door.port, "/v1/charges?phone_number=%2B989121234567", "POST", b"{}", headers={"Authorization": "Bearer s3cret"}
    )
    (line,) = door.log()
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/charges", 201)
    assert "989121234567" not in str(line)
    assert "s3cret" not in str(line)


def test_nginx_tells_that_it_is_alive_whatever_is_behind_it(opens: Opens, app: StandIn) -> None:
    app.is_standby = True
    assert request(opens().port, "/nginx-alive", host="127.0.0.1:8080").status == 204
