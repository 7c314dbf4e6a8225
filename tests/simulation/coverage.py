"""Which lines of the core the seeds have run: what no seed reaches is not tested, and fails the run.

`BRANCHES` names the lines by which the ways of recovery are known, to be counted in the report; every other
line of the modules must have been run as well, but for those in `UNREACHABLE`, each with the reason.
"""

import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, Final, TypeAlias

from actors import account, actor, batches, directory, envelope, sweeper
from journal import committer, journal

MODULES: Final = (committer, journal, account, actor, batches, envelope, directory, sweeper)

UNREACHABLE: Final[dict[str, tuple[str, ...]]] = {
    # why: what (a line, or a function and a line)
    "an interface": ("raise NotImplementedError",),
    "leads to an assertion": (
        "case _:",
        "assert_never(command)",
        "raise AssertionError(type_)",
        'raise AssertionError("decided charge by charge, see actors.batches")',
    ),
    "a clock of the machine": ("return time.time_ns() // 1000",),
    # That there is none is what the simulation is for; the actor's own tests plant one.
    "a bug of ours": (
        "except Exception as bug:",
        "self.is_broken = True",
        "self.directory.report_bug(self, bug)",
        "envelope.fail(InternalError())",
        "self._fail_mailbox(InternalError())",
        "Actor._handle: self._go_if_broken()",
        "Actor._worked: self.task = None",
        "Actor._worked: self._go_if_broken()",
        "Actor._go_if_broken: self.directory.forget(self)",
        'log.error("actor_broken", exc_info=bug, extra={"seller_id": actor.seller_id})',
    ),
}

BRANCHES: Final[dict[str, tuple[str, str]]] = {
    # name: (function, a line of it)
    "outcome unknown, found in the journal": ("Committer._resolve", "self._acknowledge(doubtful"),
    "outcome unknown, found absent": ("Committer._resolve", 'NotApplied("the journal lost its connection'),
    "outcome unknown, lease lost meanwhile": ("Committer._resolve", "raise EpochLost"),
    "outcome unknown, and the waiters told so": ("Committer._fail_doubtful", 'OutcomeUnknown("the journal does not'),
    "no connection for the flush": ("Committer._resolve", 'NotApplied("the journal is unavailable")'),
    "queued behind an unknown outcome": ("Committer._resolve", 'NotApplied("the journal became unavailable")'),
    "tried again until the database answers": ("Committer._persist", "except JournalUnavailable as fault:"),
    "keys known: a seller's part withdrawn": ("Committer._withdraw", "self._observer.keys_used("),
    "refused: sent seller by seller": ("Committer._commit_by_seller", "parts: dict"),
    "refused: one seller fails": ("Committer._fail_seller", "doomed = "),
    "refused: a fault on the way through the sellers": (
        "Committer._commit_by_seller",
        "self._pending.extendleft(reversed(",
    ),
    "refused: keys known on the way through the sellers": ("Committer._commit_by_seller", "self._withdraw(known)"),
    "epoch lost by a flush": ("Committer.run", 'NotApplied("another instance has taken over")'),
    "the end of leadership with work in flight": ("Committer._give_up", "submission.failed(fault)"),
    "epoch lost by a renewal": ("Journal._renew", "committer.stop()"),
    "withdrawn commands decided again": ("Actor.decide_again", "again.append(envelope)"),
    "an actor dropped while it was busy": ("Actor.drop", "self.task.cancel()"),
    "a load that failed": ("Actor._load_account", "self._fail_mailbox(fault)"),
    "a seller opened on first use": ("Actor._load_account", "opening.command = Open(currency)"),
    "a key that only the journal knew": ("Actor._load_keys", "found = recorded[seq]"),
    "an atomic batch declined": ("decide_atomic", "entry = decline("),
    "an atomic batch sold": ("decide_atomic", "entry = charge("),
    "an atomic batch refused for its keys": ("_refused_or_repeated", "return KEY_REUSED"),
    "an atomic batch repeated": ("_repeated", "results.append(first_use.repeated())"),
    "an atomic batch repeated before it was durable": ("_repeated", "await actor.durable()"),
    "a charge of a batch that came before": ("decide_many", "results.append(first_use if"),
    "a key let go of for newer ones": ("Actor.forget_key", "del self.keys[key]"),
    "a key kept for longer than its turn": (
        "Directory._forget_oldest_key",
        "self._remembered_of.append(seller_id)",
    ),
    "a subject that only the journal knew": ("Actor._load_subject", "if isinstance(command, DecideCredit):"),
    "a subject read behind what is not durable yet": ("Actor._load_subject", "await self.durable()"),
    "an answer that waits for what is ahead of it": ("Actor.show_in_order", "envelope.verdict = verdict"),
    "a duplicate that waits for the first": ("Actor._repeat", "first_use.waiting = (*first_use.waiting, envelope)"),
    "an answer from memory refused for want of a lease": ("Actor.show", "envelope.fail_attempt(fault)"),
    "a hold given back": ("Actor.give_back_due", "self._write(self._unasked()"),
    "a read of a frozen journal": ("Actor._step_frozen", "self.show_in_order("),
    "a frozen journal asked for a key": ("Actor._step_frozen", "return False"),
    "a change of a frozen journal refused": ("Actor._step_frozen", "raise JournalFrozen"),
    "a batch for a frozen journal refused": ("decide_many", "raise JournalFrozen"),
    "an actor passivated": ("Directory._passivate_one", "del self._actors[idle.seller_id]"),
    "no actor can go": ("Directory._passivate_one", "raise Overloaded"),
    "a seller that is not swept, and the others are": ("_settle", "except (RateLimited"),
    "a sweep put off": ("sweep_forever", 'log.info("sweep_postponed"'),
}

Place: TypeAlias = tuple[str, int]
"""File and line."""


def _codes(module: ModuleType) -> Iterator[CodeType]:
    """Of all functions of the module, nested ones included, and of nothing that runs at import only."""
    file = module.__file__
    pending: list[Any] = list(vars(module).values())
    while pending:
        each = pending.pop()
        if inspect.isclass(each) and each.__module__ == module.__name__:
            if not getattr(each, "_is_protocol", False):
                pending.extend(vars(each).values())
        elif isinstance(each, property):
            pending.append(each.fget)
        elif inspect.isfunction(each):
            pending.append(each.__code__)
        elif isinstance(each, CodeType) and each.co_filename == file:
            yield each
            pending.extend(each.co_consts)


CODES: Final = frozenset(code for module in MODULES for code in _codes(module))
_BY_NAME: Final = {code.co_qualname: code for code in CODES}
_BRANCH_CODES: Final = frozenset(_BY_NAME[function] for function, _ in BRANCHES.values())


def _lines(code: CodeType) -> set[int]:
    return {line for _, _, line in code.co_lines() if line is not None and line != code.co_firstlineno}


class Coverage:
    """What the seeds of this process have run. Fast: a function that has been run whole is not traced any more,
    unless a branch in it is to be counted, and when all have been, nothing is."""

    def __init__(self) -> None:
        self.counts: Counter[Place] = Counter()
        """Of the functions with a named branch: how often each line was run."""
        self._missing = {code: lines for code in CODES if (lines := _reachable_lines(code))}

    @contextmanager
    def traced(self, *, is_counted: bool) -> Iterator[None]:
        """`is_counted`: the named branches too, which takes three times as long."""
        missing, counts = self._missing, self.counts
        counted_codes = _BRANCH_CODES if is_counted else frozenset()
        if not missing and not counted_codes:
            yield
            return

        def on_line(frame: FrameType, event: str, _: object) -> Callable[..., Any]:
            if event == "line":
                code = frame.f_code
                lines = missing.get(code)
                if lines is not None:
                    lines.discard(frame.f_lineno)
                    if not lines:
                        del missing[code]
                if code in counted_codes:
                    counts[code.co_filename, frame.f_lineno] += 1
            return on_line

        def on_call(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
            code = frame.f_code
            return on_line if code in counted_codes or code in missing else None

        before = sys.gettrace()
        sys.settrace(on_call)
        try:
            yield
        finally:
            sys.settrace(before)

    def missing(self) -> set[Place]:
        """Every line that should have been run and was not."""
        return {(code.co_filename, line) for code, lines in self._missing.items() for line in lines}


def describe(place: Place) -> str:
    file, line = place
    (code,) = [code for code in CODES if code.co_filename == file and line in _lines(code)]
    return f"{Path(file).name}:{line} in {code.co_qualname}: {_texts(code).get(line, '')}"


def branch_counts(counts: Counter[Place]) -> dict[str, int]:
    """How often each named way of recovery was taken."""
    found = {}
    for name, (function, fragment) in BRANCHES.items():
        code = _BY_NAME[function]
        source, first = inspect.getsourcelines(code)
        at = [first + index for index, text in enumerate(source) if fragment in text]
        assert at, f"{function} has no line {fragment!r} any more"
        found[name] = max(counts[code.co_filename, line] for line in at)
    return found


def _reachable_lines(code: CodeType) -> set[int]:
    texts = _texts(code)
    return {line for line in _lines(code) if not _is_unreachable(code, texts.get(line, ""))}


def _is_unreachable(code: CodeType, text: str) -> bool:
    return any(text in texts or f"{code.co_qualname}: {text}" in texts for texts in UNREACHABLE.values())


def _texts(code: CodeType) -> dict[int, str]:
    """By the number of the line."""
    source, first = inspect.getsourcelines(code)
    return {number: text.strip() for number, text in enumerate(source, first)}
