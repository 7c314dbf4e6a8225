"""The report: one HTML file that opens from disk, with everything in it and nothing fetched."""

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Final

from msgspec import Struct

from loadtest import charts
from loadtest.charts import Line
from loadtest.checker import RULES, Findings
from loadtest.harness.figures import PERCENTS, Figures, Interval, Latency, is_client_late
from loadtest.harness.measurements import Measurements
from loadtest.harness.options import Wishes
from loadtest.history import Outcome
from loadtest.money import to_text

STYLE: Final = Path(__file__).with_name("page.css")
VIOLATIONS_SHOWN_MAX: Final = 100
COLOURS: Final = {
    Outcome.DONE: charts.GREEN,
    Outcome.DECLINED: charts.ORANGE,
    Outcome.REFUSED: charts.PURPLE,
    Outcome.NOT_APPLIED: charts.SKY,
    Outcome.UNKNOWN: charts.RED,
}


class Told(Struct, frozen=True, kw_only=True):
    """What the report is about."""

    wishes: Wishes
    url: str
    run: str
    began: datetime
    is_whole: bool
    """It was not interrupted."""
    figures: Figures


def page(told: Told, measurements: Measurements, findings: Findings | None) -> str:
    """`findings`: None if nothing was checked."""
    figures = told.figures
    sections = [
        _section("Throughput", _throughput(figures.intervals)),
        _section("Latency over time", _latency_over_time(figures), _LATENCY_NOTE),
        _section("Latency by percentile", _curve(measurements), _curve_note(figures)),
        _section("Outcomes", _outcomes(figures.intervals)),
        _section("By operation", _by_operation(figures), is_wide=True),
        _section("What was not done", _codes(figures)),
        _section("The client", _client(figures), _client_note(figures)),
        _section("What was checked", _rules(findings), _violations(findings)),
        _section("Parameters", _parameters(told)),
    ]
    title = f"Load test {told.run}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><style>{STYLE.read_text(encoding="utf-8")}</style></head><body><main>'
        f"<header><h1>Charge Shop, load test</h1><p>{escape(_headline(told))}</p></header>"
        f"{_verdict(told, findings)}{_cards(figures)}{''.join(sections)}</main></body></html>\n"
    )


# --- the top --------------------------------------------------------------------------------------------------


def _headline(told: Told) -> str:
    load = told.wishes.load
    pace = f"{load.rate:,g} requests/s offered" if load.rate else f"{told.wishes.in_flight_max:,} requests in flight"
    return (
        f"{told.url}, {told.began:%-d %B %Y %H:%M} UTC: {pace} for {figures_time(told.figures.seconds)}, "
        f"by {load.sellers:,} sellers"
    )


def figures_time(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds < 120 else f"{seconds / 60:,.1f} min"


def _verdict(told: Told, findings: Findings | None) -> str:
    if findings is None:
        kind, text = "doubt", "Interrupted: the answers were not checked against the journal."
    elif findings.violations:
        kind, text = "bad", f"{len(findings.violations):,} violations: see what was checked."
    else:
        kind = "good"
        text = (
            f"No violation: {findings.looked_at[2]:,} answers and {findings.looked_at[4]:,} reads "
            f"hold against {findings.looked_at[1]:,} journal entries."
        )
    if findings is not None and not told.is_whole:
        text += " (Interrupted before its time.)"
    return f'<p class="verdict {kind}">{escape(text)}</p>'


def _cards(figures: Figures) -> str:
    latency = figures.latency.percentiles
    cards = [
        ("answers/s", f"{figures.answered_per_s:,.0f}", ""),
        ("p50", f"{latency[0]:,.1f}", "ms"),
        ("p99", f"{latency[2]:,.1f}", "ms"),
        ("p99.9", f"{latency[3]:,.1f}", "ms"),
        ("requests", f"{figures.sent:,}", ""),
        *((outcome.value, f"{figures.outcomes[outcome]:,}", "") for outcome in Outcome),
        ("not sent in time", f"{figures.not_sent:,}", ""),
    ]
    shown = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{value}<small>{unit}</small></dd></div>" for name, value, unit in cards
    )
    return f'<dl class="cards">{shown}</dl>'


# --- charts ---------------------------------------------------------------------------------------------------


def _throughput(intervals: Sequence[Interval]) -> str:
    times = [interval.begin_s for interval in intervals]
    drawn = [
        Line("due", times, [each.offered for each in intervals], charts.GREY, is_faint=True),
        Line("answered", times, [each.answered for each in intervals], charts.BLUE),
    ]
    if any(each.not_sent for each in intervals):
        drawn.append(Line("not sent in time", times, [each.not_sent for each in intervals], charts.RED))
    return _picture(charts.lines(drawn, x="seconds", y="requests per second"), "Requests per second over time")


_LATENCY_NOTE: Final = (
    "From the moment a request was due to the last byte of its answer, by when it was due. Logarithmic."
)


def _latency_over_time(figures: Figures) -> str:
    intervals = [interval for interval in figures.intervals if interval.latency.count]
    times = [interval.begin_s for interval in intervals]
    drawn = [
        Line(f"p{percent:g}", times, [each.latency.percentiles[index] for each in intervals])
        for index, percent in enumerate(PERCENTS[:3])
    ]
    drawn.append(Line("highest", times, [each.latency.highest for each in intervals], charts.GREY, is_faint=True))
    return _picture(charts.lines(drawn, x="seconds", y="milliseconds", is_log=True), "Latency percentiles over time")


def _curve(measurements: Measurements) -> str:
    answered = [sample for sample in measurements.samples if sample.code != "no answer"]
    curves = [
        ("from when it was due", [sample.latency_ms for sample in answered]),
        ("from when it was sent", [(sample.answered_ns - sample.sent_ns) / 1e6 for sample in answered]),
    ]
    return _picture(charts.percentile_curve(curves, y="milliseconds"), "Latency at each percentile")


def _curve_note(figures: Figures) -> str:
    due, sent = figures.latency.percentiles, figures.from_sending.percentiles
    shown = "; ".join(
        f"p{percent:g}: {due[index]:,.2f} ms from due, {sent[index]:,.2f} ms from sent"
        for index, percent in enumerate(PERCENTS)
    )
    return f"{shown}. What lies between the two lines is the client's own lateness."


def _outcomes(intervals: Sequence[Interval]) -> str:
    times = [interval.begin_s for interval in intervals]
    layers = [
        Line(outcome.value, times, [each.outcomes[outcome] for each in intervals], COLOURS[outcome])
        for outcome in Outcome
        if any(each.outcomes[outcome] for each in intervals)
    ]
    return _picture(charts.stack(layers, x="seconds", y="requests per second"), "Outcomes over time")


def _picture(svg: str, alternative: str) -> str:
    """As an image, so that what one drawing names does not meet what another does."""
    encoded = base64.b64encode(svg.encode()).decode()
    return f'<img alt="{escape(alternative)}" src="data:image/svg+xml;base64,{encoded}">'


# --- tables ---------------------------------------------------------------------------------------------------


def _by_operation(figures: Figures) -> str:
    rows = [
        (each.value, latency.count, figures.done_by_operation[each], *_milliseconds(latency))
        for each, latency in figures.by_operation.items()
        if latency.count
    ]
    rows.append(("all", figures.latency.count, figures.outcomes[Outcome.DONE], *_milliseconds(figures.latency)))
    return _table(("operation", "requests", "done", *(f"p{percent:g} ms" for percent in PERCENTS), "highest ms"), rows)


def _milliseconds(latency: Latency) -> tuple[str, ...]:
    return tuple(f"{value:,.2f}" for value in (*latency.percentiles, latency.highest))


def _codes(figures: Figures) -> str:
    if not figures.codes:
        return "<p>Nothing: every request was done.</p>"
    return _table(("answer", "operation", "requests"), figures.codes)


def _client(figures: Figures) -> str:
    rows = [("late, share of the time", f"{figures.late_share:.2%}")]
    rows += [
        (f"lag, p{percent:g}", f"{value:,.2f} ms")
        for percent, value in zip(PERCENTS, figures.lag.percentiles, strict=True)
    ]
    rows.append(("lag, highest", f"{figures.lag.highest:,.2f} ms"))
    rows.append(("requests not sent in time", f"{figures.not_sent:,}"))
    return _table(("", ""), rows)


def _client_note(figures: Figures) -> str:
    if is_client_late(figures):
        return (
            "The client was often late: what was measured may be its own limit, or that of the machine that it shares "
            "with the service. Offer less, or run it elsewhere."
        )
    return "The client kept up with its schedule: what was measured is the service, and the way to it."


def _rules(findings: Findings | None) -> str:
    if findings is None:
        return "<p>Nothing.</p>"
    found = [violation.rule for violation in findings.violations]
    rows = [(f"{number}. {title}", findings.looked_at[number], found.count(number)) for number, title in RULES.items()]
    return _table(("rule", "looked at", "violations"), rows)


def _violations(findings: Findings | None) -> str:
    if findings is None or not findings.violations:
        return ""
    shown = [str(violation) for violation in findings.violations[:VIOLATIONS_SHOWN_MAX]]
    hidden = len(findings.violations) - len(shown)
    return "\n".join(shown + ([f"... and {hidden:,} more"] if hidden else []))


def _parameters(told: Told) -> str:
    wishes, load = told.wishes, told.wishes.load
    is_open = load.rate is not None
    rows: list[tuple[str, object]] = [
        ("service", told.url),
        ("run, and prefix of its sellers and keys", told.run),
        ("began", f"{told.began:%Y-%m-%d %H:%M:%S} UTC"),
        ("rate" if is_open else "requests in flight", f"{load.rate:,g}/s" if is_open else wishes.in_flight_max),
        *([("arrivals", load.arrivals), ("in flight at most", wishes.in_flight_max)] if is_open else []),
        ("duration", f"{load.duration_s:g} s"),
        ("sellers", load.sellers),
        ("credit of each", f"{to_text(wishes.credit, 'USD')} USD"),
        ("skew (Zipf)", f"{load.skew:g}"),
        ("charges with a key", f"{load.keys_share:.0%}"),
        ("mix", str(load.mix).replace(",", ", ")),
        ("seed", str(load.seed)),
        ("timeout", f"{wishes.timeout_s:g} s"),
    ]
    return _table(("", ""), rows)


def _table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row) + "</tr>" for row in rows)
    shown = f"<thead><tr>{head}</tr></thead>" if any(names) else ""
    return f'<div class="table"><table>{shown}<tbody>{body}</tbody></table></div>'


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def _section(title: str, content: str, note: str = "", *, is_wide: bool = False) -> str:
    said = f'<p class="note">{escape(note)}</p>' if note else ""
    kind = ' class="wide"' if is_wide else ""
    return f"<section{kind}><h2>{escape(title)}</h2>{content}{said}</section>"
