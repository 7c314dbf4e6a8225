"""Pictures for reports: each function gives one SVG as text, to be embedded in a page or written to a file.

Drawn on nothing, in colours that read on white as on black and apart from each other for the colour-blind (Okabe and
Ito's). Texts stay texts. The same figures give the same bytes. No window, no global figure: many may be drawn at once.
"""

import io
from collections.abc import Sequence
from itertools import cycle
from statistics import median
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from msgspec import Struct

BLUE: Final = "#2f7ed8"
ORANGE: Final = "#e69f00"
GREEN: Final = "#1b9e77"
RED: Final = "#d5502a"
PURPLE: Final = "#b06aa8"
SKY: Final = "#56b4e9"
GREY: Final = "#8a929e"
COLOURS: Final = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY)
"""In the order in which lines without a colour of their own take them."""

WIDTH_IN: Final = 7.2
HEIGHT_IN: Final = 2.9

_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "charge-shop",
    "font.family": "sans-serif",
    "font.sans-serif": ["system-ui", "Helvetica Neue", "Arial", "DejaVu Sans"],
    "font.size": 9,
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "ytick.left": False,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
}
_PERCENTS: Final = (0, 50, 90, 99, 99.9, 99.99, 99.999)


class Line(Struct, frozen=True):
    """What one line shows: `ys` over `xs`, as many."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    colour: str | None = None
    is_faint: bool = False
    """Dashed and thin: what was meant, beside what was."""


def lines(drawn: Sequence[Line], *, x: str, y: str, is_log: bool = False) -> str:
    """Lines in one frame. `x`, `y`: what the axes say. `is_log`: the vertical axis."""
    with mpl.rc_context(_STYLE):
        figure, axes = _frame(x, y)
        for line, colour in zip(drawn, _colours(drawn), strict=True):
            style: dict[str, Any] = {"linestyle": (0, (4, 3)), "linewidth": 1.2} if line.is_faint else {}
            axes.plot(line.xs, line.ys, label=line.name, color=colour, **style)
        _scale(axes, is_log=is_log)
        return _drawn(figure, axes, len(drawn))


class Dots(Struct, frozen=True):
    """A row of `dots`: what was found several times."""

    name: str
    values: Sequence[float]
    text: str
    """Stands at the end of the row: what the median is."""
    colour: str


def stack(layers: Sequence[Line], *, x: str, y: str) -> str:
    """Layers on top of each other, the first at the bottom: parts of a whole over time. All over the same `xs`."""
    with mpl.rc_context(_STYLE):
        figure, axes = _frame(x, y)
        if layers:
            axes.stackplot(
                layers[0].xs,
                [layer.ys for layer in layers],
                labels=[layer.name for layer in layers],
                colors=_colours(layers),
                alpha=0.85,
                linewidth=0,
            )
        _scale(axes, is_log=False)
        return _drawn(figure, axes, len(layers))


def percentile_curve(curves: Sequence[tuple[str, Sequence[float]]], *, y: str) -> str:
    """For each name the values at every percentile, on the axis on which each further nine takes as much room as
    the one before: where a tail begins is seen at a glance. Values need not be sorted.
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _frame("percentile", y)
        reach = 2.0
        for (name, values), colour in zip(curves, cycle(COLOURS), strict=False):
            ordered = sorted(values)
            count = len(ordered)
            reach = max(reach, float(count))
            # One point for every step of the axis, not for every value: the curve of a million fits in a page.
            steps = sorted({min(round(count * (1 - 10 ** (-step / 60))), count - 1) for step in range(60 * 6)})
            places = [index for index in steps if index >= 0]
            axes.plot(
                [count / (count - index) for index in places],
                [ordered[index] for index in places],
                label=name,
                color=colour,
            )
        axes.set_xscale("log")
        shown = [percent for percent in _PERCENTS if 100 / (100 - percent) <= reach]
        axes.set_xticks([100 / (100 - percent) for percent in shown], [f"{percent:g} %" for percent in shown])
        axes.xaxis.set_minor_locator(NullLocator())
        _scale(axes, is_log=True)
        return _drawn(figure, axes, len(curves))


def bars(names: Sequence[str], values: Sequence[float], *, x: str, errors: Sequence[float] | None = None) -> str:
    """Horizontal bars, the first on top, each with its value. `errors`: how far each may be off."""
    with mpl.rc_context({**_STYLE, "axes.grid.axis": "x"}):
        figure, axes = _frame(x, "", height_in=0.7 + 0.34 * len(names))
        drawn = axes.barh(range(len(names)), values, xerr=errors, color=BLUE, ecolor=GREY, height=0.62)
        axes.bar_label(
            drawn, [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in values], padding=3, color=GREY
        )
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        return _drawn(figure, axes, 0)


def dots(rows: Sequence[Dots], *, x: str, is_log: bool = False, line_at: float | None = None) -> str:
    """Rows, the first on top: small dots, and a diamond at their median. `line_at`: what to compare them with."""
    with mpl.rc_context({**_STYLE, "axes.grid.axis": "x"}):
        figure, axes = _frame(x, "", height_in=0.7 + 0.3 * len(rows))
        if is_log:
            axes.set_xscale("log")
            axes.xaxis.set_minor_locator(NullLocator())
        for place, row in enumerate(rows):
            axes.plot(row.values, [place] * len(row.values), "o", color=row.colour, markersize=3, alpha=0.5)
            axes.plot(median(row.values), place, "D", color=row.colour, markersize=6)
            axes.annotate(row.text, (1, place), (8, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                          va="center")  # fmt: skip
        if line_at is not None:
            axes.axvline(line_at, color=GREY, linewidth=1)
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        axes.invert_yaxis()
        axes.margins(x=0.05)
        axes.xaxis.set_major_formatter(EngFormatter(sep="") if is_log else "{x:g}")
        return _drawn(figure, axes, 0)


def _frame(x: str, y: str, height_in: float = HEIGHT_IN) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.margins(x=0.01)
    return figure, axes


def _scale(axes: Axes, *, is_log: bool) -> None:
    if is_log and any(value > 0 for line in axes.get_lines() for value in np.asarray(line.get_ydata())):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _colours(drawn: Sequence[Line]) -> list[str]:
    return [line.colour or colour for line, colour in zip(drawn, cycle(COLOURS), strict=False)]


def _drawn(figure: Figure, axes: Axes, names: int) -> str:
    if names > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(names, 6), borderaxespad=0, handlelength=1.2)
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    # What comes before the element belongs to a file, not to a page.
    svg = text.getvalue()
    return svg[svg.index("<svg") :]
