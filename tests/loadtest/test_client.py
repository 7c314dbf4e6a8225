"""The client sends again what may be sent again, as often as it takes, and notes every attempt as it was."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterable

import aiohttp
import msgspec
import pytest
from aiohttp import web

from loadtest.client import Client, Unreachable, new_session
from loadtest.history import History, Kind, Outcome, Request

CHARGE = Request(
    kind=Kind.CHARGE,
    seller_id="s",
    currency="KWD",
    made_by="s",
    key="k",
    amount=1500,
    phone_number="+989121234567",
    is_hold=True,
    expires_in_s=60,
    metadata={"a": "b"},
)
DROP = "drop"
Answer = web.Response | str


class Script:
    """A server that gives prepared answers, the last one for ever, and keeps what it was sent."""

    def __init__(self, answers: Iterable[Callable[[], Answer]]) -> None:
        prepared = list(answers)
        self._answers = itertools.chain(prepared, itertools.repeat(prepared[-1]))
        self.requests: list[tuple[str, str, str | None, bytes]] = []

    async def handle(self, request: web.Request) -> web.Response:
        key = request.headers.get("Idempotency-Key")
        self.requests.append((request.method, request.path_qs, key, await request.read()))
        answer = next(self._answers)()
        if isinstance(answer, web.Response):
            return answer
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with new_session() as made:
        yield made


@pytest.fixture
def playing(aiohttp_server, session):
    async def play(*answers: Callable[[], Answer], patience_s: float = 60) -> tuple[Client, Script, History]:
        script, history = Script(answers), History()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", script.handle)
        server = await aiohttp_server(application)
        return Client(session, str(server.make_url("/")), history, patience_s=patience_s), script, history

    return play


def answer(status: int, code: str | None = None, **headers: str) -> Callable[[], Answer]:
    body = {"id": "c"} if code is None else {"code": code}
    return lambda: web.json_response(body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def test_what_has_a_key_is_sent_again_until_it_is_answered(playing):
    client, script, history = await playing(
        lambda: DROP,
        answer(503, "outcome_unknown", Retry_After="0"),
        answer(503, "not_applied", Retry_After="0"),
        answer(429, "rate_limited", Retry_After="0"),
        answer(502),
        answer(201, Idempotent_Replayed="true"),
    )
    event = await client.ask(CHARGE, "token")
    assert event.outcome is Outcome.DONE
    assert event.is_replay
    assert [each.outcome for each in history.events] == [
        Outcome.UNKNOWN,
        Outcome.UNKNOWN,
        Outcome.NOT_APPLIED,
        Outcome.NOT_APPLIED,
        Outcome.UNKNOWN,
        Outcome.DONE,
    ]
    assert len(set(script.requests)) == 1, "the very same request each time"
    assert len(script.requests) == 6
    times = [time for each in history.events for time in (each.sent_ns, each.answered_ns)]
    assert times == sorted(times)


async def test_without_a_key_an_unknown_outcome_stays_unknown(playing):
    client, script, _ = await playing(lambda: DROP)
    keyless = msgspec.structs.replace(CHARGE, key=None)
    event = await client.ask(keyless, "token")
    assert event.outcome is Outcome.UNKNOWN
    assert event.status is None
    assert len(script.requests) == 1


async def test_without_a_key_what_was_certainly_not_applied_is_sent_again(playing):
    client, script, _ = await playing(answer(503, "draining", Retry_After="0"), answer(201))
    event = await client.ask(msgspec.structs.replace(CHARGE, key=None), "token")
    assert event.outcome is Outcome.DONE
    assert len(script.requests) == 2


@pytest.mark.parametrize(("status", "code"), [(402, "insufficient_credit"), (409, "not_pending"), (500, None)])
async def test_other_answers_are_final(playing, status, code):
    client, script, history = await playing(answer(status, code))
    event = await client.ask(CHARGE, "token")
    assert event.status == status
    assert event.code == code
    assert len(script.requests) == len(history.events) == 1


async def test_a_service_that_never_answers_is_given_up(playing):
    client, _, history = await playing(answer(503, "standby", Retry_After="0"), patience_s=0.05)
    with pytest.raises(Unreachable, match="standby"):
        await client.ask(CHARGE, "token")
    assert history.events


@pytest.mark.parametrize(
    ("members", "method", "path", "body"),
    [
        (
            {},
            "POST",
            "/v1/charges",
            {
                "phone_number": "+989121234567",
                "amount": "1.500",
                "capture": False,
                "expires_in": 60,
                "metadata": {"a": "b"},
            },
        ),
        ({"kind": Kind.CAPTURE, "target": "t"}, "POST", "/v1/charges/t/capture", {"amount": "1.500"}),
        ({"kind": Kind.CAPTURE, "target": "t", "amount": None}, "POST", "/v1/charges/t/capture", None),
        ({"kind": Kind.VOID, "target": "t"}, "POST", "/v1/charges/t/void", None),
        (
            {"kind": Kind.REFUND, "target": "t", "note": "why"},
            "POST",
            "/v1/charges/t/refund",
            {"amount": "1.500", "reason": "why"},
        ),
        ({"kind": Kind.REQUEST_CREDIT}, "POST", "/v1/credit-requests", {"amount": "1.500"}),
        ({"kind": Kind.APPROVE, "target": "t", "note": "n"}, "POST", "/v1/credit-requests/t/approve", {"note": "n"}),
        ({"kind": Kind.REJECT, "target": "t"}, "POST", "/v1/credit-requests/t/reject", None),
        ({"kind": Kind.CANCEL, "target": "t"}, "POST", "/v1/credit-requests/t/cancel", None),
        (
            {"kind": Kind.ADJUST, "amount": -1500, "note": "why"},
            "POST",
            "/v1/sellers/s/adjustments",
            {"amount": "1.500", "direction": "debit", "reason": "why"},
        ),
        ({"kind": Kind.SET_LIMIT, "key": None}, "PATCH", "/v1/sellers/s", {"credit_limit": "1.500"}),
        ({"kind": Kind.READ_BALANCE, "key": None}, "GET", "/v1/balance", None),
        ({"kind": Kind.READ_BALANCE, "key": None, "made_by": "a"}, "GET", "/v1/balance?seller_id=s", None),
        ({"kind": Kind.READ_CHARGE, "key": None, "target": "t"}, "GET", "/v1/charges/t", None),
    ],
)
async def test_requests_are_spelled_as_the_contract_says(playing, members, method, path, body):
    client, script, _ = await playing(answer(200))
    request = msgspec.structs.replace(CHARGE, **members)
    await client.ask(request, "token")
    sent = script.requests[0]
    assert sent[:3] == (method, path, request.key)
    assert (msgspec.json.decode(sent[3]) if sent[3] else None) == body
