"""Many charges in one command: each decided as if it had come alone, or all of them or none.

    decide_many      one synchronous step, and one submission with all that they write
    decide_atomic    a task of the actor, in slices: nothing else of the seller is decided meanwhile

The parts of a `ChargeMany` share the rules (`actors.account`) and the keys with charges that come alone.
"""

import asyncio
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from actors.account import SUSPENDED, apply, charge, decline, has_due
from actors.commands import Charge, ChargeMany, Command, Done, ManyDone, Refusal
from actors.envelope import KEY_REUSED, Envelope, FirstUse
from journal.entry import Entry
from journal.projections import Row
from journal.store import JournalFault, JournalFrozen

if TYPE_CHECKING:
    from actors.actor import Actor

SLICE: Final = 64
"""Charges, or commands, decided in a row before the event loop is let go: about a millisecond."""


def charges_in(command: Command) -> int:
    """What the command weighs, in charges."""
    return len(command.charges) if isinstance(command, ChargeMany) else 1


def decide_many(actor: "Actor", envelope: Envelope, command: ChargeMany, is_prepared: bool) -> bool:
    """Each charge as if it had come alone, but for one submission with all that they write."""
    account, keys = actor.account, actor.keys
    is_frozen = actor.directory.journal.is_frozen
    now_us = actor.directory.clock_us()
    if not is_frozen and has_due(account, now_us):
        actor.give_back_due(now_us)
    # Atomic ones take their time, and a refusal asks the journal for its key: both as a task.
    if not is_prepared and (command.is_atomic or account.is_suspended or is_frozen):
        return False
    entries: list[Entry] = []
    rows: list[Row] = []
    results: list[int | FirstUse | Refusal] = []
    for each in command.charges:
        caller = each.caller
        key = caller.idempotency_key
        first_use = None if key is None else keys.get((caller.by_admin, key))
        if first_use is not None:
            results.append(first_use if first_use.request_hash == caller.request_hash else KEY_REUSED)
        elif account.is_suspended:
            results.append(SUSPENDED)
        elif is_frozen:
            raise JournalFrozen
        else:
            results.append(len(entries))
            _charge(actor, envelope, each, charge(account, each, now_us), entries, rows)
    envelope.results = results
    _submit(actor, envelope, entries, rows)
    return True


def _charge(
    actor: "Actor", envelope: Envelope, command: Charge, entry: Entry, entries: list[Entry], rows: list[Row]
) -> None:
    """One of many: applied and gathered, to be submitted with the others."""
    row = apply(actor.account, entry)
    if row is not None:
        rows.append(row)
    if command.caller.idempotency_key is not None:
        actor.remember(command.caller, envelope, len(entries))
    entries.append(entry)


def _submit(actor: "Actor", envelope: Envelope, entries: list[Entry], rows: list[Row]) -> None:
    for entry in entries:
        actor.directory.count(entry.type)
    if entries:
        # Nothing is left in it of a decision that was given up.
        assert len(envelope.uses) <= len(entries)
        assert not envelope.rows
        envelope.entries, envelope.rows = tuple(entries), tuple(rows)
        actor.submit(envelope)
    elif actor.undurable == 0:
        actor.show(envelope, envelope.many(()))
    else:
        actor.directory.journal.submit(envelope)


async def decide_atomic(actor: "Actor", envelope: Envelope, command: ChargeMany) -> None:
    """All or nothing, decided in slices; nothing else of the seller is decided meanwhile.

    Everything is applied to the account first and submitted at the end in one piece. If the journal no longer takes it
    then, the account in memory is ahead of the journal, and the actor is dropped."""
    # It may have been decided in part before, and stopped when the journal gave back what was ahead of it.
    envelope.reset()
    journal = actor.directory.journal
    try:
        answered = await _refused_or_repeated(actor, command)
        journal.check_open()  # Time has passed since it was asked.
        if isinstance(answered, Refusal):
            actor.directory.count(answered.code)
            actor.show_in_order(envelope, answered)
            return
        if answered is not None:
            actor.show(envelope, await _repeated(actor, answered))
            return
        journal.check_writable()
    except JournalFault as fault:  # Nothing is applied yet.
        envelope.fail_attempt(fault)
        return
    account = actor.account
    now_us = actor.directory.clock_us()
    if has_due(account, now_us):
        actor.give_back_due(now_us)
    struck = _struck(command, account.available + account.credit_limit)
    entries: list[Entry] = []
    rows: list[Row] = []
    for index, each in enumerate(command.charges):
        if struck is None:
            entry = charge(account, each, now_us)
        else:
            entry = decline(account, each, now_us, is_aborted=index != struck)
        _charge(actor, envelope, each, entry, entries, rows)
        if index % SLICE == SLICE - 1:
            await asyncio.sleep(0)
    envelope.results = list(range(len(entries)))
    journal.check_writable()
    _submit(actor, envelope, entries, rows)


async def _refused_or_repeated(actor: "Actor", command: ChargeMany) -> Refusal | list[FirstUse] | None:
    """Why it is refused; or what it repeats, if all its keys are known and meant the same; None for a new one."""
    known = list(actor.known(command))
    await asyncio.sleep(0)
    if not known:
        # All of one side, so the text alone tells them apart.
        texts = [each.caller.idempotency_key for each in command.charges if each.caller.idempotency_key is not None]
        if len(set(texts)) == len(texts):
            return SUSPENDED if actor.account.is_suspended else None
    if len(known) == len(command.charges) and all(
        first_use.request_hash == each.caller.request_hash
        for first_use, each in zip(known, command.charges, strict=True)
    ):
        return known
    return KEY_REUSED


async def _repeated(actor: "Actor", first_uses: list[FirstUse]) -> ManyDone:
    """The answers of before, once all of them are durable."""
    if actor.undurable:
        await actor.durable()
    results: list[Done] = []
    for index, first_use in enumerate(first_uses):
        results.append(first_use.repeated())
        if index % SLICE == SLICE - 1:
            await asyncio.sleep(0)
    return ManyDone(tuple(results))


def _struck(command: ChargeMany, credit: int) -> int | None:
    """The index of the first charge that the credit does not cover any more."""
    for index, sold in enumerate(accumulate(each.amount for each in command.charges)):
        if sold > credit:
            return index
    return None
