"""What one party takes for one request and the other for two: never passed on.

Each connection below carries a hidden second request, `GET /v1/smuggled`. It is enough that the service ever sees
it. RFC 9112, section 6; "HTTP Desync Attacks" (Kettle, 2019) for the variants.
"""

import pytest

from .front_door import FrontDoor
from .http_client import Connection
from .stand_in import StandIn

HIDDEN = b"GET /v1/smuggled HTTP/1.1\r\nHost: b2b.local\r\n\r\n"


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"POST /v1/charges HTTP/1.1", b"Host: b2b.local", *lines, b"", b""]) + body


LENGTH = b"Content-Length: %d" % len(HIDDEN)
CHUNKED = b"Transfer-Encoding: chunked"
END = b"0\r\n\r\n"

REFUSED = {
    "length and chunked": post(LENGTH, CHUNKED, body=END + HIDDEN),
    "chunked and length": post(CHUNKED, b"Content-Length: 5", body=END + HIDDEN),
    "two lengths": post(b"Content-Length: 0", LENGTH, body=HIDDEN),
    "the same length twice": post(b"Content-Length: 0", b"Content-Length: 0", body=HIDDEN),
    "a list of lengths": post(b"Content-Length: 0, 0", body=HIDDEN),
    "a signed length": post(b"Content-Length: +0", body=HIDDEN),
    "a negative length": post(b"Content-Length: -1", body=HIDDEN),
    "a hexadecimal length": post(b"Content-Length: 0x0", body=HIDDEN),
    "two numbers": post(b"Content-Length: 0 0", body=HIDDEN),
    "a length past 64 bits": post(b"Content-Length: 18446744073709551616", body=HIDDEN),
    "another coding": post(b"Transfer-Encoding: xchunked", body=END + HIDDEN),
    "two codings": post(b"Transfer-Encoding: gzip, chunked", body=END + HIDDEN),
    "chunked twice": post(CHUNKED, CHUNKED, body=END + HIDDEN),
    "identity and length": post(b"Transfer-Encoding: identity", LENGTH, body=HIDDEN),
    "a vertical tab before chunked": post(b"Transfer-Encoding: \x0bchunked", body=END + HIDDEN),
    "a space before the colon": post(b"Transfer-Encoding : chunked", LENGTH, body=END + HIDDEN),
    "a tab before the colon": post(b"Content-Length\t: 0", body=HIDDEN),
    "a folded header": post(b"X: y", b" Transfer-Encoding: chunked", LENGTH, body=END + HIDDEN),
    "a control character in a name": post(b"Content-Length\x01: 0", body=HIDDEN),
    "a null in a value": post(b"Content-Length: 0\x00", body=HIDDEN),
    "a chunk size that is none": post(CHUNKED, body=b"zz\r\n" + HIDDEN),
    "a negative chunk size": post(CHUNKED, body=b"-1\r\n" + HIDDEN),
    "a chunk size past 64 bits": post(CHUNKED, body=b"10000000000000000\r\n" + HIDDEN),
    "a chunk longer than its size": post(CHUNKED, body=b"1\r\nabc\r\n" + END + HIDDEN),
    "two hosts": post(b"Host: evil.example", b"Content-Length: 0"),
    "a version that is none": b"GET /v1/smuggled HTTP/1.1x\r\nHost: b2b.local\r\n\r\n",
    "a version to come": b"GET /v1/smuggled HTTP/2.0\r\nHost: b2b.local\r\n\r\n",
    "a control character in the target": b"GET /v1/\x01smuggled HTTP/1.1\r\nHost: b2b.local\r\n\r\n",
    "no host": b"GET /v1/smuggled HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED.keys())
def test_an_ambiguous_request_is_refused_and_the_connection_closed(door: FrontDoor, app: StandIn, sent: bytes) -> None:
    with Connection(door.port) as connection:
        connection.send(sent)
        answer = connection.receive()
        assert connection.rest() == b"", "nothing after it is answered"
    assert (answer.status, answer.json()["code"]) == (400, "malformed_request")
    assert app.arrived == []


BODY = b"{}"
NORMALISED = {
    "bare line feeds": post(b"Content-Length: 2", body=BODY).replace(b"\r\n", b"\n"),
    "bare line feeds between chunks": post(CHUNKED, body=b"2\n{}\n0\n\n"),
    "an extension of a chunk": post(CHUNKED, body=b"2;a=" + b"x" * 100 + b"\r\n{}\r\n0\r\n\r\n"),
    "trailers": post(CHUNKED, body=b"2\r\n{}\r\n0\r\nContent-Length: 9\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"),
    "letters of either case": post(b"tRANSFER-eNCODING: cHUNKED", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "an underscore": post(b"Content-Length: 2", b"Transfer_Encoding: chunked", b"Content_Length: 9", body=BODY),
}


@pytest.mark.parametrize("sent", NORMALISED.values(), ids=NORMALISED.keys())
def test_what_may_be_read_in_one_way_only_is_written_anew(door: FrontDoor, app: StandIn, sent: bytes) -> None:
    """RFC 9112 lets a recipient accept these. The service sees one plain request, whatever they looked like."""
    with Connection(door.port) as connection:
        connection.send(sent)
        assert connection.receive().status == 201
    (arrived,) = app.arrived
    assert arrived.body == BODY
    assert arrived.headers.getall("Content-Length") == ["2"]
    assert arrived.headers.getall("X-Forwarded-For") == ["127.0.0.1"]
    assert "Transfer-Encoding" not in arrived.headers
    assert not [name for name in arrived.headers if "_" in name]


def test_requests_in_one_go_are_requests(door: FrontDoor, app: StandIn) -> None:
    """The hidden request above is one that would be served: openly in a row, it is."""
    with Connection(door.port) as connection:
        connection.send(post(b"Content-Length: 2", body=BODY) + HIDDEN)
        assert connection.receive().status == 201
    assert app.targets()[0] == "/v1/charges"


def test_a_body_is_a_body_whatever_it_looks_like(door: FrontDoor, app: StandIn) -> None:
    with Connection(door.port) as connection:
        connection.send(post(LENGTH, body=HIDDEN))
        assert connection.receive().status == 201
    assert [(request.target, request.body) for request in app.arrived] == [("/v1/charges", HIDDEN)]


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        (b"TRACE /v1/x", 405, "method_not_allowed"),
        (b"CONNECT /v1/x", 405, "method_not_allowed"),
        (b"CONNECT b2b.local:443", 400, "malformed_request"),
    ],
)
def test_methods_that_belong_to_proxies_are_not_served(
    door: FrontDoor, app: StandIn, line: bytes, status: int, code: str
) -> None:
    with Connection(door.port) as connection:
        connection.send(line + b" HTTP/1.1\r\nHost: b2b.local\r\n\r\n")
        answer = connection.receive()
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert app.arrived == []
