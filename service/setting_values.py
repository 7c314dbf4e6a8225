"""The kinds of values that settings take: from text to value, or a ValueError that says what was expected."""

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network

from journal import money
from service import phone
from service.identity.passwords import LENGTH_MAX, LENGTH_MIN, password_fault


def integer(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if re.fullmatch(r"[0-9]{1,12}", text, re.ASCII) and least <= int(text) <= most:
            return int(text)
        raise ValueError(f"expected a whole number from {least} to {most}")

    return parse


def seconds(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text, re.ASCII) and least <= float(text) <= most:
            return float(text)
        raise ValueError(f"expected seconds from {least:g} to {most:g}")

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text in words:
            return text
        raise ValueError(f"expected one of {', '.join(words)}")

    return parse


def flag(text: str) -> bool:
    match text.lower():
        case "true" | "yes" | "on" | "1":
            return True
        case "false" | "no" | "off" | "0":
            return False
    raise ValueError("expected true or false")


def host(text: str) -> str:
    if len(text) <= 255 and not re.search(r"[\s/]", text):
        return text
    raise ValueError("expected a host name or an address")


def postgres_url(text: str) -> str:
    if re.fullmatch(r"postgres(ql)?://\S+", text):
        return text
    raise ValueError("expected a URL like postgresql://user:password@host:5432/database")


def password(text: str) -> str:
    if password_fault(text) is None:
        return text
    raise ValueError(f"expected {LENGTH_MIN} to {LENGTH_MAX} characters")


def currency(text: str) -> str:
    if money.is_currency(text):
        return text
    raise ValueError("expected an ISO 4217 currency, as USD")


def region(text: str) -> str:
    if phone.is_region(text):
        return text
    raise ValueError("expected an ISO 3166 region, as US")


def amount(text: str) -> str:
    if re.fullmatch(money.TEXT_PATTERN, text):
        return text
    raise ValueError("expected an amount, as 1000.00")


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(","))
    except ValueError:
        raise ValueError("expected addresses or networks, as 10.0.0.0/8,::1") from None
