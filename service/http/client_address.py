"""Who is at the other end of a request: the peer, or whom a trusted proxy says it speaks for.

Each proxy appends the address it was called from to `X-Forwarded-For`, so the list is read from its end: the
first address that is not one of our proxies' is the client's. What stands before it anybody can have written.
"""

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from aiohttp import hdrs, web

_HOPS_MAX: Final = 20


def trust_in(trusted_proxies: Sequence[IPv4Network | IPv6Network]) -> Callable[[str], bool]:
    """Tells whether an address is that of a trusted proxy."""

    def is_trusted(address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in trusted_proxies)

    return is_trusted


def client_address_behind(
    trusted_proxies: Sequence[IPv4Network | IPv6Network],
) -> Callable[[web.Request], str]:
    """The function that tells the client's address. Without trusted proxies it is the peer's, whatever headers say."""
    is_trusted = trust_in(trusted_proxies)

    def client_address(request: web.Request) -> str:
        address = request.remote or ""
        if not is_trusted(address):
            return address
        hops = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, ())).split(",")
        for hop in reversed(hops[-_HOPS_MAX:]):
            if _parsed(hop.strip()) is None:
                break
            address = hop.strip()
            if not is_trusted(address):
                break
        return address

    return client_address


def subscriber_of(address: str) -> str:
    """Who stands behind an address, in a text to count by: an IPv6 subscriber has a whole /64."""
    ip = _parsed(address)
    match ip:
        case None:
            return address[:100]
        case IPv6Address():
            return str(IPv6Address(int(ip) >> 64 << 64))
        case _:
            return str(ip)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed
