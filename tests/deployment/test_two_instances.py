"""An owner and a standby behind nginx: every request reaches the owner, and none is sent twice by mistake."""

from collections.abc import Iterator

import pytest

from .conftest import Opens
from .front_door import FrontDoor
from .http_client import Connection, request
from .stand_in import StandIn
from .test_unanswered import said

TWO = {"NGINX_INSTANCES": "two"}


@pytest.fixture
def standby() -> Iterator[StandIn]:
    with StandIn("standby", is_standby=True) as stand_in:
        yield stand_in


@pytest.fixture
def door(opens: Opens, standby: StandIn) -> FrontDoor:
    return opens(settings=TWO, others={"standby": standby.port})


def swap(app: StandIn, standby: StandIn) -> None:
    app.is_standby, standby.is_standby = standby.is_standby, app.is_standby


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_the_owner_gets_everything(door: FrontDoor, app: StandIn, standby: StandIn, method: str) -> None:
    for _ in range(10):
        assert request(door.port, "/v1/charges", method, b"{}").json()["by"] == "app"
    assert standby.arrived == []


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_the_owner_gets_everything_after_they_changed_places(
    door: FrontDoor, app: StandIn, standby: StandIn, method: str
) -> None:
    """The same request, its body and its id: what the standby was sent, it has not looked at."""
    swap(app, standby)
    for _ in range(10):
        answer = request(door.port, "/v1/charges?x=1", method, b'{"amount":"1.00"}', headers={"X-Request-Id": "same"})
        assert answer.status < 300
        assert answer.json()["by"] == "standby"
        assert answer.headers["X-Accel-Redirect"] is None
    for seen_by in (app, standby):
        assert len(seen_by.arrived) == 10
        for arrived in seen_by.arrived:
            assert (arrived.method, arrived.target) == (method, "/v1/charges?x=1")
            assert arrived.body == b'{"amount":"1.00"}'
            assert arrived.headers["X-Request-Id"] == "same"
            assert arrived.headers["X-Forwarded-For"] == "127.0.0.1"


def test_a_batch_finds_the_owner_too(door: FrontDoor, app: StandIn, standby: StandIn) -> None:
    """A body that nginx had to keep in a file."""
    swap(app, standby)
    body = bytes(range(256)) * 4096
    assert request(door.port, "/v1/charges/batch", "POST", body).json()["by"] == "standby"
    assert standby.arrived[0].body == body


def test_a_stream_finds_the_owner_too(door: FrontDoor, app: StandIn, standby: StandIn) -> None:
    swap(app, standby)
    with Connection(door.port) as connection:
        connection.send(b"GET /v1/events HTTP/1.1\r\nHost: b2b.local\r\n\r\n")
        assert connection.receive_until(b"id: 1")
        standby.go_on()
        assert connection.receive_until(b"id: 2"), "not buffered on this way either"


def test_when_the_first_one_is_down_the_second_one_is_asked(opens: Opens, app: StandIn, standby: StandIn) -> None:
    """A refused connection: nothing was sent, so even a POST may go on."""
    with StandIn("gone") as gone:
        port = gone.port
    standby.is_standby = False
    door = opens(settings=TWO, others={"app": port, "standby": standby.port})
    assert request(door.port, "/v1/charges", "POST", b"{}").json()["by"] == "standby"
    assert len(standby.arrived) == 1


def test_two_standbys_say_so(door: FrontDoor, app: StandIn, standby: StandIn) -> None:
    """Between two owners: 503 `standby`, which means that nothing was applied."""
    app.is_standby = True
    answer = request(door.port, "/v1/charges", "POST", b"{}")
    assert said(answer) == (503, "standby", "1")
    assert (len(app.arrived), len(standby.arrived)) == (1, 1)


def test_a_standby_alone_says_so(opens: Opens, app: StandIn) -> None:
    """With one instance there is no other one to turn to."""
    app.is_standby = True
    assert said(request(opens().port, "/v1/charges", "POST", b"{}")) == (503, "standby", "1")
    assert len(app.arrived) == 1


def test_the_service_does_not_answer_behind_a_standby(opens: Opens, app: StandIn) -> None:
    """A standby passed it on, and nothing was sent to the other one: not applied."""
    with StandIn("gone") as gone:
        port = gone.port
    app.is_standby = True
    door = opens(settings=TWO, others={"standby": port})
    assert said(request(door.port, "/v1/charges", "POST", b"{}")) == (503, "not_applied", "1")


def test_a_broken_answer_behind_a_standby_leaves_a_write_unknown(
    door: FrontDoor, app: StandIn, standby: StandIn
) -> None:
    swap(app, standby)
    assert said(request(door.port, "/v1/torn", "POST", b"{}")) == (503, "outcome_unknown", "1")


@pytest.mark.parametrize("target", ["/v1/torn", "/v1/unknown", "/v1/never"])
def test_a_write_whose_outcome_is_unknown_is_never_sent_again(
    opens: Opens, app: StandIn, standby: StandIn, target: str
) -> None:
    """Not to the other one either, though it would gladly apply it, or call it not applied."""
    standby.is_standby = False
    door = opens(settings=TWO, others={"standby": standby.port}, overrides={"proxy_read_timeout": "200ms"})
    answer = request(door.port, target, "POST", b"{}")
    assert said(answer) == (503, "outcome_unknown", "1")
    assert (app.targets(), standby.targets()) == ([target], [])
