"""The counter of the core: directory, actors, committer and journal, over the store in memory."""

import asyncio
from itertools import count
from typing import Final

from actors.account import Rules
from actors.commands import (
    AccountView,
    Adjust,
    Caller,
    Capture,
    ChangeAccount,
    ChargeMany,
    Command,
    DecideCredit,
    Done,
    ManyDone,
    Outcome,
    Refund,
    Refusal,
    RequestCredit,
    Settle,
    Void,
)
from actors.commands import Charge as Sell
from actors.directory import Bounds, Directory
from journal.entry import EntryType
from journal.journal import Journal, JournalSettings, JournalState
from journal.memory import MemoryDatabase, MemoryStore
from journal.money import parse
from journal.projections import ChargeStatus
from service import answers
from service.meaning import request_hash
from tests.stateful.ledger import BY_ADMIN, Answer, Ask, Batch, BatchAnswer, Charge

ADMIN: Final = "0192f3c4-5678-7abc-8def-00000000000a"
PHONE: Final = "+15550100001"
_DAY_S: Final = 86_400


class Core:
    """What all accounts share. Its event loop runs only while something is asked."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self._runner = asyncio.Runner()
        self._numbers = count(1)
        self._runner.run(self._start())

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self.store = MemoryStore(self.database, loop.time)

        async def currency_of(seller_id: str) -> str:
            return "USD"

        self.directory = Directory(self.store, currency_of, rules=Rules(), bounds=Bounds())
        led = loop.create_future()
        self.journal = Journal(
            self.store,
            JournalSettings("core", lease_ttl_s=_DAY_S),
            self.directory,
            clock_s=loop.time,
            on_state=lambda state: led.set_result(None) if state is JournalState.LEADING else None,
        )
        self.directory.attach(self.journal)
        self._running = loop.create_task(self.journal.run())
        await led

    def ask(self, seller_id: str, command: Command) -> Outcome:
        async def ask() -> Outcome:
            return await self.directory.ask(seller_id, command)

        return self._runner.run(ask())

    def new_seller(self) -> str:
        return f"0192f3c4-5678-7abc-8def-1111{next(self._numbers):08x}"

    def charge_of(self, seller_id: str, charge_id: str) -> Charge:
        found = self._runner.run(self.store.load_charge(seller_id, charge_id))
        assert found is not None
        row, opening = found.row, found.opening
        if row.status is ChargeStatus.FAILED:  # The row is of what moved, which is nothing.
            return Charge(row.status, _minor(answers.charge_as_of(opening, opening, "USD").amount))
        return Charge(row.status, row.amount, row.refunded)

    def close(self) -> None:
        async def stop() -> None:
            self.journal.stop()
            await self._running

        self._runner.run(stop())
        self._runner.close()


class ActorCounter:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._seller_id = core.new_seller()
        self._charges: list[str] = []
        self._requests: list[str] = []

    def ask(self, ask: Ask) -> Answer:
        outcome = self._core.ask(self._seller_id, self._command_of(ask))
        match outcome:
            case Refusal():
                return Answer(outcome.code, available=outcome.available)
            case Done():
                return self._done(ask, outcome)
            case _:
                assert isinstance(outcome, AccountView)
                return Answer()

    def ask_batch(self, batch: Batch) -> BatchAnswer:
        charges = tuple(self._sale(each) for each in batch.charges)
        outcome = self._core.ask(self._seller_id, ChargeMany(Caller(self._seller_id, False), charges, batch.is_atomic))
        if isinstance(outcome, Refusal):
            return BatchAnswer(outcome.code)
        assert isinstance(outcome, ManyDone)
        return BatchAnswer(results=tuple(map(self._result, outcome.results)))

    def balance(self) -> tuple[int, int, int, int]:
        view = self._core.ask(self._seller_id, Settle())
        assert isinstance(view, AccountView)
        return view.available, view.held, view.credit_limit, view.seq

    def look(self, charge: int) -> Charge:
        return self._core.charge_of(self._seller_id, self._charges[charge])

    def forget(self) -> None:
        self._core.directory.in_doubt([self._seller_id])

    def _command_of(self, ask: Ask) -> Command:
        by_admin = ask.verb in BY_ADMIN
        meaning = None if ask.key is None else request_hash(ask.verb, str(ask.subject), ask.amount)
        caller = Caller(ADMIN if by_admin else self._seller_id, by_admin, ask.key, meaning)
        match ask.verb:
            case "charge" | "hold":
                return self._sale(ask)
            case "capture":
                return Capture(caller, self._charge_id(ask), ask.amount)
            case "void":
                return Void(caller, self._charge_id(ask))
            case "refund":
                return Refund(caller, self._charge_id(ask), ask.amount, "returned")
            case "request":
                return RequestCredit(caller, _amount(ask))
            case "approve" | "reject" | "cancel":
                assert ask.subject is not None
                return DecideCredit(caller, self._requests[ask.subject], ask.verb)
            case "credit" | "debit":
                return Adjust(caller, _amount(ask), ask.verb, "correction")
            case "limit":
                return ChangeAccount(caller, credit_limit=ask.amount)
            case "suspend" | "reinstate":
                return ChangeAccount(caller, is_suspended=ask.verb == "suspend")

    def _sale(self, ask: Ask) -> Sell:
        meaning = None if ask.key is None else request_hash("charge", None, ask.verb, ask.amount)
        caller = Caller(self._seller_id, False, ask.key, meaning)
        return Sell(caller, PHONE, _amount(ask), expires_in_s=7 * _DAY_S if ask.verb == "hold" else None)

    def _charge_id(self, ask: Ask) -> str:
        assert ask.subject is not None
        return self._charges[ask.subject]

    def _done(self, ask: Ask, done: Done) -> Answer:
        entry = done.entry
        match ask.verb:
            case "charge" | "hold" | "capture" | "void" | "refund":
                subject = _place(self._charges, answers.charge(done).id)
                if entry.type is EntryType.DECLINED:
                    failure_code = answers.failure_code(entry)
                    return Answer(
                        "insufficient_credit",
                        subject,
                        failure_code=failure_code,
                        available=entry.available_after,
                        is_replay=done.is_replay,
                    )
                return Answer(
                    subject=subject,
                    charge=_charge(done),
                    seq=entry.seq,
                    available=entry.available_after,
                    held=entry.held_after,
                    is_replay=done.is_replay,
                )
            case "request" | "approve" | "reject" | "cancel":
                request = answers.credit_request(done)
                return Answer(
                    subject=_place(self._requests, request.id),
                    request=(request.status, _minor(request.amount)),
                    is_replay=done.is_replay,
                )
            case "credit" | "debit":
                return Answer(
                    seq=entry.seq, available=entry.available_after, held=entry.held_after, is_replay=done.is_replay
                )
            case _:
                return Answer()

    def _result(self, result: Done | Refusal) -> tuple[str, int | None, str | None]:
        if isinstance(result, Refusal):
            return "failed", None, result.code
        shown = answers.charge(result)
        return shown.status, _place(self._charges, shown.id), shown.failure_code


def _charge(done: Done) -> Charge:
    shown = answers.charge(done)
    return Charge(shown.status, _minor(shown.amount), _minor(shown.refunded_amount))


def _place(ids: list[str], id_: str) -> int:
    """Where it stands in the order in which they came."""
    if id_ not in ids:
        ids.append(id_)
    return ids.index(id_)


def _amount(ask: Ask) -> int:
    assert ask.amount is not None
    return ask.amount


def _minor(text: str) -> int:
    minor = parse(text, "USD")
    return 0 if minor is None else minor
