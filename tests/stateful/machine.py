"""The machine: hypothesis asks in any order, of a shop and of the ledger, and every answer must be the same.

Keys come from a small pool, so that they are often repeated, with the same body and with another.
"""

from typing import Protocol, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.stateful.ledger import Answer, Ask, Batch, BatchAnswer, Charge, Ledger, Verb

amounts = st.integers(1, 1_000)
keys = st.none() | st.sampled_from(["k1", "k2", "k3", "k4"])
places = st.integers(0, 1_000)
charge_asks = st.builds(Ask, st.sampled_from(["charge", "hold"]), amounts, key=keys)

Some = TypeVar("Some")


class Counter(Protocol):
    """One new seller's account, wherever it is kept. What it answers is in the ledger's words."""

    def ask(self, ask: Ask) -> Answer: ...
    def ask_batch(self, batch: Batch) -> BatchAnswer: ...
    def balance(self) -> tuple[int, int, int, int]:
        """Available, held, credit limit and seq."""

    def look(self, charge: int) -> Charge: ...
    def forget(self) -> None:
        """The account leaves the memory, and comes from the journal the next time."""


class Machine(RuleBasedStateMachine):
    """`counter` is made by the subclass's `open`."""

    def open(self) -> Counter:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.counter = self.open()
        self.ledger = Ledger()
        self.asked: list[Ask | Batch] = []
        # Enough for most of what is sold, and not for all.
        self.play(Ask("credit", 3_000))

    def play(self, ask: Ask) -> None:
        expected = self.ledger.answer(ask)
        assert self.counter.ask(ask) == expected, ask
        self.asked.append(ask)
        self.balance_is_the_ledgers()

    def play_batch(self, batch: Batch) -> None:
        expected = self.ledger.answer_batch(batch)
        assert self.counter.ask_batch(batch) == expected, batch
        self.asked.append(batch)
        self.balance_is_the_ledgers()

    def balance_is_the_ledgers(self) -> None:
        ledger = self.ledger
        assert self.counter.balance() == (ledger.available, ledger.held, ledger.limit, ledger.seq)

    def pick(self, which: int, statuses: list[str]) -> int:
        """A charge or request: half of the time one that is pending, if there is any."""
        pending = [place for place, status in enumerate(statuses) if status == "pending"]
        places = pending if pending and which % 2 else range(len(statuses))
        return places[which // 2 % len(places)]

    def pick_charge(self, which: int) -> int:
        return self.pick(which, [charge.status for charge in self.ledger.charges])

    @rule(verb=st.sampled_from(["charge", "hold", "charge", "hold", "request", "credit", "debit"]), amount=amounts,
          key=keys)  # fmt: skip
    def something_new(self, verb: Verb, amount: int, key: str | None) -> None:
        self.play(Ask(verb, amount, key=key))

    @precondition(lambda self: self.ledger.charges)
    @rule(verb=st.sampled_from(["capture", "refund"]), which=places, amount=st.none() | amounts, key=keys)
    def part_of_a_charge(self, verb: Verb, which: int, amount: int | None, key: str | None) -> None:
        self.play(Ask(verb, amount, self.pick_charge(which), key))

    @precondition(lambda self: self.ledger.charges)
    @rule(which=places, key=keys)
    def void(self, which: int, key: str | None) -> None:
        self.play(Ask("void", None, self.pick_charge(which), key))

    @precondition(lambda self: self.ledger.requests)
    @rule(verb=st.sampled_from(["approve", "approve", "reject", "cancel"]), which=places, key=keys)
    def decide_on_credit(self, verb: Verb, which: int, key: str | None) -> None:
        self.play(Ask(verb, None, self.pick(which, [status for status, _ in self.ledger.requests]), key))

    @rule(limit=st.integers(0, 1_000))
    def change_limit(self, limit: int) -> None:
        self.play(Ask("limit", limit))

    @rule(verb=st.sampled_from(["suspend", "reinstate", "reinstate", "reinstate"]))
    def suspend(self, verb: Verb) -> None:
        self.play(Ask(verb))

    @rule(is_atomic=st.booleans(), charges=st.lists(charge_asks, min_size=1, max_size=4).map(tuple))
    def batch(self, is_atomic: bool, charges: tuple[Ask, ...]) -> None:
        self.play_batch(Batch(is_atomic, charges))

    @precondition(lambda self: self.asked)
    @rule(which=places)
    def the_same_again(self, which: int) -> None:
        match self.asked[which % len(self.asked)]:
            case Batch() as batch:
                self.play_batch(batch)
            case ask:
                self.play(ask)

    @precondition(lambda self: self.ledger.charges)
    @rule(which=places)
    def look(self, which: int) -> None:
        place = which % len(self.ledger.charges)
        assert self.counter.look(place) == self.ledger.charges[place]

    @rule()
    def forget(self) -> None:
        self.counter.forget()
