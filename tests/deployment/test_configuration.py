"""nginx's configuration as text: every choice of settings is accepted by nginx, and what it cannot be run with here."""

from pathlib import Path

import pytest

from .compose import ROOT, services
from .front_door import NGINX, FrontDoor

INSTANCES = {"app": 1, "standby": 2}


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed: its configuration is not tested")
@pytest.mark.parametrize("instances", ["one", "two"])
def test_nginx_accepts_it(tmp_path: Path, instances: str) -> None:
    """Without certificates, so `http` only; test_tls.py starts the other site."""
    checked = FrontDoor(tmp_path / "nginx", INSTANCES, settings={"NGINX_INSTANCES": instances}).check()
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr


@pytest.mark.parametrize("instances", ["one", "two"])
def test_an_instance_is_found_under_its_new_address(instances: str) -> None:
    """Docker gives a container another address when it is made anew. `resolve` needs a zone, Docker's name server, and
    nginx 1.27.3, so it cannot be run here; that each of them is there can be seen."""
    text = (ROOT / "nginx/instances" / instances / "upstream.conf").read_text()
    assert "resolver 127.0.0.11 valid=" in text
    servers = [line.split() for line in text.splitlines() if line.strip().startswith("server ")]
    named = [words for words in servers if "down;" not in words]
    assert {words[1] for words in named} == {"app:8080"} | ({"standby:8080"} if instances == "two" else set())
    assert all(words[2] == "resolve" for words in named)
    for upstream in text.split("upstream ")[1:]:
        assert "zone " in upstream or "resolve" not in upstream
    version = services()["nginx"]["image"].removeprefix("nginx:").removesuffix("-alpine")
    assert tuple(map(int, version.split("."))) >= (1, 28)


def test_nothing_repeats_a_write() -> None:
    """`non_idempotent` and `http_503` would; forwarding.conf tells why not."""
    for file in ROOT.glob("nginx/**/*.conf"):
        for line in file.read_text().splitlines():
            if line.strip().startswith("proxy_next_upstream "):
                assert line.split() == ["proxy_next_upstream", "error", "timeout;"]
