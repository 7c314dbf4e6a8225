"""The hostile corpus: requests as bytes, each of which must be refused by a problem of the contract.

What single decoders make of hostile values is tested beside them; here it is the whole service, where such a value
can come in, and what cannot be a request at all.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

NOT_AMOUNTS: Final = (
    *("NaN", "Infinity", "-Infinity", "-0", "0", "0.00", "-1", "1e1000000", "-1e1000000", "1e400", "0.001", "true"),
    *("null", "[]", "{}", "01", "+1", ".5", "5.", "0x10", "1_000", "9" * 5_000, "0." + "0" * 5_000 + "1"),
    *('"NaN"', '"Infinity"', '"-0"', '"0"', '"-1"', '"1e1000000"', '"0.001"', '"true"', '"1_000"', '"٥"', '" 5 "'),
    *('"5\\u0000"', '"\\ud800"', '""', '"' + "9" * 5_000 + '"', '"５"', '"1,000"', '"$5"', '"5.00 "', '"\\n5"'),
)
NOT_TEXTS: Final = (
    *('"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udfff\\ud800"', '"\x00"', '"\n"', "5", "true", "[]", "{}"),
    *('["a"]', '{"a": "b"}', "1e400", '"' + "a" * 60_000 + '"'),
)
NOT_JSON: Final = (
    *(b"", b" ", b"{", b"}", b"nul", b"{'a': 1}", b'{"a":1,}', b"\xef\xbb\xbf{}", b"\x00", b"\xff\xfe{\x00}\x00"),
    *(b'{"amount": "5", "x": "\xff"}', b'{"amount": "\xed\xa0\x80"}', b"[" * 60_000, b'{"a":' * 12_000, b"5 5"),
)
BAD_ESCAPES: Final = ("%", "%z", "%zz", "%0", "%00", "%ff", "%c0%80", "%ed%a0%80", "%2e%2e%2f", "%u0041", "%25zz")
BAD_CURSORS: Final = ("x", "AAAA", "=", "-" * 500, "0", "bnVsbA", "W10", "e30", "WzEsMl0", "%F0%9F%92%A9")
MIB: Final = 2**20


class Places(Struct, frozen=True):
    """Whose credentials, and which objects, the requests speak of."""

    seller_token: str
    admin_token: str
    seller_id: str
    hold_id: str


class Hostile(Struct, frozen=True):
    name: str
    sent: bytes
    may_close_first: bool = False
    """So much is sent that the service closes before it has all of it; its answer may be lost with that."""


def corpus(places: Places) -> Iterator[Hostile]:
    yield from _amounts(places)
    yield from _texts(places)
    yield from _bodies(places)
    yield from _heads(places)
    yield from _targets(places)


def request(
    method: str, target: str, token: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    sent = {"Host": "shop", "Authorization": f"Bearer {token}"}
    if body is not None:
        sent |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [
        f"{method} {target} HTTP/1.1",
        *(f"{name}: {value}" for name, value in (sent | dict(headers or {})).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def _amounts(places: Places) -> Iterator[Hostile]:
    for raw in NOT_AMOUNTS:
        value = raw.encode()
        sale = b'{"phone_number": "+15550100001", "amount": %b}' % value
        bodies = {
            "/v1/charges": sale,
            "/v1/charges/batch": b'{"mode": "independent", "charges": [%b]}' % sale,
            "/v1/credit-requests": b'{"amount": %b}' % value,
        }
        if raw != "null":  # A capture without an amount is one of all that is held.
            bodies[f"/v1/charges/{places.hold_id}/capture"] = b'{"amount": %b}' % value
        for target, body in bodies.items():
            yield Hostile(f"amount {raw[:20]} to {target}", request("POST", target, places.seller_token, body))
        body = b'{"amount": %b, "direction": "credit", "reason": "x"}' % value
        target = f"/v1/sellers/{places.seller_id}/adjustments"
        yield Hostile(f"adjustment of {raw[:20]}", request("POST", target, places.admin_token, body))
    for raw in ("9" * 5_000, "1e9", "-1", "true", '"x"', "[]", "0", "604801", "1.5", '"60"'):
        body = b'{"phone_number": "+15550100001", "amount": "1", "capture": false, "expires_in": %b}' % raw.encode()
        yield Hostile(f"expires_in {raw[:20]}", request("POST", "/v1/charges", places.seller_token, body))


def _texts(places: Places) -> Iterator[Hostile]:
    for raw in NOT_TEXTS:
        value = raw.encode()
        fields = {
            "phone_number": b'{"amount": "1", "phone_number": %b}',
            "reference": b'{"amount": "1", "phone_number": "+15550100001", "reference": %b}',
            "metadata": b'{"amount": "1", "phone_number": "+15550100001", "metadata": {"a": %b}}',
            "unknown": b'{"amount": "1", "phone_number": "+15550100001", "unknown": %b}',
        }
        for field, template in fields.items():
            yield Hostile(f"{field} {raw[:20]}", request("POST", "/v1/charges", places.seller_token, template % value))
        body = b'{"username": %b, "password": "a long password", "name": "x"}' % value
        yield Hostile(f"username {raw[:20]}", request("POST", "/v1/sellers", places.admin_token, body))
        body = b'{"username": "x", "password": %b}' % value
        yield Hostile(f"password {raw[:20]}", request("POST", "/v1/auth/token", places.admin_token, body))
    many = json.dumps({"phone_number": "+15550100001", "amount": "1", "metadata": {f"{n}": "" for n in range(5_000)}})
    yield Hostile("metadata of 5,000", request("POST", "/v1/charges", places.seller_token, many.encode()))


def _bodies(places: Places) -> Iterator[Hostile]:
    token = places.seller_token
    for body in NOT_JSON:
        for target in ("/v1/charges", "/v1/charges/batch"):
            yield Hostile(f"body {body[:20]!r} to {target}", request("POST", target, token, body))
    for opening in (b"[", b'{"charges":[', b'{"a":'):
        nested = opening * 100_000
        yield Hostile(f"100,000 of {opening!r}", request("POST", "/v1/charges/batch", token, nested))
    items = b",".join([b'{"phone_number": 5, "amount": true}'] * 10_000)
    body = b'{"mode": "independent", "charges": [%b]}' % items
    yield Hostile("a batch that is wrong 10,000 times", request("POST", "/v1/charges/batch", token, body))
    digits = b'{"mode": "independent", "charges": [%b]}' % (b"9" * 3 * MIB)
    yield Hostile("a number of three million digits", request("POST", "/v1/charges/batch", token, digits))
    length = {"Content-Length": str(100 * MIB)}
    yield Hostile("100 MiB, announced", request("POST", "/v1/charges", token, b"", length))
    large = b"x" * (100 * MIB)
    yield Hostile("100 MiB, sent", request("POST", "/v1/charges/batch", token, large), may_close_first=True)
    bomb = gzip.compress(bytes(32 * MIB))
    for encoding in ("gzip", "deflate", "br", "zstd", "identity, gzip", "x"):
        named = {"Content-Encoding": encoding}
        yield Hostile(f"compressed: {encoding}", request("POST", "/v1/charges", token, bomb, named))
    chunked = (
        f"POST /v1/charges HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    for chunk in (
        b"zz\r\n",
        b"-1\r\nx\r\n",
        b"5\r\nabcdefgh\r\n",
        b"0x5\r\nhello\r\n",
        b"f" * 40 + b"\r\n",
        b"1 ;\n\r\nx",
    ):
        yield Hostile(f"chunk {chunk[:12]!r}", chunked + chunk)
    yield Hostile("chunks beyond the bound", chunked + b"8000\r\n%b\r\n" % (b"x" * 0x8000) * 3, may_close_first=True)
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "", "a/b/c"):
        typed = {"Content-Type": kind}
        yield Hostile(f"type {kind!r}", request("POST", "/v1/charges", token, b'{"amount": "1"}', typed))


def _heads(places: Places) -> Iterator[Hostile]:
    sale = b'{"phone_number": "+15550100001", "amount": "0.01"}'
    for key in ("", " ", "k" * 256, "\xe9", "a\tb", "a\x7fb"):
        named = {"Idempotency-Key": key}
        yield Hostile(f"key {key[:9]!r}", request("POST", "/v1/charges", places.seller_token, sale, named))
    for value in ("Bearer", "Bearer ", "Basic YTpi", "Bearer " + "x" * 6_000, "Bearer \xff\xfe", "bearer a b c", "x"):
        named = {"Authorization": value}
        yield Hostile(f"credential {value[:12]!r}", request("GET", "/v1/balance", "", headers=named))
    for name, value in {"X": "a" * 20_000, "X" * 20_000: "a", "Cookie": "a=" + "b" * 100_000}.items():
        sent = request("GET", "/v1/balance", places.seller_token, headers={name: value})
        yield Hostile(f"header {name[:9]} of {len(sent):,} bytes", sent, may_close_first=True)
    many = {f"X-{number}": "a" for number in range(10_000)}
    sent = request("GET", "/v1/balance", places.seller_token, headers=many)
    yield Hostile("10,000 headers", sent, may_close_first=True)
    for method in ("TRACE", "CONNECT", "PUT", "BREW", "OPTIONS"):
        yield Hostile(f"method {method}", request(method, "/v1/charges", places.seller_token))


def _targets(places: Places) -> Iterator[Hostile]:
    token = places.seller_token
    for escape in BAD_ESCAPES:
        for target in (f"/v1/charges/{escape}", f"/v1/{escape}", f"/v1/credit-requests/{escape}/cancel"):
            method = "POST" if target.endswith("cancel") else "GET"
            yield Hostile(f"{method} {target}", request(method, target, token))
        for name in ("limit", "cursor", "from", "status"):
            target = f"/v1/charges?{name}={escape}"
            yield Hostile(f"GET {target}", request("GET", target, token))
    for cursor in BAD_CURSORS:
        for path in ("/v1/charges", "/v1/transactions", "/v1/credit-requests"):
            yield Hostile(f"{path} cursor {cursor[:9]}", request("GET", f"{path}?cursor={cursor}", token))
        yield Hostile(
            f"sellers cursor {cursor[:9]}", request("GET", f"/v1/sellers?cursor={cursor}", places.admin_token)
        )
    for query in (
        "limit=0",
        "limit=101",
        "limit=9" + "9" * 5_000,
        "limit=٥",
        "limit=1_0",
        "x=y",
        "limit=1&limit=2",
        "&=&",
    ):
        target = f"/v1/charges?{query}".encode().decode("latin-1")
        yield Hostile(f"GET {target[:40]}", request("GET", target, token))
    for moment in ("0000-00-00", "9999-99-99T00:00:00Z", "2020-01-01T00:00:00", "1e9", "now", "-1", "9" * 30):
        yield Hostile(f"from {moment}", request("GET", f"/v1/charges?from={moment}", token))
        yield Hostile(f"at {moment}", request("GET", f"/v1/balance?at={moment}", token))
    for path in (
        "/v1/charges/" + "a" * 5_000,
        "/v1/charges/../../etc/passwd",
        "//v1//charges",
        "/v1/charges/٥",
        "/v1/",
    ):
        yield Hostile(f"GET {path[:40]}", request("GET", path.encode().decode("latin-1"), token))
