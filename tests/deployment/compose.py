"""docker-compose.yml as the tests see it: parsed, with `${NAME:-default}` taken from a given environment.

Knows only the two forms of interpolation that the file may use, so that a third one fails here.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"

_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::-([^}]*)|:\?[^}]+)\}|(.?))")


def load(environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The whole file, its variables replaced the way Compose does it."""
    return _interpolated(yaml.safe_load(FILE.read_text()), environment or {})


def services() -> dict[str, Any]:
    return load()["services"]


def mounts(service: Mapping[str, Any]) -> dict[str, str]:
    """What a service mounts: the place in the container -> a folder of the repository, or a volume's name."""
    return {target: source for source, target, *_ in (v.split(":") for v in service.get("volumes", []))}


def script(service: Mapping[str, Any]) -> str:
    """The shell script that a service runs."""
    assert service["entrypoint"] == ["/bin/sh", "-euc"]
    (text,) = service["command"]
    return text


def _interpolated(node: Any, environment: Mapping[str, str]) -> Any:
    match node:
        case dict():
            return {key: _interpolated(value, environment) for key, value in node.items()}
        case list():
            return [_interpolated(value, environment) for value in node]
        case str():
            return _VARIABLE.sub(lambda match: _value(match, environment), node)
        case _:
            return node


def _value(match: re.Match[str], environment: Mapping[str, str]) -> str:
    name, default, other = match.groups()
    if other is not None:
        raise AssertionError(f"${other}: only ${{NAME:-default}}, ${{NAME:?message}} and $$ are used here")
    if name is None:
        return "$"
    if default is None and name not in environment:
        raise AssertionError(f"{name} must be set before the first command works")
    return environment.get(name) or default or ""
