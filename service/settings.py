"""Settings: what an operator may choose, each described once, from options, environment and files.

An option of the command line goes before the environment variable `CHARGE_SHOP_<NAME>`, that before the
default. Secrets may also stand in a file named by `CHARGE_SHOP_<NAME>_FILE`, as container platforms provide
them. An empty variable counts as not set. Any wrong value stops the start with one line that names the option
or variable; a secret's value is never part of it, nor of a `repr`.

Adding a setting: its field in `Settings`, with its default; its row in `OPTIONS`.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

from msgspec import Struct
from msgspec.structs import asdict

from journal import money
from journal.store import LEASE_TTL_MAX_S
from service import setting_values as values

_PREFIX: Final = "CHARGE_SHOP_"
_FILE_SIZE_MAX: Final = 64 * 1024


class WrongSetting(Exception):
    """An option, variable or file that cannot be used; the text is the line to show. Mend it and start again."""


class Settings(Struct, frozen=True, kw_only=True):
    host: str = "127.0.0.1"
    port: int = 8080
    data_dir: Path = Path("data")
    database_url: str | None = None
    migration_url: str | None = None
    admin_password: str | None = None
    currency: str = "USD"
    default_region: str | None = None
    second_admin_above: str | None = None
    """Money text."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    access_log: bool = False
    lease_ttl_s: float = 5.0
    sellers_loaded_max: int = 100_000
    seller_in_flight_max: int = 4096
    in_flight_max: int = 20_000
    connections_max: int | None = None
    drain_timeout_s: float = 20.0

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={'***' if OPTIONS[name].is_secret and value is not None else repr(value)}"
            for name, value in asdict(self).items()
        )
        return f"Settings({shown})"


class Option(Struct, frozen=True):
    parse: Callable[[str], Any]
    """Raises ValueError with what was expected, in words."""
    help: str
    metavar: str
    is_secret: bool = False
    """May stand in a file; is never shown."""
    is_environment_only: bool = False
    """Command lines can be read by everybody on the machine."""


OPTIONS: Final[Mapping[str, Option]] = {
    "host": Option(values.host, "address to listen on", "HOST"),
    "port": Option(values.integer(0, 65_535), "port to listen on; 0 takes a free one", "PORT"),
    "data_dir": Option(Path, "folder of the embedded database", "DIR"),
    "database_url": Option(
        values.postgres_url, "use this PostgreSQL (16 or later), not the embedded one", "URL", is_secret=True
    ),
    "migration_url": Option(
        values.postgres_url, "apply migrations as this user, the owner of the tables", "URL", is_secret=True
    ),
    "admin_password": Option(
        values.password,
        "the first admin's password, 10 to 200 characters; made and printed if not given",
        "PASSWORD",
        is_secret=True,
        is_environment_only=True,
    ),
    "currency": Option(values.currency, "currency of sellers created without one", "CODE"),
    "default_region": Option(
        values.region, "region of phone numbers without calling code; without it they are refused", "REGION"
    ),
    "second_admin_above": Option(values.amount, "credit above this amount takes the approval of two admins", "AMOUNT"),
    "trusted_proxies": Option(
        values.networks, "proxies whose X-Forwarded-For is believed, with commas between", "NETWORKS"
    ),
    "log_level": Option(values.one_of("debug", "info", "warning", "error"), "debug, info, warning or error", "LEVEL"),
    "log_format": Option(
        values.one_of("auto", "json", "console"), "json, console, or auto: console on a terminal, else json", "FORMAT"
    ),
    "access_log": Option(values.flag, "log every request", ""),
    "lease_ttl_s": Option(values.seconds(1, LEASE_TTL_MAX_S), "after this long a standby takes over", "SECONDS"),
    "sellers_loaded_max": Option(values.integer(100, 10_000_000), "accounts kept in memory", "COUNT"),
    "seller_in_flight_max": Option(
        values.integer(2000, 1_000_000), "commands of one seller in flight; more: 429", "COUNT"
    ),
    "in_flight_max": Option(values.integer(2000, 10_000_000), "commands of all sellers in flight; more: 503", "COUNT"),
    "connections_max": Option(
        values.integer(16, 1_000_000),
        "connections open at once, half of them from one address; more: 503; "
        "without it what the limit on open files allows, at most 16384",
        "COUNT",
    ),
    "drain_timeout_s": Option(values.seconds(0, 600), "how long a stop waits for what is in flight", "SECONDS"),
}
DATABASE: Final = ("data_dir", "database_url", "log_level", "log_format")
"""What commands beside `serve` take."""
MIGRATION: Final = (*DATABASE, "migration_url")


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line, and exits with status 2."""

    def __init__(self, prog: str | None = None, description: str | None = None, **kwargs: Any) -> None:
        super().__init__(prog, description=description, **(kwargs | {"allow_abbrev": False}))

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def add_options(parser: argparse.ArgumentParser, names: Iterable[str] | None = None) -> None:
    """Adds the options of the named settings (all by default). Values stay texts until `read` looks at them."""
    hidden = []
    for name in OPTIONS if names is None else names:
        option, default = OPTIONS[name], getattr(Settings(), name)
        shown = "" if default in (None, ()) else f" (default: {_as_text(default)})"
        text = f"{option.help}{shown} [{_variables(name)}]".replace("%", "%%")
        if option.is_environment_only:
            hidden.append(f"{_variables(name)}: {option.help}.")
        elif option.parse is values.flag:
            parser.add_argument(_dashed(name), dest=name, action="store_const", const="true", help=text)
            parser.add_argument(
                _dashed(name, "no-"), dest=name, action="store_const", const="false", help=argparse.SUPPRESS
            )
        else:
            parser.add_argument(_dashed(name), dest=name, metavar=option.metavar, help=text)
    if hidden:
        parser.epilog = " ".join(["By environment only:", *hidden])


def read(options: argparse.Namespace, environment: Mapping[str, str], names: Iterable[str] | None = None) -> Settings:
    """The settings; those not named keep their default. Raises WrongSetting."""
    chosen: dict[str, Any] = {}
    for name in OPTIONS if names is None else names:
        source, text = _text_of(name, options, environment)
        if text is None:
            continue
        try:
            if "\0" in text or not text.isprintable() or not text:
                raise ValueError("expected text without line breaks or control characters")
            chosen[name] = OPTIONS[name].parse(text)
        except ValueError as error:
            got = "" if OPTIONS[name].is_secret else f", got {text[:80]!r}"
            raise WrongSetting(f"{source}: {error}{got}") from None
    settings = Settings(**chosen)
    _check_together(settings)
    return settings


def _text_of(name: str, options: argparse.Namespace, environment: Mapping[str, str]) -> tuple[str, str | None]:
    """Where the value comes from, and its text; None for the default."""
    if (given := getattr(options, name, None)) is not None:
        return _dashed(name), given
    variable = _PREFIX + name.upper()
    text = environment.get(variable) or None
    if not OPTIONS[name].is_secret or not (path := environment.get(f"{variable}_FILE")):
        return variable, text
    if text is not None:
        raise WrongSetting(f"{variable} and {variable}_FILE: expected one of them, got both")
    try:
        with open(path, encoding="utf-8") as file:
            return f"{variable}_FILE", file.read(_FILE_SIZE_MAX).rstrip("\r\n")
    except OSError as error:
        raise WrongSetting(f"{variable}_FILE: cannot read {path!r}: {error.strerror}") from None
    except ValueError:
        raise WrongSetting(f"{variable}_FILE: {path!r} is not a text file") from None


def _check_together(settings: Settings) -> None:
    if settings.in_flight_max < settings.seller_in_flight_max:
        raise WrongSetting(
            f"{_dashed('in_flight_max')}: expected at least what one seller may have in flight, "
            f"{settings.seller_in_flight_max}, got {settings.in_flight_max}"
        )
    limit = settings.second_admin_above
    if limit is not None and money.parse(limit, settings.currency) is None:
        raise WrongSetting(f"{_dashed('second_admin_above')}: expected an amount of {settings.currency}, got {limit!r}")


def _dashed(name: str, prefix: str = "") -> str:
    return f"--{prefix}{name.replace('_', '-')}"


def _variables(name: str) -> str:
    variable = _PREFIX + name.upper()
    return f"{variable}, {variable}_FILE" if OPTIONS[name].is_secret else variable


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
