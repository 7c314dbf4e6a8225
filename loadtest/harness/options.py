"""The options of `python -m loadtest`, and the bounds within which a load stays whoever asks for it."""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

from msgspec import Struct

from loadtest.harness.mix import CHOSEN, DEFAULT, Mix, mix_of
from loadtest.harness.schedule import Arrivals, Load
from loadtest.money import to_minor

PASSWORD: Final = "CHARGE_SHOP_ADMIN_PASSWORD"
CURRENCY: Final = "USD"

SELLERS_MAX: Final = 10_000
RATE_MAX: Final = 50_000
DURATION_MAX_S: Final = 4 * 3600
IN_FLIGHT_MAX: Final = 10_000
REQUESTS_MAX: Final = 2_000_000
"""All are kept until they are checked: some two gigabytes."""


class Wishes(Struct, frozen=True, kw_only=True):
    """What the caller may choose."""

    url: str | None
    """None: a service of its own."""
    admin_username: str
    password: str | None
    load: Load
    in_flight_max: int
    timeout_s: float
    credit: int
    """Of each seller, to begin with; minor units."""
    report: Path
    is_suspended_after: bool


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line, without a page of usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def wishes_of(arguments: Sequence[str] | None = None) -> Wishes:
    """Exits with status 2 and one line if something is out of bounds."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.rate is None and options.concurrency is None:
        options.rate = 200.0
    if options.rate is not None and options.rate * options.duration > REQUESTS_MAX:
        parser.error(
            f"--rate x --duration: {options.rate * options.duration:,.0f} are more than {REQUESTS_MAX:,} requests"
        )
    password = os.environ.get(PASSWORD)
    if options.url is not None and not password:
        parser.error(f"--url needs the password of --admin-username in the environment, as {PASSWORD}")
    if not options.report.parent.is_dir():
        parser.error(f"--report: there is no folder {options.report.parent}")
    return Wishes(
        url=options.url,
        admin_username=options.admin_username,
        password=password,
        load=Load(
            seed=options.seed,
            sellers=options.sellers,
            rate=options.rate,
            duration_s=options.duration,
            arrivals=options.arrivals,
            mix=options.mix,
            skew=options.skew,
            keys_share=options.keys,
        ),
        in_flight_max=options.concurrency or options.in_flight_max,
        timeout_s=options.timeout,
        credit=options.credit,
        report=options.report,
        is_suspended_after=options.suspend,
    )


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog="python -m loadtest",
        description="Puts load on a service, shows how it bears it, checks every answer against the journal, and "
        "writes a report. Exit status: 0, or 1 on any violation, 2 if it could not be played, 130 if it was "
        "interrupted.",
        epilog="On a service that others use: it makes sellers of its own and touches no others; what it has made "
        "stays, as journals do (--suspend closes its sellers). Sellers by the thousand take their time, since "
        "passwords do.",
    )
    parser.add_argument("--url", type=_url, help="a service that runs already (default: one is started, and stopped)")
    parser.add_argument("--admin-username", default="admin", help=f"whose password is in {PASSWORD}")
    parser.add_argument("--sellers", type=_number(1, SELLERS_MAX), default=20, help="that are made (default 20)")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument(
        "--rate",
        type=_decimal(0.1, RATE_MAX),
        help="requests per second, whatever the service does (an open loop; default 200)",
    )
    pace.add_argument(
        "--concurrency", type=_number(1, IN_FLIGHT_MAX), help="requests in flight, instead of a rate (a closed loop)"
    )
    parser.add_argument("--duration", type=_decimal(0.1, DURATION_MAX_S), default=30.0, help="seconds (default 30)")
    parser.add_argument(
        "--arrivals",
        choices=Arrivals.__args__,  # type: ignore[attr-defined]
        default="poisson",
        help="when requests of a rate come: at random, as customers do (default), or evenly",
    )
    parser.add_argument("--mix", type=_mix, default=mix_of(DEFAULT), help=f"of {', '.join(CHOSEN)} (default {DEFAULT})")
    parser.add_argument(
        "--skew", type=_decimal(0, 5), default=0.0, help="Zipf's exponent: 0 all sellers alike (default), 1 is steep"
    )
    parser.add_argument(
        "--keys", type=_decimal(0, 1), default=1.0, help="share of charges with an idempotency key (default 1)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of what is asked and when (default 1)")
    parser.add_argument(
        "--in-flight-max",
        type=_number(1, IN_FLIGHT_MAX),
        default=1000,
        help="of a rate: more are not sent, and counted as that (default 1000)",
    )
    parser.add_argument("--timeout", type=_decimal(0.1, 300), default=30.0, help="seconds for a request (default 30)")
    parser.add_argument(
        "--credit",
        type=_credit,
        default=_credit("1000000.00"),
        help=f"{CURRENCY} that each seller is given first; little of it makes declines (default 1000000.00)",
    )
    parser.add_argument("--report", type=Path, default=Path("loadtest.html"), help="file (default loadtest.html)")
    parser.add_argument("--suspend", action="store_true", help="suspend the sellers at the end")
    return parser


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text} is not a number from {least:,} to {most:,}")
        return int(text)

    return read


def _decimal(least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is not from {least:g} to {most:,g}")
        return value

    return read


def _mix(text: str) -> Mix:
    try:
        return mix_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _credit(text: str) -> int:
    try:
        credit = to_minor(text, CURRENCY)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not an amount such as 1000.00") from error
    if not 1 <= credit <= 10**12:
        raise argparse.ArgumentTypeError(f"{text} is not from 0.01 to 10000000000.00")
    return credit


def _url(text: str) -> str:
    parts = urlsplit(text)
    try:
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or parts.query or parts.fragment or parts.username is not None:
        raise argparse.ArgumentTypeError(f"{text} is not an address such as https://shop.example")
    return text.rstrip("/")
