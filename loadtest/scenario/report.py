"""The report: what was played, how it was answered, and what each rule found, as tables."""

from collections import Counter
from collections.abc import Sequence
from statistics import quantiles

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from loadtest.checker import RULES, Findings
from loadtest.history import ACKNOWLEDGED, Event, Kind, Outcome

SHOWN_MAX = 20
"""Violations that are printed; the rest is counted."""


class Part(Struct, frozen=True):
    """One play's share of the history."""

    title: str
    events: list[Event]
    seconds: float


class Check(Struct, frozen=True):
    """Something that was asked of the service itself, or of its command line."""

    title: str
    faults: list[str]


def show(
    console: Console, parts: Sequence[Part], events: Sequence[Event], findings: Findings, checks: Sequence[Check]
) -> None:
    """`events`: all of them, what prepared the plays included."""
    console.print(_answers(parts))
    console.print(_kinds(events))
    console.print(_rules(findings, checks))
    for violation in findings.violations[:SHOWN_MAX]:
        console.print(f"[red]{_plain(str(violation))}")
    for check in checks:
        for fault in check.faults[:SHOWN_MAX]:
            console.print(f"[red]{_plain(f'{check.title}: {fault}')}")
    hidden = max(len(findings.violations) - SHOWN_MAX, 0) + sum(max(len(c.faults) - SHOWN_MAX, 0) for c in checks)
    if hidden:
        console.print(f"[red]... and {hidden:,} more")


def missing(events: Sequence[Event], *, was_killed: bool) -> list[str]:
    """What a play should have met and did not: a rule that had nothing to judge proves nothing."""
    seen: set[str] = set()
    for event in events:
        seen.add(event.outcome)
        seen.add(event.request.kind)
        if event.is_replay:
            seen.add(f"{event.outcome}, replayed")
        if event.code is not None:
            seen.add(event.code)
    wanted = [
        *Kind,
        *ACKNOWLEDGED,
        *(f"{outcome}, replayed" for outcome in ACKNOWLEDGED),
        *("idempotency_key_reused", "not_pending", "already_decided", "refund_exceeds_charge"),
    ]
    if was_killed:
        wanted.append(Outcome.UNKNOWN)
    return sorted(str(each) for each in wanted if each not in seen)


def _answers(parts: Sequence[Part]) -> Table:
    table = Table(title="What was asked", title_justify="left")
    table.add_column("")
    for part in parts:
        table.add_column(part.title, justify="right")
    columns = [_figures(part) for part in parts]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    return table


def _figures(part: Part) -> dict[str, str]:
    outcomes = Counter(event.outcome for event in part.events)
    answered = [event for event in part.events if event.status is not None]
    took_ms = sorted((event.answered_ns - event.sent_ns) / 1e6 for event in answered)
    percentiles = quantiles(took_ms, n=100) if len(took_ms) > 1 else [0.0] * 99
    return {
        "requests": f"{len(part.events):,}",
        **{outcome.value: f"{outcomes[outcome]:,}" for outcome in Outcome},
        "replayed": f"{sum(event.is_replay for event in part.events):,}",
        "answers per second": f"{len(answered) / max(part.seconds, 1e-9):,.0f}",
        "p50": f"{percentiles[49]:,.1f} ms",
        "p99": f"{percentiles[98]:,.1f} ms",
    }


def _kinds(events: Sequence[Event]) -> Table:
    table = Table(title="How it was answered", title_justify="left")
    table.add_column("request")
    table.add_column("answers")
    for kind in Kind:
        answers: Counter[str] = Counter()
        for event in events:
            if event.request.kind is kind:
                replayed = " replayed" if event.is_replay else ""
                answers[f"{event.status or 'no answer'} {event.code or ''}".strip() + replayed] += 1
        table.add_row(
            kind.replace("_", " "), ", ".join(f"{count:,} {answer}" for answer, count in answers.most_common())
        )
    return table


def _rules(findings: Findings, checks: Sequence[Check]) -> Table:
    table = Table(title="What was checked", title_justify="left")
    for name in ("rule", "looked at", "violations"):
        table.add_column(name, justify="left" if name == "rule" else "right")
    found = Counter(violation.rule for violation in findings.violations)
    for number, title in RULES.items():
        table.add_row(f"{number}. {title}", f"{findings.looked_at[number]:,}", _count(found[number]))
    for check in checks:
        table.add_row(check.title, "", _count(len(check.faults)))
    return table


def _count(violations: int) -> str:
    return f"[red]{violations:,}" if violations else "[green]0"


def _plain(text: str) -> str:
    """Nothing in it is markup of ours."""
    return text.replace("[", "\\[")
