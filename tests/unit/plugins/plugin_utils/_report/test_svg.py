# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drawing shows every finite value inside its frame, says what it leaves out, and holds no markup of a pod's."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ET

import pytest

from ansible_collections.podyard.gpu.plugins.plugin_utils._report import svg
from ansible_collections.podyard.gpu.plugins.plugin_utils._report.charts import Chart, metric_charts

SPACE = "{http://www.w3.org/2000/svg}"
VALUES = {
    "falling": [2.3 / n for n in range(1, 60)],
    "constant": [0.001] * 5,
    "one": [0.97],
    "nothing": [math.nan, math.nan],
    "negative": [-50.0, -20.0, 10.0, 42.0],
    "large": [1e12 * n * n for n in range(1, 9)],
    "small": [3e-7 * n for n in range(1, 9)],
    "largest": [-1.7e308, 1e299, -1e299, 5e-324, 1e300],
    "offset": [1e6 + n * 0.001 for n in range(8)],
    "near": [1.0, 1.0 + 1e-12],
    "zero": [0.0, 0.0],
    "gaps": [1.0, math.nan, 3.0, math.nan, math.nan, 6.0, 7.0],
}


def chart_of(values, name="loss"):
    [chart] = metric_charts([{name: value} for value in values])
    return chart


def parsed(chart):
    # The page's own parser is a browser's; as XML, nothing in it may be left open or unescaped.
    return ET.fromstring(svg.draw(chart))


def ticks(root):
    """The numbers on the upright axis, as a reader takes them."""
    texts = [text for text in root.iter(f"{SPACE}text") if text.get("text-anchor") == "end"]
    return [float(text.text.replace("\N{MINUS SIGN}", "-")) for text in texts]


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_every_point_and_text_lies_in_the_frame(values):
    root = parsed(chart_of(values))
    for path in root.iter(f"{SPACE}path"):
        for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.get("d")):
            assert 0 <= float(x) <= svg.WIDTH and 0 <= float(y) <= svg.HEIGHT
    for circle in root.iter(f"{SPACE}circle"):
        assert 0 < float(circle.get("cx")) < svg.WIDTH and 0 < float(circle.get("cy")) < svg.HEIGHT
    for text in root.iter(f"{SPACE}text"):
        assert 0 <= float(text.get("x")) <= svg.WIDTH and 0 <= float(text.get("y")) <= svg.HEIGHT


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_ticks_rise_evenly_and_no_two_read_alike(values):
    found = ticks(parsed(chart_of(values)))
    assert 2 <= len(found) <= 8
    steps = [after - before for before, after in itertools.pairwise(found)]
    assert min(steps) > 0
    assert max(steps) == pytest.approx(min(steps), rel=1e-3)


@pytest.mark.parametrize("values", [VALUES["falling"], VALUES["negative"], VALUES["large"], VALUES["small"]])
def test_a_value_lies_where_its_axis_says(values):
    root = parsed(chart_of(values))
    lines = [text for text in root.iter(f"{SPACE}text") if text.get("text-anchor") == "end"]
    places = {float(text.text.replace("\N{MINUS SIGN}", "-")): float(text.get("y")) - svg.FONT / 3 for text in lines}
    (low, below), *_between, (high, above) = sorted(places.items())
    curve = next(path for path in root.iter(f"{SPACE}path") if path.find(f"{SPACE}title") is not None)
    points = [float(y) for _x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", curve.get("d"))]
    told = [below + (value - low) / (high - low) * (above - below) for value in values]
    assert points == pytest.approx(told, abs=0.2)


def test_a_gap_breaks_the_curve_and_a_point_alone_is_a_dot():
    root = parsed(chart_of(VALUES["gaps"] + [8.0] * 50))
    [curve] = [path for path in root.iter(f"{SPACE}path") if path.find(f"{SPACE}title") is not None]
    assert curve.get("d").count("M") == 1
    assert len(list(root.iter(f"{SPACE}circle"))) == 2, "the first and the third value stand alone"


def test_what_is_counted_has_whole_ticks():
    root = parsed(metric_charts([{"epoch": n, "loss": 1 / n} for n in (1, 2, 3)])[0])
    middle = [text.text for text in root.iter(f"{SPACE}text") if text.get("text-anchor") == "middle"]
    assert middle == ["1", "2", "3", "epoch"]
    halves = parsed(metric_charts([{"epoch": n / 10, "loss": 1 / n} for n in (1, 2, 3)])[0])
    assert "0.15" in [text.text for text in halves.iter(f"{SPACE}text")]


def test_a_floor_and_a_top_are_in_the_frame():
    found = ticks(parsed(Chart("GPU", "minutes", {"GPU 0": ([0.0, 1.0], [50.0, 60.0])}, floor=0, top=100)))
    assert found == [0, 20, 40, 60, 80, 100]


def test_a_long_run_is_thinned_and_keeps_its_end():
    [chart] = metric_charts([{"step": n, "loss": 1 / (n + 1)} for n in range(100_001)])
    xs, _ys = svg.thinned(*chart.lines["loss"])
    assert len(xs) <= svg.MOST_POINTS + 1 and xs[0] == 0 and xs[-1] == 100_000
    assert len(svg.draw(chart)) < 40_000


def test_names_of_a_pod_stay_text():
    evil = "loss<script>alert(1)</script>\"'&"
    drawn = svg.draw(metric_charts([{evil: 1.0, "loss": 2.0}])[0])
    assert "<script" not in drawn and ET.fromstring(drawn) is not None
    assert "&lt;script" in drawn


def test_curves_are_told_apart_and_bounded():
    names = [f"loss_of_a_long_name_in_the_part_{number}" for number in range(svg.MOST_LINES + 3)]
    [chart] = metric_charts([{name: row + number for number, name in enumerate(names)} for row in range(3)])
    root = parsed(chart)
    curves = [path for path in root.iter(f"{SPACE}path") if path.find(f"{SPACE}title") is not None]
    assert len({(path.get("style"), path.get("stroke-dasharray")) for path in curves}) == svg.MOST_LINES == len(curves)
    assert len({path.find(f"{SPACE}title").text for path in curves}) == svg.MOST_LINES
    assert svg.left_out(chart) == ["3 more curves are not drawn."]


def test_it_is_described_for_those_who_hear_it():
    root = ET.fromstring(svg.draw(chart_of(VALUES["gaps"]), "chart7"))
    ids = {element.get("id"): element.text for element in root if element.get("id")}
    assert root.get("role") == "img" and root.get("aria-labelledby").split() == list(ids)
    assert ids["chart7-title"] == "loss"
    assert "loss by row. loss: 4 points, from 1 to 7, least 1, greatest 7." in ids["chart7-desc"]
    assert "3 of 7 values are not finite numbers." in ids["chart7-desc"]
