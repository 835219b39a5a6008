# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw a chart as an SVG element that takes its colours from the page around it.

Names in it come from a pod: each is escaped here, and nothing else of a pod's gets into the element but numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from .charts import Chart, Line, finite

# The drawing's own units; a page scales them to the width it has.
WIDTH, HEIGHT = 520.0, 270.0
FONT = 12.5
# The mean width of a character, for texts whose place depends on how long they are.
CHARACTER = 7.4
TOP, RIGHT, BOTTOM = 10.0, 16.0, 46.0
TICK = 4.0
ROW = 18.0
# The width of a legend's sample and the gaps beside it.
SAMPLE = 30.0
# A tick for about so many units.
X_GAP, Y_GAP = 65.0, 34.0
# More points than a chart has pixels only make the page heavy.
MOST_POINTS = 1200
# Up to this many points, each one is marked.
MOST_MARKED = 40
# With more curves than this in one chart, none can be told from another.
MOST_LINES = 12
MOST_NAME = 26
# As many colours as the page's style has, then the same ones dashed.
COLORS = 6
DASHES = ("", ' stroke-dasharray="5 3"')
# Values that differ by less than this share of themselves are one value to a reader.
LEAST_SPREAD = 1e-9
# From here on, and below the other, ticks are written with an exponent.
LARGE, SMALL = 1e6, 1e-4


@dataclass(frozen=True)
class Axis:
    """One axis: the values at its ends, where these lie in the drawing, and its ticks."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Return where a value lies, in the drawing's units."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def labels(self) -> list[str]:
        """Return the ticks as text, with as many digits as tell each from the next."""
        if not self.ticks:
            return []
        step = self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else abs(self.ticks[0]) or 1.0
        largest = max(map(abs, self.ticks))
        digits = max(0, math.floor(math.log10(largest / step) + 1e-9)) if largest else 0
        if largest >= LARGE or 0 < largest < SMALL:
            mantissa = min(digits + 1, 10)
            return [_minus(_short_exponent(f"{value:.{mantissa}e}")) if value else "0" for value in self.ticks]
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        # A step of 0.25 needs one decimal more than its size says.
        decimals += any(abs(value * 10**decimals - round(value * 10**decimals)) > 1e-6 for value in self.ticks)
        return [_minus(f"{value:.{decimals}f}") for value in self.ticks]


def draw(chart: Chart, prefix: str = "chart") -> str:
    """Draw a chart.

    :param prefix: how the ids in this element begin; another chart on the same page needs another one.
    :returns: the SVG element, without a size of its own.
    """
    lines = list(chart.lines.items())[:MOST_LINES]
    rows = _legend_rows([name for name, _line in lines])
    x, y = _axes(chart, [line for _name, line in lines], len(rows))
    parts = [*_head(chart, prefix, lines), *_grid(chart, x, y)]
    for number, (name, line) in enumerate(lines):
        parts += _curve(number, name, line, x, y)
    return "\n".join([*parts, *_legend(rows), "</svg>"])


def left_out(chart: Chart) -> list[str]:
    """Say in sentences what a reader of the drawing does not see; an empty list when all is there."""
    found = []
    for name, (_xs, ys) in list(chart.lines.items())[:MOST_LINES]:
        gaps = len(ys) - len(finite(ys))
        if gaps:
            found.append(f"{_name(name)}: {gaps} of {len(ys)} values are not finite numbers.")
    more = len(chart.lines) - MOST_LINES
    if more > 0:
        found.append(f"{more} more {'curve is' if more == 1 else 'curves are'} not drawn.")
    return found


def thinned(xs: Sequence[float], ys: Sequence[float]) -> Line:
    """Choose at most MOST_POINTS points and the last one, evenly."""
    step = math.ceil(len(xs) / MOST_POINTS)
    if step <= 1:
        return list(xs), list(ys)
    keep = sorted({*range(0, len(xs), step), len(xs) - 1})
    return [xs[index] for index in keep], [ys[index] for index in keep]


def _axes(chart: Chart, lines: Sequence[Line], rows: int) -> tuple[Axis, Axis]:
    """Choose both axes so that every finite point has a place; ``rows`` of the legend stand above them."""
    top, bottom = TOP + rows * ROW, HEIGHT - BOTTOM
    values = [value for _xs, ys in lines for value in finite(ys)]
    bounds = [value for value in (chart.floor, chart.top) if value is not None]
    low, high = _range([*values, *bounds], 0.05)
    if chart.floor is not None and min(values, default=chart.floor) >= chart.floor:
        low = chart.floor
    y = Axis(low, high, bottom, top, _ticks(low, high, max(2, int((bottom - top) / Y_GAP))))
    left = 14.0 + CHARACTER * max(map(len, y.labels()), default=1)
    values = [value for xs, _ys in lines for value in finite(xs)]
    low, high = _range(values, 0.02)
    whole = all(value.is_integer() for value in values)
    many = max(2, int((WIDTH - RIGHT - left) / X_GAP))
    return Axis(low, high, left, WIDTH - RIGHT, _ticks(low, high, many, whole=whole)), y


def _range(values: Sequence[float], margin: float) -> tuple[float, float]:
    """Return the ends of an axis that holds all values, with a margin as a share of their spread."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    size = max(abs(low), abs(high))
    if high - low <= size * LEAST_SPREAD:
        pad = size * 0.1 or 1.0
        return low - pad, high + pad
    pad = (high - low) * margin
    return low - pad, high + pad


def _ticks(low: float, high: float, most: int, *, whole: bool = False) -> tuple[float, ...]:
    """Return round numbers between two ends, about ``most`` of them; whole ones for what is counted."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    factors = (1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)
    step = next(power * factor for factor in factors if power * factor >= rough * 0.999)
    if whole:
        step = max(1.0, step)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(count * step for count in range(first, last + 1))


def _short_exponent(text: str) -> str:
    """Write ``1.50e+06`` as ``1.5e6``."""
    number, _e, exponent = text.partition("e")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number}e{int(exponent)}"


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _head(chart: Chart, prefix: str, lines: Sequence[tuple[str, Line]]) -> Iterator[str]:
    """Yield the opening of the element, and in words what it shows, for those who hear the page."""
    words = [f"{chart.title} by {chart.across}."]
    for name, (_xs, ys) in lines:
        there = finite(ys)
        if there:
            span = f"least {min(there):.4g}, greatest {max(there):.4g}"
            points = "1 point" if len(there) == 1 else f"{len(there)} points"
            words.append(f"{_name(name)}: {points}, from {there[0]:.4g} to {there[-1]:.4g}, {span}.")
    words += left_out(chart)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'aria-labelledby="{prefix}-title {prefix}-desc" font-size="{FONT:g}">'
    )
    yield f'<title id="{prefix}-title">{escape(chart.title)}</title>'
    yield f'<desc id="{prefix}-desc">{escape(" ".join(words))}</desc>'


def _grid(chart: Chart, x: Axis, y: Axis) -> Iterator[str]:
    """Yield both axes, their ticks and a line across the drawing for each tick of the upright one."""
    yield '<g style="stroke: var(--faint); stroke-width: .8; fill: none">'
    for value in y.ticks:
        yield f'<path d="M{x.start:.1f} {y.place(value):.1f}H{x.end:.1f}" style="stroke-width: .5"/>'
    for value in x.ticks:
        yield f'<path d="M{x.place(value):.1f} {y.start:.1f}v{TICK:g}"/>'
    yield f'<path d="M{x.start:.1f} {y.end:.1f}V{y.start:.1f}H{x.end:.1f}"/>'
    yield "</g>"
    yield '<g style="fill: var(--ink)">'
    for value, label in zip(y.ticks, y.labels(), strict=True):
        place = y.place(value) + FONT / 3
        yield f'<text x="{x.start - 6:.1f}" y="{place:.1f}" text-anchor="end">{label}</text>'
    for value, label in zip(x.ticks, x.labels(), strict=True):
        yield f'<text x="{x.place(value):.1f}" y="{y.start + 18:.1f}" text-anchor="middle">{label}</text>'
    middle = (x.start + x.end) / 2
    yield f'<text x="{middle:.1f}" y="{HEIGHT - 8:.1f}" text-anchor="middle">{escape(chart.across)}</text>'
    yield "</g>"


def _paint(number: int) -> str:
    """Return the attributes that tell one curve from the others."""
    color = f"stroke: var(--line{number % COLORS + 1}); fill: none"
    return f'stroke-width="1.8" stroke-linecap="round" style="{color}"{DASHES[number // COLORS % len(DASHES)]}'


def _curve(number: int, name: str, line: Line, x: Axis, y: Axis) -> Iterator[str]:
    """Yield one curve, broken where a value is not a finite number; a point between two gaps is a dot."""
    pieces: list[list[tuple[str, str]]] = [[]]
    for across, up in zip(*thinned(*line), strict=True):
        if math.isfinite(across) and math.isfinite(up):
            pieces[-1].append((f"{x.place(across):.1f}", f"{y.place(up):.1f}"))
        elif pieces[-1]:
            pieces.append([])
    path = "".join("M" + "L".join(f"{across} {up}" for across, up in piece) for piece in pieces if len(piece) > 1)
    if path:
        yield f'<path d="{path}" stroke-linejoin="round" {_paint(number)}><title>{_label(name)}</title></path>'
    few = sum(map(len, pieces)) <= MOST_MARKED
    dots = [point for piece in pieces for point in piece if few or len(piece) == 1]
    if dots:
        circles = "".join(f'<circle cx="{across}" cy="{up}" r="2.4"/>' for across, up in dots)
        yield f'<g style="fill: var(--line{number % COLORS + 1})"><title>{_label(name)}</title>{circles}</g>'


def _name(name: str) -> str:
    """Shorten the name of a curve to what a legend has room for: in its middle, for names of one kind begin alike."""
    half = MOST_NAME // 2
    return name if len(name) <= MOST_NAME else f"{name[: half - 1]}…{name[-half:]}"


def _label(name: str) -> str:
    return escape(_name(name))


def _legend_rows(names: Sequence[str]) -> list[list[tuple[float, str]]]:
    """Share the names of curves among rows, each name with its place in its row from the left; none for one curve."""
    rows: list[list[tuple[float, str]]] = []
    place = WIDTH
    for name in names if len(names) > 1 else ():
        width = SAMPLE + CHARACTER * (len(_name(name)) + 1)
        if place + width > WIDTH - RIGHT:
            rows.append([])
            place = TOP
        rows[-1].append((place, name))
        place += width
    return rows


def _legend(rows: Sequence[Sequence[tuple[float, str]]]) -> Iterator[str]:
    """Yield the legend, which stands above the axes, where it covers no curve."""
    number = 0
    for row, entries in enumerate(rows):
        y = TOP + row * ROW
        for place, name in entries:
            yield f'<path d="M{place:.1f} {y:.1f}h{SAMPLE - 10:g}" {_paint(number)}/>'
            words = f'x="{place + SAMPLE - 5:.1f}" y="{y + FONT / 3:.1f}" style="fill: var(--ink)"'
            yield f"<text {words}>{_label(name)}</text>"
            number += 1
