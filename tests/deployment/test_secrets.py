"""`secrets` of docker-compose.yml: the script that makes every password, run here."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from .compose import ROOT, script, services

OWNER_FILES = {"superuser_password": "postgres", "owner_password": "postgres", "service_password": "postgres"}
SERVICE_FILES = {"admin_password": "10001", "database_url": "10001"}


class Secrets:
    """The two volumes, in a folder, and the script that fills them."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.database = place / "run/database-secrets"
        self.service = place / "run/service-secrets"
        self.owners = place / "owners"
        self.database.mkdir(parents=True)
        self.service.mkdir()
        # The users of the containers are not on this machine: what would be handed over is written down instead.
        programs = place / "bin"
        programs.mkdir()
        (programs / "chown").write_text(f'#!/bin/sh\necho "$1 $2" >> {self.owners}\n')
        (programs / "chown").chmod(0o755)
        self._environment = {"PATH": f"{programs}:{os.environ['PATH']}"}

    def make(self) -> None:
        text = script(services()["secrets"]).replace("/run/", f"{self.place}/run/")
        subprocess.run(["/bin/sh", "-euc", text], env=self._environment, check=True)

    def read(self) -> dict[str, str]:
        return {file.name: file.read_text() for folder in (self.database, self.service) for file in folder.iterdir()}


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return Secrets(tmp_path)


def test_everything_secret_is_made_at_the_first_start(secrets: Secrets) -> None:
    secrets.make()
    made = secrets.read()
    assert made.keys() == {*OWNER_FILES, "migration_url", *SERVICE_FILES}
    passwords = {text for name, text in made.items() if name.endswith("_password")}
    assert len(passwords) == 4
    assert all(re.fullmatch(r"[0-9a-f]{48}", password) for password in passwords)
    assert made["migration_url"] == (
        f"postgresql://charge_shop_owner:{made['owner_password']}@postgres:5432/charge_shop"
    )
    assert made["database_url"] == (
        f"postgresql://charge_shop_login:{made['service_password']}@postgres:5432/charge_shop"
    )


def test_a_second_start_changes_nothing(secrets: Secrets) -> None:
    secrets.make()
    made = secrets.read()
    secrets.make()
    assert secrets.read() == made


def test_a_password_that_was_taken_away_is_replaced_everywhere(secrets: Secrets) -> None:
    """How a password is changed: delete its file, `docker compose up -d`."""
    secrets.make()
    before = secrets.read()
    (secrets.database / "service_password").unlink()
    secrets.make()
    after = secrets.read()
    assert after["service_password"] != before["service_password"]
    assert after["service_password"] in after["database_url"]
    assert after["migration_url"] == before["migration_url"]


def test_an_interrupted_start_leaves_nothing_half_made(secrets: Secrets) -> None:
    (secrets.database / "owner_password").write_text("")
    (secrets.database / "service_password.new").write_text("abc")
    secrets.make()
    made = secrets.read()
    assert "service_password.new" not in made
    assert len(made["owner_password"]) == len(made["service_password"]) == 48


def test_each_file_is_for_one_reader(secrets: Secrets) -> None:
    secrets.make()
    for folder in (secrets.database, secrets.service):
        for file in folder.iterdir():
            assert file.stat().st_mode & 0o777 == 0o400
    handed_over = {Path(name).stem: owner for owner, name in map(str.split, secrets.owners.read_text().splitlines())}
    assert handed_over == {**OWNER_FILES, "migration_url": "10001", **SERVICE_FILES}
    assert "USER 10001:" in (ROOT / "Dockerfile").read_text()
