# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: complete for a whole run, honest for what is left of a broken one, and never more than one file."""

from __future__ import annotations

import builtins
import json
import math
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._providers import registry
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.record import RunError, RunRecord
from ansible_collections.podyard.gpu.plugins.plugin_utils._report import (
    charts as charts_module,
)
from ansible_collections.podyard.gpu.plugins.plugin_utils._report import (
    page as page_module,
)
from ansible_collections.podyard.gpu.plugins.plugin_utils._report import (
    summary,
)
from ansible_collections.podyard.gpu.plugins.plugin_utils._report.data import gather
from ansible_collections.podyard.gpu.tests.unit.plugins.plugin_utils._plan.test_plan import one, planned

POD = {
    "provider": "runpod",
    "id": "abc",
    "name": "podyard-digits-r1-0-1",
    "gpu": "RTX 4090",
    "gpu_count": 1,
    "usd_per_hour": 0.69,
    "region": "EU-RO-1",
    "cloud": "SECURE",
    "rented_at": "2026-01-01T00:00:02Z",
    "gone_at": "2026-01-01T01:00:02Z",
    "gone_proved": True,
    "cost_usd": 0.69,
}
RECORD = {
    "run_id": "r1",
    "name": "digits",
    "outcome": "succeeded",
    "error": None,
    "started": "2026-01-01T00:00:00Z",
    "ended": "2026-01-01T01:00:05Z",
    "stages": [
        {"name": "plan", "started": "2026-01-01T00:00:00Z", "ended": "2026-01-01T00:00:02Z"},
        {"name": "follow", "started": "2026-01-01T00:00:02Z", "ended": "2026-01-01T01:00:00Z"},
        {"name": "give_back", "started": "2026-01-01T01:00:00Z", "ended": "2026-01-01T01:00:05Z"},
        {"name": "report", "started": "2026-01-01T01:00:05Z", "ended": None},
    ],
    "pods": [POD],
    "cost_usd": 0.69,
    "metrics": {"epoch": 3, "loss": 0.1, "accuracy": 0.9712345, "seconds": 12},
    "artifacts": [{"path": "model.npz", "bytes": 52341, "sha256": "9f86d081"}],
}
TRIED = {
    "provider": "vastai",
    "id": "77",
    "gpu": "RTX 4090",
    "region": "SE",
    "host": "21055",
    "usd_per_hour": 0.39,
    "outcome": "given back",
    "reason": "It has 1 GPU.",
    "stage": "port_open",
    "seconds": 184.2,
    "cost_usd": 0.02,
}
TAKEN = {
    "kind": "outbid",
    "provider": "vastai",
    "pod_id": "abc",
    "pod": "podyard-digits-r1-0-1",
    "stage": "give_back",
    "message": "The pod was taken away.",
    "seen_at": "2026-01-01T00:30:00Z",
}

# What a page must say of the run above.
WHOLE = (
    *(
        "digits",
        "succeeded",
        "USD 0.69",
        "1 h",
        "proved gone",
        "0.9712",
        "podyard-digits-r1-0-1",
        "abc on runpod",
    ),
    *("2026-01-01 01:00:02", "model.npz", "52.3 kB", "9f86d081", "epoch 2", "python train.py", "give back"),
)


@pytest.fixture(name="run")
def _run(tmp_path, monkeypatch):
    """Writes a run's directory, whole or with changes to its record, and reads it."""
    monkeypatch.setattr(registry, "key_origin", lambda name, environ, sources: ("A_KEY", "the environment"))

    def make(whole=True, **changes):
        directory = tmp_path / "r1"
        directory.mkdir(exist_ok=True)
        record = RunRecord.from_json({**RECORD, **changes})
        (directory / "run.json").write_text(json.dumps(record.to_json()))
        if whole:
            rows = [
                {"epoch": number, "loss": 1 / number, "val_loss": 2 / number, "accuracy": 1 - 1 / number}
                for number in (1, 2, 3)
            ]
            (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            samples = [
                {
                    "time": f"2026-01-01T00:0{minute}:00Z",
                    "index": index,
                    "utilization_percent": 80 + index,
                    "memory_used_mb": 2048,
                    "memory_total_mb": 24564,
                }
                for minute in range(5)
                for index in (0, 1)
            ]
            (directory / "gpu.jsonl").write_text("".join(json.dumps(row) + "\n" for row in samples))
            (directory / "train.log").write_text("epoch 1\nepoch 2\n")
            plan = planned(one(), image="runpod/pytorch:1", command="python train.py")
            (directory / "plan.json").write_text(json.dumps(plan.to_json()))
        return gather(directory)

    return make


class Page(HTMLParser):
    """The text of a page, the tags in it, and everything that a browser would load for it."""

    def __init__(self, html):
        super().__init__()
        self.words, self.tags, self.loaded = [], [], []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action", "srcset") and not value.startswith("#"):
                self.loaded.append((tag, value))

    def handle_data(self, data):
        self.words.append(data)


def page_of(facts):
    return Page(page_module.render(facts))


def summary_of(facts, **how):
    return summary.render("digits r1", summary.rows(facts), **{"width": 200, "color": False, **how})


class TestPage:
    def test_a_whole_run(self, run):
        page = page_of(run())
        for told in WHOLE:
            assert told in page.text, told
        assert page.tags.count("svg") == 4, "loss, accuracy, GPU utilisation, GPU memory"

    def test_it_loads_nothing(self, run):
        page = page_of(run())
        assert page.loaded == [] and not {"script", "link", "iframe", "img"} & set(page.tags)
        html = page_module.render(run())
        assert not re.search(r"url\((?!#)|@import|\bon\w+=", html)
        assert "default-src 'none'" in html

    def test_light_and_dark(self, run):
        html = page_module.render(run())
        assert "prefers-color-scheme: dark" in html
        used = set(re.findall(r"var\(--(\w+)\)", html))
        light, dark = (set(re.findall(r"--(\w+):", block)) for block in re.findall(r":root \{(.*?)\}", html, re.DOTALL))
        assert used <= light == dark
        assert "line2" in used, "of two curves the second has a colour of its own"

    def test_ids_of_several_charts_do_not_collide(self, run):
        ids = re.findall(r'\bid="([^"]+)"', page_module.render(run()))
        assert len(ids) == len(set(ids)) == 2 * 4, "title and description of each chart"

    def test_nothing_steers_the_terminal_or_the_reader(self, run, tmp_path):
        evil = "x\x1b[2J\x1b]0;owned\x07\x9b1m\u202ey"
        metrics = {f"loss{evil}": 1.0, "note": evil}
        facts = run(name=evil, error=evil, metrics=metrics, artifacts=[{"path": evil, "bytes": 1, "sha256": "0" * 64}])
        (tmp_path / "r1" / "train.log").write_text(evil)
        facts = gather(facts.directory)
        for text in (page_module.render(facts), summary_of(facts)):
            assert not set(text) & set("\x1b\x07\x9b\u202e") and "xy" in text

    def test_text_from_elsewhere_stays_text(self, run, tmp_path):
        facts = run(name="<b>x</b>", error="<script>alert(1)</script>", metrics={"<i>loss</i>": 1.0})
        (facts.directory / "train.log").write_text("<script>alert(2)</script>\n\x1b[31mred\x1b[0m\n 10%\r 99%\r\n")
        (facts.directory / "metrics.jsonl").write_text('{"<script>loss</script> $x_{": 1.0}\n')
        page = page_of(gather(facts.directory))
        assert "script" not in page.tags and "i" not in page.tags
        assert "<script>alert(1)</script>" in page.text and "<script>alert(2)</script> red 99%" in page.text

    def test_what_was_given_up_before(self, run):
        kept = {**TRIED, "id": "abc", "outcome": "rented", "reason": None}
        facts = run(attempts=[TRIED, {**TRIED, "host": None, "stage": None, "id": None, "outcome": "refused"}, kept])
        first = "RTX 4090 in SE on vastai (machine 21055), USD 0.39 an hour"
        for text in (page_of(facts).text, summary_of(facts)):
            assert first in text and "given back after 3 min 4 s, reached port open, cost USD 0.02" in text
            assert "It has 1 GPU." in text and "refused after 3 min 4 s" in text
        assert summary_of(facts).count("given up") == 2 and "given up" not in summary_of(run())
        many = summary_of(run(attempts=[TRIED] * 7))
        assert many.count("machine 21055") == 5 and "and 2 more offers" in many

    def test_a_pod_that_was_taken_away(self, run):
        facts = run(outcome="lost", interruption=TAKEN)
        told = "outbid in the stage give back, seen at 2026-01-01 00:30:00 UTC"
        assert f"Interrupted: {told}" in page_of(facts).text
        assert told in summary_of(facts) and "interrupted" not in summary_of(run())

    def test_a_pod_that_is_not_proved_gone(self, run):
        page = page_of(
            run(pods=[{**POD, "gone_at": None, "gone_proved": False}], outcome="failed", error="It went wrong.")
        )
        assert "Not proved gone: podyard-digits-r1-0-1 (abc on runpod) may still bill USD 0.69 an hour" in page.text
        assert "It went wrong." in page.text and "1 not proved gone" in page.text

    def test_a_run_of_which_there_is_nothing_but_its_end(self, run):
        nothing = {"stages": [], "pods": [], "metrics": {}, "artifacts": [], "name": None, "cost_usd": 0.0}
        page = page_of(run(whole=False, outcome="failed", error="There is no API key.", **nothing))
        assert "There is no API key." in page.text and "nothing was rented" in page.text and "svg" not in page.tags

    @pytest.mark.parametrize("outcome", ["running", "succeeded", "failed", "stopped", "lost", "kept", "detached"])
    def test_every_outcome(self, run, outcome):
        facts = run(whole=False, outcome=outcome, ended=None)
        assert outcome in page_of(facts).text and outcome in summary_of(facts)

    def test_pods_of_which_little_is_known(self, run):
        pod = {**dict.fromkeys(POD), "provider": "runpod", "id": "abc", "name": "n", "gone_proved": False}
        facts = run(whole=False, pods=[pod])
        assert "unknown GPU" in page_of(facts).text and "unknown GPU at unknown" in summary_of(facts)

    def test_twice_the_same(self, run):
        assert page_module.render(run()) == page_module.render(run())

    @pytest.mark.foreign_records
    def test_files_that_are_torn(self, run):
        facts = run()
        for name in ("metrics.jsonl", "gpu.jsonl", "plan.json"):
            (facts.directory / name).write_bytes(b'{"epoch": 1, "loss": 2.0}\n{"epo\xff')
        assert page_of(gather(facts.directory)).tags.count("svg") == 1

    def test_what_a_drawing_leaves_out_is_said(self, run):
        facts = run()
        (facts.directory / "metrics.jsonl").write_text('{"loss": 1}\n{"loss": NaN}\n{"loss": 3}\n')
        assert "loss: 1 of 3 values are not finite numbers." in page_of(gather(facts.directory)).text
        assert "not finite" not in page_of(run()).text


class TestCharts:
    def test_numbers_by_family(self):
        rows = [
            {"step": n, "train_loss": 1.0, "f1": 0.5, "lr": 0.1, "time": 5, "best": True, "note": "x"} for n in range(3)
        ]
        charts = charts_module.metric_charts(rows)
        assert [(chart.title, chart.across, list(chart.lines)) for chart in charts] == [
            ("loss", "step", ["train_loss"]),
            ("accuracy", "step", ["f1"]),
            ("lr", "step", ["lr"]),
        ]

    def test_rows_without_a_counter(self):
        [chart] = charts_module.metric_charts([{"reward": 1}, {"other": "x"}, {"reward": 3}])
        assert (chart.across, chart.lines) == ("row", {"reward": ([1.0, 3.0], [1.0, 3.0])})

    def test_not_more_than_can_be_seen(self):
        assert (
            len(charts_module.metric_charts([{f"m{number}": 1 for number in range(50)}])) == charts_module.MOST_CHARTS
        )

    def test_a_loss_that_is_no_number_is_a_gap(self):
        rows = [
            json.loads(text)
            for text in (
                '{"loss": 1}',
                '{"loss": NaN}',
                '{"loss": Infinity}',
                '{"loss": 1e999}',
                f'{{"loss": {10**400}}}',
            )
        ]
        [chart] = charts_module.metric_charts(rows)
        ys = chart.lines["loss"][1]
        assert ys[0] == 1 and all(map(math.isnan, ys[1:])) and len(ys) == 5

    def test_gpus(self):
        rows = [
            {
                "time": "2026-01-01T00:00:00Z",
                "index": 0,
                "utilization_percent": None,
                "memory_used_mb": 1024,
                "memory_total_mb": None,
            },
            {
                "time": "2026-01-01T00:01:30Z",
                "index": 0,
                "utilization_percent": 50,
                "memory_used_mb": 2048,
                "memory_total_mb": 24576,
            },
            {"time": "never", "index": 0, "utilization_percent": 50},
        ]
        use, memory = charts_module.gpu_charts(rows)
        assert use.lines == {"GPU 0": ([90.0], [50.0])} and memory.lines == {"GPU 0": ([0.0, 90.0], [1.0, 2.0])}
        assert memory.top == 24.0
        assert charts_module.gpu_charts([]) == [] == charts_module.gpu_charts([{"index": 0}])

    @pytest.mark.parametrize(("hours", "unit", "last"), [(0.04, "seconds", 144), (2, "minutes", 120), (9, "hours", 9)])
    def test_the_unit_of_time_follows_the_run(self, hours, unit, last):
        start = datetime(2026, 1, 1, tzinfo=UTC)
        times = [(start + timedelta(hours=part)).isoformat() for part in (0, hours)]
        [chart] = charts_module.gpu_charts([{"time": time, "utilization_percent": 5} for time in times])
        assert chart.across == unit and chart.lines["GPU 0"][0] == pytest.approx([0, last])


class TestSummary:
    def test_a_whole_run(self, run):
        text = summary_of(run())
        for told in (
            "digits r1",
            "succeeded",
            "accuracy 0.9712",
            "1 h (plan 2 s, follow 59 min 58 s, give_back 5 s)",
            "USD 0.69",
            "podyard-digits-r1-0-1 (abc on runpod), RTX 4090 at USD 0.69 an hour, rented for 1 h",
            "proved gone at 2026-01-01 01:00:02 UTC",
            "model.npz (52.3 kB)",
        ):
            assert told in text, told
        assert "\x1b" not in text and "report " not in text

    def test_colours(self, run):
        assert "\x1b[32m" in summary_of(run(), color=True)

    def test_a_failure(self, run):
        text = summary_of(
            run(
                whole=False,
                outcome="failed",
                error="Line one\nline two [bold]x[/bold]",
                pods=[{**POD, "gone_proved": False}],
            )
        )
        assert "line two [bold]x[/bold]" in text and "NOT PROVED GONE" in text

    def test_a_narrow_screen(self, run):
        lines = summary_of(run(), width=60).splitlines()
        assert max(map(len, lines)) <= 60

    def test_without_rich(self, run, monkeypatch):
        real = builtins.__import__

        def lacking(name, *args, **kwargs):
            if name.partition(".")[0] == "rich":
                raise ImportError(name)
            return real(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", lacking)
        text = summary_of(run())
        assert text.startswith("digits r1\n  outcome:") and "USD 0.69" in text

    def test_many_artifacts(self, run):
        artifacts = [{"path": f"artifacts/f{number}", "bytes": 1000, "sha256": "x"} for number in range(9)]
        assert "f0, f1, f2, f3, f4 and 4 more (9.0 kB)" in summary_of(run(artifacts=artifacts))


def test_a_directory_without_a_run(tmp_path):
    with pytest.raises(RunError, match=r"There is no run to report in .*: it holds no run\.json"):
        gather(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
