"""A correct history passes, whatever happened in it: an oracle that cries wolf is of no use."""

import time
from collections import Counter
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from loadtest.checker.arithmetic import FLOWS
from loadtest.history import Kind, Outcome
from tests.loadtest.plays import Play


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 120))
@settings(max_examples=120, deadline=None)
@example(seed=779, steps=60)  # Two that are alike, without key or answer: one was sold, one declined.
def test_every_correct_history_passes(seed: int, steps: int):
    play = Play(Random(seed))
    play.run(steps)
    assert play.record().check().violations == []


def test_the_plays_reach_every_kind_of_request_outcome_and_entry():
    """Nothing above passes for lack of matter."""
    play = Play(Random(1))
    play.run(2500)
    findings = play.record().check()
    assert findings.violations == []
    assert set(findings.looked_at) == {1, 2, 3, 4, 5, 6}

    seen: Counter[tuple[str, ...]] = Counter()
    for event in play.events:
        seen[(event.request.kind,)] += 1
        seen[(event.outcome, "replay" if event.is_replay else "")] += 1
        if event.outcome is Outcome.REFUSED:
            seen[(str(event.code),)] += 1
    for entries in play.shop.journals().values():
        seen.update((f"entry {entry.type}",) for entry in entries)
    expected: set[tuple[str, ...]] = {(kind,) for kind in Kind}
    expected |= {(outcome, "") for outcome in Outcome}
    expected |= {(Outcome.DONE, "replay"), (Outcome.DECLINED, "replay")}
    expected |= {
        (code,)
        for code in (
            "already_decided",
            "idempotency_key_reused",
            "insufficient_credit",
            "limit_in_use",
            "not_pending",
            "refund_exceeds_charge",
            "validation_failed",
        )
    }
    others = ("adjustment", "credit_cancelled", "credit_rejected", "credit_requested", "declined", "limit_changed")
    expected |= {(f"entry {name}",) for name in (*FLOWS, *others)}
    assert expected - set(seen) == set()


def test_checking_takes_little_more_than_linear_time():
    """Eight times the history, far less than sixty-four times the work."""

    def seconds(steps: int) -> float:
        play = Play(Random(2))
        play.run(steps)
        record = play.record()
        taken = []
        for _ in range(3):
            begin = time.process_time()
            record.check()
            taken.append(time.process_time() - begin)
        return min(taken)

    assert seconds(2400) < 24 * seconds(300)
