"""Planted bugs, each of which the simulation must find: the proof that it can fail.

Each of the promises 1 to 8 of docs/guarantees.md has at least one. A mutant that survives means a rule that nobody
checks, or a state that no seed reaches. Some rules are guarded twice, by an assertion of the rules or by a constraint
of the database; where a mutant says so, the guard is taken away too, so that the checker has to see the damage itself.
"""

from typing import Final

from msgspec import Struct

from tests.simulation.planting import Patch, patch

_ACCOUNT: Final = "actors.account"
_ACTOR: Final = "actors.actor:Actor"
_BATCHES: Final = "actors.batches"
_DIRECTORY: Final = "actors.directory:Directory"
_COMMITTER: Final = "journal.committer:Committer"
_JOURNAL: Final = "journal.journal:Journal"
_SERVER: Final = "tests.simulation.server:Server"


class Mutant(Struct, frozen=True):
    name: str
    invariant: int
    """The number of the promise in docs/guarantees.md that it breaks; 0 for what belongs to a hazard there."""
    patches: tuple[Patch, ...]


def _mutant(invariant: int, name: str, *patches: Patch) -> Mutant:
    return Mutant(name, invariant, patches)


_ACKNOWLEDGE_EARLY: Final = """
    from actors.commands import Done
    position = self._lease.last_position
    for each in submissions:
        position += len(each.entries)
        if each.entries and not each.reply.done():
            each.reply.set_result(Done(each.entries[-1], position, each.actor.account.currency, each.opening))
    known = await self._store.flush("""

_FREEZING_UNGUARDED: Final = (
    patch(f"{_JOURNAL}.submit", ("assert not (self.is_frozen and submission.entries)", "pass")),
    patch(f"{_SERVER}.check_fence", (" or self.database.is_frozen", "")),
    patch("journal.memory:MemoryDatabase.write", (" or self.is_frozen", "")),
)
"""Takes away what else keeps a frozen journal from being written to."""

MUTANTS: Final = (
    # --- 1: acknowledged means durable ---
    _mutant(
        1,
        "acknowledged before the COMMIT",
        patch(f"{_COMMITTER}._flush", ("\n    known = await self._store.flush(", _ACKNOWLEDGE_EARLY)),
    ),
    _mutant(
        1,
        "an unknown outcome is taken for success",
        patch(f"{_COMMITTER}._resolve", ("if raised.last_position == absent:", "if present == absent:")),
    ),
    _mutant(
        1,
        "an unknown outcome is taken for failure",
        patch(f"{_COMMITTER}._resolve", ("if raised.last_position == absent:", "if True:")),
    ),
    _mutant(
        1,
        "not_applied is said of what nobody knows yet",
        patch(f"{_COMMITTER}._fail_doubtful", ("OutcomeUnknown(", "NotApplied(")),
    ),
    _mutant(
        1,
        "refused by a bound after it was decided",
        patch(
            f"{_DIRECTORY}.ask",
            (
                "actor.take(Envelope(actor, command, reply))",
                "actor.take(Envelope(actor, command, reply))\n"
                "    if actor.in_flight > self._bounds.seller_in_flight_max:\n"
                "        raise RateLimited",
            ),
            ("elif actor.in_flight >= self._bounds.seller_in_flight_max:", "elif False:"),
        ),
    ),
    # --- 2: nothing undurable is ever shown ---
    _mutant(
        2,
        "a read does not wait for what is ahead of it",
        patch(
            f"{_ACTOR}._step",
            (
                "self.show_in_order(envelope, self.account.view(now_us))",
                "self.show(envelope, self.account.view(now_us))",
            ),
        ),
    ),
    _mutant(
        2,
        "a refusal does not wait for what is ahead of it",
        patch(f"{_ACTOR}._step", ("self.show_in_order(envelope, decision)", "self.show(envelope, decision)")),
    ),
    _mutant(
        2,
        "actors are kept when their state is in doubt",
        patch(
            f"{_COMMITTER}._resolve",
            ("self._observer.in_doubt(sellers)", "pass"),
        ),
    ),
    _mutant(
        2,
        "what is queued outlives the batch it was built on",
        patch(f"{_COMMITTER}._resolve", ("unsent, self._pending = self._pending, deque()", "unsent = deque()")),
    ),
    _mutant(
        2,
        "an actor with undurable state is passivated",
        patch(
            f"{_ACTOR}.is_idle",
            ("return self.in_flight == 0 and self.undurable == 0 and self.task is None", "return self.task is None"),
        ),
    ),
    _mutant(
        2,
        "a closed charge is read before its last entry is durable",
        patch(f"{_ACTOR}._load_subject", ("if self.undurable:", "if False:")),
    ),
    # --- 3: exactly once ---
    _mutant(
        3,
        "a duplicate does not wait for the first",
        patch(
            f"{_ACTOR}._step", ("if first_use is not None:", "if first_use is not None and first_use.done is not None:")
        ),
    ),
    _mutant(
        3,
        "a duplicate is forgotten when the first fails",
        patch(
            "actors.envelope:Envelope.failed",
            ("for waiting in first_use.waiting:", "for waiting in ():"),
        ),
    ),
    _mutant(
        3,
        "the keys of an actor outlive a failed flush",
        patch(
            f"{_DIRECTORY}.in_doubt",
            ("actor.drop(fault)", 'actor.drop(fault); self.__dict__.setdefault("kept", {})[seller_id] = actor.keys'),
        ),
        patch(
            f"{_DIRECTORY}._new_actor",
            (
                "actor.start_loading()",
                'actor.keys = self.__dict__.get("kept", {}).pop(seller_id, {}); actor.start_loading()',
            ),
        ),
    ),
    _mutant(
        3,
        "a declined charge is not journaled",
        patch(
            f"{_ACCOUNT}:decide",
            (
                "if not account.is_suspended else SUSPENDED",
                "if command.amount <= account.available + account.credit_limit and not account.is_suspended"
                " else SUSPENDED if account.is_suspended"
                ' else Refusal(RefusalCode.INSUFFICIENT_CREDIT, "too little", available=account.available)',
            ),
        ),
    ),
    _mutant(
        3,
        "a key of one side is found by the other",
        patch(
            f"{_ACTOR}._step",
            ("self.keys.get((caller.by_admin, key))", "self.keys.get((False, key))"),
            ("self.remember(caller, envelope,", "self.remember(replace(caller, by_admin=False), envelope,"),
        ),
    ),
    _mutant(
        3,
        "a key answers for another body",
        patch(f"{_ACTOR}._repeat", ("first_use.request_hash != envelope.command.caller.request_hash", "False")),
    ),
    _mutant(
        3,
        "a key is forgotten while its first is in flight",
        patch(f"{_ACTOR}.forget_key", ("first_use.done is None or ", "")),
    ),
    _mutant(
        3,
        "a key just loaded is forgotten before its turn",
        patch(f"{_ACTOR}.forget_key", (" or self.task is not None", "")),
    ),
    _mutant(
        3,
        "a refusal does not ask the journal for its key",
        patch(f"{_ACTOR}._step", ("if key is not None and not is_prepared:", "if False:")),
    ),
    _mutant(
        3,
        "a replay lacks the entry that opened its charge",
        patch(f"{_ACTOR}._load_keys", ("found.opening)", "None)")),
    ),
    _mutant(
        3,
        "an unknown outcome is sent again",
        patch(
            f"{_COMMITTER}._commit",
            (
                "except (OutcomeUnknown, JournalUnavailable) as fault:",
                "except OutcomeUnknown:\n            continue\n        except JournalUnavailable as fault:",
            ),
        ),
    ),
    _mutant(
        3,
        "an unknown outcome is looked up without raising the epoch",
        patch("journal.memory:MemoryStore.raise_epoch", ("database.epoch = epoch + 1", "pass")),
    ),
    _mutant(
        3,
        "withdrawn commands are decided on the old account",
        patch(f"{_ACTOR}.decide_again", ("self.account = Account(self.seller_id)", "pass")),
        patch(f"{_ACCOUNT}:Account.load", ("assert self.seq == 0", "if self.seq:\n        return")),
    ),
    _mutant(
        3,
        "what is queued is not withdrawn with the batch",
        patch(
            f"{_COMMITTER}._withdraw",
            (
                "withdrawn.get(submission.seller_id, still_pending).append(submission)",
                "still_pending.append(submission)",
            ),
        ),
    ),
    _mutant(
        3,
        "duplicates of what is withdrawn are left behind",
        patch(f"{_ACTOR}.decide_again", ("again.extend(first_use.waiting)", "pass")),
    ),
    # --- 4: double entry, and the rules of an account ---
    _mutant(
        4,
        "the last cent cannot be spent",
        patch(f"{_ACCOUNT}:charge", ("command.amount > account.available", "command.amount >= account.available")),
    ),
    _mutant(
        4,
        "one cent too much can be spent (no assertion, no constraint)",
        patch(f"{_ACCOUNT}:charge", ("command.amount > account.available", "command.amount - 1 > account.available")),
        patch(f"{_ACCOUNT}:apply", ("assert entry.available_after + entry.credit_limit >= 0", "pass")),
        patch("journal.memory:MemoryDatabase._check", ("entry.available_after + entry.credit_limit < 0", "False")),
    ),
    _mutant(
        4,
        "the credit limit is ignored",
        patch(f"{_ACCOUNT}:charge", ("account.available + account.credit_limit", "account.available")),
    ),
    _mutant(
        4,
        "a partial capture loses the rest (no assertion)",
        patch(f"{_ACCOUNT}:_capture", ("if rest:", "if False:")),
        patch(f"{_ACCOUNT}:_apply_to_charge", ("assert amount == -entry.held_change", "pass")),
    ),
    _mutant(
        4,
        "a refund is not bounded (no assertion)",
        patch(f"{_ACCOUNT}:_refund", ("if left == 0 or amount > left:", "if left == 0:")),
        patch(f"{_ACCOUNT}:_apply_to_charge", ("assert 0 < refunded <= amount", "pass")),
    ),
    _mutant(
        4,
        "holds are forgotten when a seller is loaded",
        patch(f"{_ACCOUNT}:Account.load", ("self.expiries = [", "self.expiries = []\n    [")),
    ),
    _mutant(
        4,
        "a hold is given back a second too early",
        patch(f"{_ACCOUNT}:has_due", ("<= max(now_us, account.at_us)", "<= max(now_us, account.at_us) + 1_000_000")),
    ),
    _mutant(
        4,
        "a suspended seller sells",
        patch(f"{_ACCOUNT}:decide", ("if not account.is_suspended else SUSPENDED", "")),
    ),
    _mutant(
        4,
        "one admin approves twice",
        patch(f"{_ACCOUNT}:_decide_credit", ("if any(approval.by == made_by for approval in approvals):", "if False:")),
    ),
    _mutant(
        4,
        "a large request needs no second admin",
        patch(
            f"{_ACCOUNT}:_decide_credit", ("if len(approvals) < 2 and rules.needs_second_admin(", "if False and bool(")
        ),
    ),
    _mutant(
        4,
        "a seller is used before it is opened",
        patch(f"{_ACTOR}._load_account", ("self.directory.journal.check_writable()", "pass")),
    ),
    _mutant(
        4,
        "a hold that expires while its command is prepared is unknown",
        patch(f"{_ACTOR}._step", ("is_prepared = False", "pass")),
    ),
    _mutant(
        4,
        "an atomic batch sells what it can",
        patch(f"{_BATCHES}:decide_atomic", ("if struck is None:", "if struck is None or index < struck:")),
    ),
    _mutant(
        4,
        "an atomic batch is decided by its last charge alone",
        patch(
            f"{_BATCHES}:_struck",
            ("accumulate(each.amount for each in command.charges)", "each.amount for each in command.charges"),
        ),
    ),
    _mutant(
        3,
        "an atomic batch does not ask the journal for its keys",
        patch(
            f"{_ACTOR}._find_keys",
            ("seqs_of_keys(self.seller_id, unknown)", "seqs_of_keys(self.seller_id, [])"),
        ),
    ),
    _mutant(
        3,
        "who repeats what is in doubt is told that nothing was applied",
        patch("actors.envelope:Envelope.fail_attempt", ("EARLIER_ONE_UNKNOWN if is_repeated else fault", "fault")),
    ),
    _mutant(
        3,
        "who repeats it during a recovery is told so",
        patch(
            "actors.directory:Directory._may_repeat",
            ("if self.may_repeat_forgotten", "return False\n    if self.may_repeat_forgotten"),
        ),
    ),
    _mutant(
        3,
        "a batch shows a repeated charge before it is durable",
        patch(f"{_BATCHES}:_submit", ("elif actor.undurable == 0:", "elif True:")),
    ),
    _mutant(
        3,
        "an atomic batch is repeated before it is durable",
        patch(f"{_BATCHES}:_repeated", ("if actor.undurable:", "if False:")),
    ),
    # --- 5: one order ---
    _mutant(
        5,
        "positions are not counted again after a withdrawal",
        patch(
            f"{_COMMITTER}._withdraw",
            (
                "self._in_flight, self._pending = kept, still_pending",
                "self._in_flight, self._pending = kept, still_pending\n"
                "    self._lease = Lease(self._lease.epoch, self._lease.last_position + 1)",
            ),
        ),
    ),
    _mutant(
        5,
        "an answer carries the position of another entry",
        patch(
            f"{_COMMITTER}._acknowledge",
            ("position += len(submission.entries)", "position += bool(submission.entries)"),
        ),
    ),
    _mutant(
        5,
        "the clock is not clamped (no assertion)",
        patch(f"{_ACCOUNT}:_entry", ("at_us=now_us if now_us > at_us else at_us", "at_us=now_us")),
        patch(f"{_ACCOUNT}:apply", ("assert entry.at_us >= account.at_us", "pass")),
    ),
    _mutant(
        5,
        "followers are not told of what was found in the journal too late",
        patch(f"{_COMMITTER}._acknowledge", ("self._on_commit(", "is_answered or self._on_commit(")),
    ),
    # --- 6: one writer per cell ---
    _mutant(
        6,
        "the fence is not checked",
        patch(
            f"{_SERVER}.check_fence",
            ("if epoch != self.database.epoch or self.database.is_frozen:", "if self.database.is_frozen:"),
        ),
    ),
    _mutant(
        6,
        "the fence is a SELECT, which locks nothing",
        patch(f"{_SERVER}._must_wait", ("return self._holder is not None", "return False")),
    ),
    _mutant(
        6,
        "a takeover does not raise the epoch",
        patch("journal.memory:MemoryStore.acquire", ("database.epoch += 1", "pass")),
    ),
    _mutant(
        6,
        "a frozen journal is written to (no assertion, no fence)",
        patch(f"{_ACTOR}._step", ("if self.directory.journal.is_frozen:", "if False:")),
        *_FREEZING_UNGUARDED,
    ),
    _mutant(
        6,
        "a frozen journal is written to by a batch (no assertion, no fence)",
        patch(f"{_BATCHES}:decide_many", ("is_frozen = actor.directory.journal.is_frozen", "is_frozen = False")),
        *_FREEZING_UNGUARDED,
    ),
    _mutant(
        6,
        "a frozen journal is written to by an atomic batch (no assertion, no fence)",
        patch(
            f"{_BATCHES}:decide_atomic",
            ("check_writable()\n    except", "check_open()\n    except"),
            ("check_writable()\n    _submit(", "check_open()\n    _submit("),
        ),
        *_FREEZING_UNGUARDED,
    ),
    _mutant(
        6,
        "nobody learns that a restore was confirmed",
        patch(f"{_JOURNAL}._renew", ("self._set_frozen(renewal.is_frozen)", "pass")),
    ),
    _mutant(
        6,
        "a restored journal does not freeze whoever leads it (no fence)",
        patch(f"{_JOURNAL}._lead", ("self._set_frozen(lease.is_frozen)", "pass")),
        *_FREEZING_UNGUARDED,
    ),
    _mutant(
        6,
        "reads go on after the lease has run out",
        patch(f"{_JOURNAL}.check_readable", ("if self._clock_s() >= self._deadline_s:", "if False:")),
    ),
    _mutant(
        6,
        "the lease is counted from the answer to its renewal",
        patch(
            f"{_JOURNAL}._renew",
            ("started_s + self._settings.lease_ttl_s", "self._clock_s() + self._settings.lease_ttl_s"),
        ),
    ),
    _mutant(
        6,
        "actors live on when the lease is lost",
        patch(f"{_JOURNAL}._lead", ("self._observer.in_doubt(None)", "pass")),
    ),
    _mutant(
        6,
        "a lease that comes during the stop is kept",
        patch(f"{_JOURNAL}.run", ("if self._stopping.is_set():", "if False:")),
    ),
    _mutant(
        6,
        "the lease is not given back",
        patch(f"{_JOURNAL}.run", ("await self._store.release()", "pass")),
    ),
    # --- 7: the trail is immutable ---
    _mutant(
        7,
        "a hash leaves out the reason",
        patch("journal.chain:preimage", ('"null" if entry.reason is None else json_text(entry.reason)', '"null"')),
    ),
    # --- 8: bounds ---
    _mutant(
        8,
        "a batch without a bound",
        patch(f"{_COMMITTER}._take", ("<= self._settings.batch_entries_max", "<= 10**9")),
    ),
    _mutant(
        8,
        "actors without a bound",
        patch(f"{_DIRECTORY}._new_actor", ("if len(self._actors) >= self._bounds.sellers_loaded_max:", "if False:")),
    ),
    # --- hazards ---
    _mutant(
        0,
        "one seller's bad value fails the others too",
        patch(
            f"{_COMMITTER}._commit_by_seller",
            ("parts.setdefault(submission.seller_id, [])", 'parts.setdefault("all", [])'),
        ),
    ),
    _mutant(
        0,
        "a client that is gone ends the committer",
        patch("actors.envelope:Envelope.answer", ("if not self.reply.done():", "if True:")),
    ),
    _mutant(
        0,
        "the sweeper overlooks a seller",
        patch("actors.sweeper:sweep", ("for seller_id in sellers if", "for seller_id in sellers[1:] if")),
    ),
)
