"""Settings: option before environment before default; what is wrong is one line that names its source."""

import argparse
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from service import settings
from service.settings import OPTIONS, OneLineParser, Settings, WrongSetting

SECRET = "postgresql://shop:s3cret-word@db.example:5432/shop"


def read(*arguments: str, names: Any = None, **environment: str) -> Settings:
    parser = OneLineParser(prog="charge-shop serve")
    settings.add_options(parser, names)
    prefixed = {f"CHARGE_SHOP_{name}": value for name, value in environment.items()}
    return settings.read(parser.parse_args(arguments), prefixed, names)


def refusal(*arguments: str, **environment: str) -> str:
    with pytest.raises(WrongSetting) as caught:
        read(*arguments, **environment)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_without_anything_the_defaults_serve() -> None:
    assert read() == Settings()


def test_an_option_goes_before_the_environment_and_that_before_the_default() -> None:
    assert read(PORT="9001").port == 9001
    assert read("--port", "9002", PORT="9001").port == 9002
    assert read("--port=9002", PORT="wrong").port == 9002


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read(DATABASE_URL="", DEFAULT_REGION="", SECOND_ADMIN_ABOVE="") == Settings()


def test_every_setting_can_be_set() -> None:
    values = {
        "host": ("::1", "::1"),
        "port": ("0", 0),
        "data_dir": ("/var/lib/shop", Path("/var/lib/shop")),
        "database_url": (SECRET, SECRET),
        "migration_url": (SECRET, SECRET),
        "admin_password": ("correct horse", "correct horse"),
        "currency": ("EUR", "EUR"),
        "default_region": ("GB", "GB"),
        "second_admin_above": ("1000.50", "1000.50"),
        "trusted_proxies": ("10.0.0.0/8, ::1", (ip_network("10.0.0.0/8"), ip_network("::1"))),
        "log_level": ("debug", "debug"),
        "log_format": ("console", "console"),
        "access_log": ("on", True),
        "lease_ttl_s": ("2.5", 2.5),
        "sellers_loaded_max": ("500", 500),
        "seller_in_flight_max": ("2000", 2000),
        "in_flight_max": ("30000", 30000),
        "connections_max": ("5000", 5000),
        "drain_timeout_s": ("0", 0.0),
    }
    assert set(values) == set(OPTIONS) == set(Settings.__struct_fields__)
    by_environment = read(**{name.upper(): text for name, (text, _) in values.items()})
    for name, (_, value) in values.items():
        assert getattr(by_environment, name) == value, name
    by_option = read(
        *[
            f"--{name.replace('_', '-')}={text}"
            for name, (text, _) in values.items()
            if name not in ("access_log", "admin_password")
        ],
        "--access-log",
        ADMIN_PASSWORD="correct horse",
    )
    assert by_option == by_environment


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *(("port", value) for value in ("-1", "65536", "80a", "8_0", "٥", "1e3", "0x50", " ", "9" * 5000)),
        *(("host", value) for value in ("a b", "http://x", "x" * 256, "a\nb")),
        *(("currency", value) for value in ("usd", "XXX", "US", "USDT")),
        *(("default_region", value) for value in ("us", "USA", "ZZ", "001")),
        *(("second_admin_above", value) for value in ("-1", "1.001", "1e9", "NaN", "1,000", "9" * 14)),
        *(("trusted_proxies", value) for value in ("proxy", "10.0.0.0/33", "10.0.0.1/8", "1.2.3.4;5.6.7.8", ",")),
        *(("log_level", value) for value in ("INFO", "trace", "10")),
        ("log_format", "xml"),
        ("access_log", "maybe"),
        *(("lease_ttl_s", value) for value in ("0", "0.5", "301", "nan", "inf", "-1", "1e2", "5s")),
        *(("sellers_loaded_max", value) for value in ("0", "99", "1.5")),
        *(("seller_in_flight_max", value) for value in ("1999", "many")),
        *(("in_flight_max", value) for value in ("1999", "2000")),
        *(("connections_max", value) for value in ("15", "no")),
        *(("drain_timeout_s", value) for value in ("-1", "601")),
        *(("data_dir", value) for value in ("a\x00b", "a\nb")),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(name: str, wrong: str) -> None:
    line = refusal(**{name.upper(): wrong})
    assert line.startswith((f"CHARGE_SHOP_{name.upper()}: expected", f"--{name.replace('_', '-')}: expected"))
    assert len(line) < 300


def test_a_wrong_option_is_named_as_it_was_given() -> None:
    assert refusal("--port", "many") == "--port: expected a whole number from 0 to 65535, got 'many'"
    assert refusal("--host", "").startswith("--host: expected")


def test_an_amount_must_fit_the_currency() -> None:
    assert read(CURRENCY="KWD", SECOND_ADMIN_ABOVE="1.005").second_admin_above == "1.005"
    assert "JPY" in refusal(CURRENCY="JPY", SECOND_ADMIN_ABOVE="1.5")


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.is_secret])
def test_secrets_are_never_shown(name: str) -> None:
    assert "s3cret" not in refusal(**{name.upper(): "s3cret"})
    shown = repr(read(**{name.upper(): SECRET}))
    assert "s3cret" not in shown
    assert f"{name}=***" in shown


def test_a_password_is_no_option() -> None:
    with pytest.raises(SystemExit):
        read("--admin-password", "correct horse")


def test_secrets_may_stand_in_files(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text(SECRET + "\n")
    assert read(DATABASE_URL_FILE=str(path)).database_url == SECRET
    both = refusal(DATABASE_URL_FILE=str(path), DATABASE_URL=SECRET)
    assert both == "CHARGE_SHOP_DATABASE_URL and CHARGE_SHOP_DATABASE_URL_FILE: expected one of them, got both"
    assert "No such file" in refusal(DATABASE_URL_FILE=str(tmp_path / "absent"))
    assert "directory" in refusal(DATABASE_URL_FILE=str(tmp_path))
    path.write_bytes(b"\xff\xfe")
    assert "not a text file" in refusal(DATABASE_URL_FILE=str(path))
    path.write_text("")
    assert refusal(DATABASE_URL_FILE=str(path)).startswith("CHARGE_SHOP_DATABASE_URL_FILE: expected")


def test_a_command_takes_only_its_own_settings(capsys: pytest.CaptureFixture[str]) -> None:
    names = settings.DATABASE
    assert read("--data-dir", "x", names=names, PORT="wrong").data_dir == Path("x")
    with pytest.raises(SystemExit) as caught:
        read("--port", "80", names=names)
    assert caught.value.code == 2
    assert capsys.readouterr().err == "charge-shop serve: unrecognized arguments: --port 80\n"


@pytest.mark.parametrize("arguments", [["--colour"], ["--port"], ["--por", "80"], ["--access-log=yes"]])
def test_a_wrong_command_line_is_one_line_and_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        read(*arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_help_lists_every_setting_with_its_variable_and_default() -> None:
    parser = argparse.ArgumentParser()
    settings.add_options(parser)
    text = " ".join(parser.format_help().split())
    for name in OPTIONS:
        assert f"CHARGE_SHOP_{name.upper()}" in text
    assert "(default: 8080)" in text
    assert "(default: 20000)" in text
