"""What lies are made of: each is told in the middle of an otherwise correct play.

The shop goes on from a lie as if nothing had happened; so journals stay whole, chained and balanced unless
that is the lie, and nothing but the rule that it breaks can find it.
"""

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import msgspec
import pytest

from loadtest.checker import Name
from loadtest.history import Event, Kind, Request
from service.problems import Problem, ProblemCode
from tests.loadtest.plays import REACH_NS, SELLERS, Play
from tests.loadtest.shop import ADMIN, Answer

SELLER = next(iter(SELLERS))
Lie = Callable[[Play], None]


class Lies:
    """The lies of one test file, with the name that each has to be given."""

    def __init__(self) -> None:
        self._told: list[tuple[str, Name, Lie]] = []

    def told_as(self, name: Name) -> Callable[[Lie], Lie]:
        """Adds a function, under its own name."""

        def add(tell: Lie) -> Lie:
            self.add(tell.__name__, name, tell)
            return tell

        return add

    def add(self, title: str, name: Name, tell: Lie) -> None:
        self._told.append((title, name, tell))

    def cases(self) -> list[Any]:
        return [pytest.param(name, tell, id=title) for title, name, tell in self._told]


def names_found(tell: Lie, seed: int) -> set[Name]:
    """Plays, lies, plays on; what the checker finds in the end. Before the lie it finds nothing."""
    play = Play(Random(seed))
    play.run(12)
    rich(play)
    assert play.record().check().violations == []
    tell(play)
    with suppress(AssertionError):  # A shop may fall over its own lie; what it said until then stands.
        play.run_more(8)
    return {violation.name for violation in play.record().check().violations}


def rich(play: Play) -> None:
    """Credit enough for what follows, in state that has settled."""
    play.shop.now_us += 120_000_000
    play.now_ns += 3 * REACH_NS
    give(play, 50_000)


def give(play: Play, amount: int) -> None:
    adjust = make(play, Kind.ADJUST, amount=amount, note="gift", made_by=ADMIN)
    assert play.send(adjust, fate="answered").status == 201
    apart(play)


def apart(play: Play) -> None:
    """Whatever comes next is sent after everything before was answered, and in another millisecond."""
    play.now_ns += 3 * REACH_NS
    play.shop.now_us += 2000


def make(play: Play, kind: Kind, **members: object) -> Request:
    return play.make(kind, SELLER, SELLERS[SELLER], **members)


def sale(play: Play, **members: object) -> Request:
    given: dict[str, object] = {"phone_number": "+989121234567", "reference": "a-reference", "amount": 700, **members}
    return make(play, Kind.CHARGE, **given)


def sold(play: Play, **members: object) -> Event:
    event = play.send(sale(play, **members), fate="answered")
    assert event.status == 201
    apart(play)
    return event


def shown_charge(play: Play, event: Event) -> Request:
    return make(play, Kind.READ_CHARGE, target=event.answer["id"], key=None)


def refund_of(play: Play, event: Event, **members: object) -> Request:
    return make(play, Kind.REFUND, target=event.answer["id"], note="why", made_by=ADMIN, **members)


def told(play: Play, request: Request, ask: Callable[[Request], Answer]) -> Event:
    """The request, answered by a lie."""
    event = play.send(request, fate="answered", ask=ask)
    apart(play)
    return event


def edited(body: bytes, **members: object) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(body) | members)


def problem(code: ProblemCode, **members: Any) -> Answer:
    made = Problem(code, **members)
    return made.status, made.body("request-x"), False


def asks_for_credit(play: Play, amount: int = 500) -> str:
    event = play.send(make(play, Kind.REQUEST_CREDIT, amount=amount), fate="answered")
    assert event.status == 201
    apart(play)
    return str(event.answer["id"])
