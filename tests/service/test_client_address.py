"""The client's address: what guesses at passwords are counted by, so nobody may choose it."""

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request

from service.http.client_address import client_address_behind

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
