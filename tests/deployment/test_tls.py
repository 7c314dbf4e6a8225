"""NGINX_SITE=https: the site with a certificate, made here."""

import shutil
import ssl
import subprocess
from pathlib import Path

import msgspec
import pytest

from .conftest import Opens
from .front_door import FrontDoor
from .http_client import Connection, request
from .stand_in import StandIn


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NGINX_TLS_DIR for `b2b.local`, self-signed."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: the TLS site is not tested")
    place = tmp_path_factory.mktemp("tls")
    make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=b2b.local"
    names = "-addext subjectAltName=DNS:b2b.local -keyout key.pem -out certificate.pem"
    subprocess.run([openssl, *make.split(), *names.split()], cwd=place, capture_output=True, check=True)
    return place


@pytest.fixture
def door(opens: Opens, certificates: Path) -> FrontDoor:
    return opens(settings={"NGINX_SITE": "https", "NGINX_TLS_DIR": str(certificates)})


@pytest.fixture
def tls(certificates: Path) -> ssl.SSLContext:
    """A client that trusts this certificate only, for its name only."""
    return ssl.create_default_context(cafile=certificates / "certificate.pem")


def test_the_site_is_served_over_tls(door: FrontDoor, app: StandIn, tls: ssl.SSLContext) -> None:
    assert request(door.tls_port, "/v1/charges", "POST", b"{}", tls=tls).status == 201
    assert app.arrived[0].headers["X-Forwarded-Proto"] == "https"
    assert app.arrived[0].headers["X-Forwarded-For"] == "127.0.0.1"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_plain_http_is_sent_there(door: FrontDoor, app: StandIn, method: str) -> None:
    answer = request(door.port, "/v1/charges?x=1", method)
    assert (answer.status, answer.headers["Location"]) == (308, "https://b2b.local/v1/charges?x=1")
    assert app.arrived == []


def test_nobody_is_sent_to_another_host(door: FrontDoor) -> None:
    answer = request(door.port, "/", host="evil.example")
    assert (answer.status, answer.headers["Location"]) == (404, None)


def test_plain_http_at_the_tls_port_is_refused(door: FrontDoor, app: StandIn) -> None:
    answer = request(door.tls_port, "/v1/charges")
    assert (answer.status, answer.json()["code"]) == (400, "malformed_request")
    assert app.arrived == []


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example"])
def test_no_certificate_is_shown_for_another_name(door: FrontDoor, tls: ssl.SSLContext, name: str) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        Connection(door.tls_port, tls, name)


def test_a_name_inside_tls_must_be_the_sites_too(door: FrontDoor, app: StandIn, tls: ssl.SSLContext) -> None:
    answer = request(door.tls_port, "/v1/charges", host="evil.example", tls=tls)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")
    assert app.arrived == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_modern_tls_is_spoken(door: FrontDoor, tls: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    tls.minimum_version = tls.maximum_version = version
    assert request(door.tls_port, "/v1/charges", tls=tls).status == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_old_tls_is_not(door: FrontDoor, tls: ssl.SSLContext) -> None:
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        Connection(door.tls_port, tls)


def test_old_ciphers_are_not(door: FrontDoor, tls: ssl.SSLContext) -> None:
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    tls.set_ciphers("ECDHE+AES+SHA1:kRSA")
    with pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"):
        Connection(door.tls_port, tls)


@pytest.mark.parametrize(
    ("target", "length", "status", "code"),
    [
        ("/v1/charges", 65537, "413", "body_too_large"),
        ("/v1/charges/batch", 65537, "503", "overloaded"),
        ("/v1/torn", 2, "503", "outcome_unknown"),
    ],
)
def test_problems_are_the_same_by_http_2(
    opens: Opens, certificates: Path, target: str, length: int, status: str, code: str
) -> None:
    curl = shutil.which("curl")
    if curl is None or "HTTP2" not in subprocess.run([curl, "-V"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("curl is not installed, or without HTTP/2: nginx is not tested by HTTP/2")
    settings = {"NGINX_SITE": "https", "NGINX_TLS_DIR": str(certificates)}
    door = opens(settings=settings, replacements={"limit_conn batches 32;": "return 503;"})
    command = [curl, "--silent", "--http2", "--cacert", str(certificates / "certificate.pem"), "--data-binary", "@-"]
    command += ["--resolve", f"b2b.local:{door.tls_port}:127.0.0.1", f"https://b2b.local:{door.tls_port}{target}"]
    command += ["--write-out", "\\n%{http_version} %{http_code} %{content_type}"]
    answer = subprocess.run(command, input=b"x" * length, capture_output=True, check=True).stdout.decode()
    body, _, told = answer.rpartition("\n")
    assert told == f"2 {status} application/problem+json"
    assert msgspec.json.decode(body)["code"] == code


def test_http_2_is_offered(door: FrontDoor, tls: ssl.SSLContext) -> None:
    """A browser's event streams would use up its six connections of HTTP/1.1."""
    tls.set_alpn_protocols(["h2", "http/1.1"])
    with Connection(door.tls_port, tls) as connection:
        assert isinstance(connection.socket, ssl.SSLSocket)
        assert connection.socket.selected_alpn_protocol() == "h2"
