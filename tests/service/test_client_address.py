"""The client's address: what guesses at passwords are counted by, so nobody may choose it."""

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request

from service.http.client_address import client_address_behind, subscriber_of

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1"))


def address(peer: str, *forwarded: str, proxies=PROXIES) -> str:
    headers = [("X-Forwarded-For", value) for value in forwarded]
    request = make_mocked_request("GET", "/", headers=headers).clone(remote=peer)
    return client_address_behind(proxies)(request)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", (), "203.0.113.7"),
        ("203.0.113.7", ("198.51.100.1",), "203.0.113.7"),
        ("10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("192.0.2.66, 198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("192.0.2.66, 198.51.100.1, 10.2.3.4",), "198.51.100.1"),
        ("10.0.0.1", ("192.0.2.66", "198.51.100.1"), "198.51.100.1"),
        ("::1", ("2001:db8::1",), "2001:db8::1"),
        ("::ffff:10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("", "unknown"), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1, nonsense",), "10.0.0.1"),
    ],
)
def test_only_what_a_trusted_proxy_wrote_is_believed(peer, forwarded, client) -> None:
    assert address(peer, *forwarded) == client


def test_without_proxies_headers_count_for_nothing() -> None:
    assert address("10.0.0.1", "198.51.100.1", proxies=()) == "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "subscriber"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("x" * 200, "x" * 100),
    ],
)
def test_an_ipv6_subscriber_has_many_addresses(address: str, subscriber: str) -> None:
    assert subscriber_of(address) == subscriber
