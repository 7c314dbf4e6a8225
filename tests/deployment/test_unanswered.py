"""When the service does not answer: nothing is sent twice, and the client is told whether it may have been applied."""

import socket
from contextlib import closing

import pytest

from service.problems import PROBLEMS, ProblemCode

from .compose import ROOT
from .conftest import Opens
from .front_door import FrontDoor
from .http_client import Answer, request
from .stand_in import StandIn


def said(answer: Answer) -> tuple[int, str, str | None]:
    return answer.status, answer.json()["code"], answer.headers["Retry-After"]


@pytest.fixture
def nobody() -> int:
    """A port at which nothing listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return server.getsockname()[1]


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "GET"])
def test_a_request_that_was_never_sent_was_not_applied(opens: Opens, nobody: int, method: str) -> None:
    door = opens(others={"app": nobody})
    answer = request(door.port, "/v1/charges", method, b"{}")
    assert said(answer) == (503, "not_applied", "1")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"] == door.log()[0]["request_id"]


@pytest.mark.parametrize(("method", "code"), [("POST", "outcome_unknown"), ("GET", "not_applied")])
def test_a_connection_that_broke_leaves_a_write_unknown(door: FrontDoor, app: StandIn, method: str, code: str) -> None:
    answer = request(door.port, "/v1/torn", method, b"{}")
    assert said(answer) == (503, code, "1")
    assert app.targets() == ["/v1/torn"]


@pytest.mark.parametrize(("method", "code"), [("POST", "outcome_unknown"), ("GET", "not_applied")])
def test_an_answer_that_does_not_come_leaves_a_write_unknown(
    opens: Opens, app: StandIn, method: str, code: str
) -> None:
    door = opens(overrides={"proxy_read_timeout": "200ms"})
    assert said(request(door.port, "/v1/never", method, b"{}")) == (503, code, "1")
    assert app.targets() == ["/v1/never"]


@pytest.mark.parametrize("code", list(ProblemCode))
def test_nginx_says_it_in_the_words_of_the_service(code: ProblemCode) -> None:
    """Of the problems that both can answer, type, title and status are the same."""
    configuration = "".join((ROOT / "nginx" / name).read_text() for name in ("problems.conf", "unanswered.conf"))
    kind = PROBLEMS[code]
    if f'"code":"{code}"' in configuration:
        line = f'return {kind.status} \'{{"type":"/problems/{code}","title":"{kind.title}","status":{kind.status},'
        assert line in configuration
    elif code in (ProblemCode.NOT_APPLIED, ProblemCode.OUTCOME_UNKNOWN):
        assert f'"{kind.title}";' in configuration
    else:
        assert f"/problems/{code}" not in configuration
