"""docker-compose.yml: valid by the Compose specification, and what it promises."""

import json
import re
from pathlib import PurePosixPath

import jsonschema
import pytest
import yaml

from service import settings

from .compose import FILE, ROOT, load, mounts, services

SERVICES = services()
ONCE = {"secrets", "roles", "migrate"}
LASTING = set(SERVICES) - ONCE


def test_it_is_a_compose_file() -> None:
    """Against the schema of the Compose specification, kept beside this file (Apache License 2.0)."""
    schema = json.loads((ROOT / "tests/deployment/compose-spec.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert [f"{e.json_path}: {e.message}" for e in validator.iter_errors(yaml.safe_load(FILE.read_text()))] == []


def test_the_first_command_needs_nothing() -> None:
    """No variable without a default; and no folder of the host that is not in the repository."""
    assert load({}) == load()
    for service in SERVICES.values():
        assert "env_file" not in service
        for source in mounts(service).values():
            if "/" in source:
                assert (ROOT / source).is_dir()
            else:
                assert source in load()["volumes"]


def test_the_parts_are_these() -> None:
    assert {"postgres", "app", "nginx"} < set(SERVICES)
    assert SERVICES["standby"]["profiles"] == ["standby"]
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["standby"]


def test_no_password_stands_in_the_file() -> None:
    text = FILE.read_text()
    assert not re.findall(r"://[^/\s:]+:(?!%s@)[^/\s]*@", text), "a URL with a password"
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|KEY|URL", name):
                assert name.endswith("_FILE")
                assert str(value).startswith("/run/")


def test_a_secret_is_a_file_that_is_mounted() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if variable.endswith("_FILE"):
                volume = mounts(service)[str(PurePosixPath(value).parent)]
                assert volume.endswith("-secrets"), f"{name}: {variable}"


def test_only_who_needs_a_secret_can_read_it() -> None:
    """The service does not have the owner's password, nor nginx any; and only `secrets` writes."""
    readers = {
        volume: {name for name, s in SERVICES.items() if volume in mounts(s).values()}
        for volume in ("database-secrets", "service-secrets", "database-socket", "database")
    }
    assert readers == {
        "database-secrets": {"secrets", "postgres", "roles", "migrate"},
        "service-secrets": {"secrets", "migrate", "app", "standby"},
        "database-socket": {"postgres", "roles"},
        "database": {"postgres"},
    }
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            if "-secrets" in mount and name != "secrets":
                assert mount.endswith(":ro")


def test_the_database_outlives_its_container() -> None:
    """From 18 on the image keeps its data in a folder below this one; a volume at the old place would stay empty."""
    assert SERVICES["postgres"]["image"].split(":")[1].split("-")[0] == "18"
    assert mounts(SERVICES["postgres"])["/var/lib/postgresql"] == "database"


def test_only_nginx_can_be_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    assert SERVICES["nginx"]["ports"] == ["80:8080", "443:8443"]
    networks = load()["networks"]
    assert {name for name, network in networks.items() if not network.get("internal")} == {"outside"}
    assert [name for name, service in SERVICES.items() if "outside" in service.get("networks", [])] == ["nginx"]
    for service in SERVICES.values():
        assert set(service.get("networks", [])) <= set(networks)
        assert service.get("network_mode", "none") == "none"


def test_nginx_cannot_reach_the_database() -> None:
    assert not set(SERVICES["nginx"]["networks"]) & set(SERVICES["postgres"]["networks"])


@pytest.mark.parametrize("name", sorted(LASTING))
def test_what_lasts_comes_back_and_is_watched(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    if service["image"] == "charge-shop":
        assert "\nHEALTHCHECK " in (ROOT / "Dockerfile").read_text()
        assert "healthcheck" not in service
    else:
        assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", sorted(ONCE))
def test_what_runs_once_does_not_come_back(name: str) -> None:
    """And whoever needs it waits until it has succeeded."""
    assert SERVICES[name]["restart"] == "no"
    waiting = [s["depends_on"][name] for s in SERVICES.values() if name in s.get("depends_on", {})]
    assert waiting
    assert all(how == {"condition": "service_completed_successfully"} for how in waiting)


def test_everything_waits_for_what_it_needs() -> None:
    def waits_for(name: str) -> set[str]:
        directly = SERVICES[name].get("depends_on", {})
        return set(directly).union(*(waits_for(other) for other in directly))

    assert waits_for("nginx") == {"secrets", "postgres", "roles", "migrate", "app"}
    assert SERVICES["nginx"]["depends_on"] == {"app": {"condition": "service_healthy"}}
    assert waits_for("standby") == waits_for("app") == {"secrets", "postgres", "roles", "migrate"}


def test_the_image_is_built_once_and_never_fetched() -> None:
    """Compose builds in parallel: two services with one image would fail each other, but only the first time."""
    users = {name: service for name, service in SERVICES.items() if service["image"] == "charge-shop"}
    assert [name for name, service in SERVICES.items() if "build" in service] == ["migrate"]
    assert users.keys() == {"migrate", "app", "standby"}
    for name, service in users.items():
        assert service["pull_policy"] == "never"
        assert name == "migrate" or "migrate" in service["depends_on"]


def test_the_database_is_not_taken_for_ready_while_it_is_being_made() -> None:
    """Then a server for that purpose answers at the socket, not by TCP."""
    assert "--host=127.0.0.1" in SERVICES["postgres"]["healthcheck"]["test"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_nothing_has_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["deploy"]["resources"]["limits"].keys() == {"memory", "pids"}
    assert service.get("read_only") or name == "postgres"


def test_root_is_only_who_hands_things_over() -> None:
    """`postgres` starts as root to own its folder, and goes on as the user postgres; the image of the service has
    its own user."""
    users = {name: s.get("user", "of the image") for name, s in SERVICES.items()}
    assert users == {
        "secrets": "root",
        "postgres": "of the image",
        "roles": "postgres",
        "migrate": "of the image",
        "app": "of the image",
        "standby": "of the image",
        "nginx": "nginx",
    }
    assert {name for name, s in SERVICES.items() if "cap_add" in s} == {"secrets", "postgres"}


@pytest.mark.parametrize("name", ["migrate", "app", "standby"])
def test_the_service_knows_its_settings(name: str) -> None:
    """A variable with another name would be passed over in silence."""
    for variable, value in SERVICES[name]["environment"].items():
        option = settings.OPTIONS[variable.removeprefix("CHARGE_SHOP_").removesuffix("_FILE").lower()]
        assert option.is_secret == variable.endswith("_FILE")
        if value and not option.is_secret:
            option.parse(value)


@pytest.mark.parametrize("name", ["app", "standby"])
def test_a_stop_leaves_time_to_finish(name: str) -> None:
    """And the signal reaches the service: it is not a shell that is started."""
    drain_s = int(SERVICES[name]["environment"]["CHARGE_SHOP_DRAIN_TIMEOUT_S"])
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) >= drain_s + 10
    assert SERVICES[name]["init"] is True
    assert "command" not in SERVICES[name]


def test_the_standby_is_the_same_as_the_other_one() -> None:
    assert SERVICES["standby"] == {**SERVICES["app"], "profiles": ["standby"]}
