# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The follower's decisions, with a scripted host and a clock that the test moves."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.podyard.gpu.plugins.plugin_utils._common.ssh import SshHost
from ansible_collections.podyard.gpu.plugins.plugin_utils._follow import follower as module
from ansible_collections.podyard.gpu.plugins.plugin_utils._follow import probe as keeping
from ansible_collections.podyard.gpu.plugins.plugin_utils._follow.checkpoints import (
    ROUND_BYTES,
    Checkpoints,
    literal_base,
)
from ansible_collections.podyard.gpu.plugins.plugin_utils._follow.probe import NoAnswer, RunDirWriter, TrainingProbe
from ansible_collections.podyard.gpu.plugins.plugin_utils._follow.text import (
    LogView,
    exit_words,
    gpu_words,
    hint,
    metric_words,
)

HOST = SshHost("ssh", "my-pod", "203.0.113.9", (), False)
NOTHING = {"data": b"", "offset": 0, "size": 0, "reset": False}
# A look's signs of life where nothing lives: the processes are known, and take no processor time.
STILL = {"cpu_seconds": 3.0, "io_bytes": 1000, "output": "1 5 1.0", "gpus": []}


class Host(TrainingProbe):
    """A host whose training's files are bytes here, and whose looks follow a script.

    Each step is a dict of what changes (`log`, `metrics`, `gpu` append; the rest is set) or an exception; the last one
    repeats for ever. Every look takes the time that it was asked to wait, and at least a second.
    """

    def __init__(self, *steps: dict[str, Any] | Exception, chunk: int = 1 << 20) -> None:
        self.host, self.steps, self.chunk = HOST, list(steps), chunk
        self.files = {"log": b"", "metrics": b"", "gpu": b""}
        self.state: dict[str, Any] = {"state": "running", "exit_code": None, "stopped": False, "seconds": 0.0}
        self.now = 1000.0
        self.acts: Callable[[float], dict[str, Any]] = lambda now: {}
        self.waits: list[float] = []

    def look(self, request, *, renew=True):
        self.now += max(1.0, request["wait"])
        self.waits.append(request["wait"])
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        for name, value in step.items():
            if name in self.files:
                self.files[name] += (
                    value if name == "log" else b"".join(json.dumps(row).encode() + b"\n" for row in value)
                )
            else:
                self.state[name] = value
        if len(self.steps) == 1 and self.steps[0] is step:
            self.steps[0] = {}
        activity = {**STILL, **self.acts(self.now)} if request.get("activity") else None
        return {
            "activity": activity,
            "trouble": {},
            **self.state,
            **{name: self._part(name, request[f"{name}_offset"]) for name in self.files},
            "checkpoints": [],
        }

    def _part(self, name, offset):
        data = self.files[name][offset : offset + self.chunk]
        return {"data": data, "offset": offset + len(data), "size": len(self.files[name]), "reset": False}


class NoCheckpoints(Checkpoints):
    """Remembers what it was asked, and fetches nothing."""

    def __init__(self) -> None:
        super().__init__(HOST, "/out", Path("/nowhere"), [], print)
        self.calls: list[str] = []

    def offer(self, found):
        self.calls.append("offer")

    def finish(self, found):
        self.calls.append("finish")

    def call_off(self):
        self.calls.append("call_off")


@pytest.fixture(name="follow")
def _follow(tmp_path):
    """Follows a scripted host to its end; returns the verdict and the follower with what it has shown."""

    class Watched(module.Follower):
        """A follower that remembers what it has shown, and where it keeps files."""

        shown: list[str]
        local: Path

    def run(host, orphaned=lambda: False, over=lambda: None, **limits):
        shown: list[str] = []

        def stop(grace):
            host.steps[:] = [{"state": "failed", "exit_code": 143, "stopped": True, "log": b"last words\n"}]
            shown.append(f"stopped with {grace:g} s")
            return ""

        def sleep(seconds):
            host.now += seconds

        follower = Watched(
            eye=host,
            keeper=RunDirWriter(tmp_path / "run"),
            checkpoints=NoCheckpoints(),
            limits=module.Limits(**limits),
            request={"dir": "/run"},
            poll_interval=5.0,
            show=shown.append,
            log=LogView(shown.append),
            stop=stop,
            clock=lambda: host.now,
            sleep=sleep,
            orphaned=orphaned,
            over=over,
        )
        follower.shown, follower.local = shown, tmp_path / "run"
        with follower.keeper.open():
            verdict = follower.run()
        return verdict, follower

    return run


END = {"state": "succeeded", "exit_code": 0, "seconds": 65.0}


def test_a_training_that_succeeds(follow):
    host = Host(
        {"log": b"one\n", "metrics": [{"epoch": 1, "loss": 0.5}]}, {"log": b"two\n"}, {**END, "metrics": [{"epoch": 2}]}
    )
    verdict, follower = follow(host)
    assert (verdict.outcome, verdict.reason) == ("succeeded", "exit")
    assert verdict.message == "The training succeeded after 1 min 5 s."
    assert follower.metrics == {"epoch": 2, "loss": 0.5}
    assert [line for line in follower.shown if line.startswith("  ")] == ["  one", "  two"]
    assert (follower.local / "train.log").read_bytes() == host.files["log"]
    assert (follower.local / "metrics.jsonl").read_bytes() == host.files["metrics"]
    assert follower.checkpoints.calls[-1] == "finish"


def test_looks_get_rarer_up_to_the_interval(follow):
    host = Host(*[{}] * 15, END)
    follow(host)
    assert host.waits[:2] == [0.0, 0.5]
    assert host.waits[1:-1] == sorted(host.waits[1:-1])
    assert max(host.waits) == 5.0


def test_all_of_a_large_log_comes_before_the_end(follow):
    host = Host({"log": b"x" * 99 + b"\n"}, {**END, "log": b"y" * 99 + b"\n"}, chunk=30)
    _verdict, follower = follow(host)
    assert (follower.local / "train.log").read_bytes() == host.files["log"]
    assert follower.shown[-1] == "  " + "y" * 99


def test_what_is_here_is_not_fetched_again(follow, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "train.log").write_bytes(b"old\n")
    (run / "metrics.jsonl").write_bytes(b'{"epoch": 1}\n')
    host = Host({"log": b"old\nnew\n", "metrics": [{"epoch": 1}], **END})
    _verdict, follower = follow(host)
    assert [line for line in follower.shown if line.startswith("  ")] == ["  new"]
    assert (run / "train.log").read_bytes() == b"old\nnew\n"
    assert follower.metrics == {"epoch": 1}


def test_a_failure_is_told_with_its_last_lines(follow):
    log = b"".join(b"line %d\n" % number for number in range(30)) + b"RuntimeError: CUDA out of memory."
    verdict, follower = follow(Host({"log": log, "state": "failed", "exit_code": 1, "seconds": 5.0}))
    assert (verdict.outcome, verdict.reason) == ("failed", "exit")
    assert verdict.message.startswith("The training on my-pod failed with exit code 1 after 5 s.")
    assert "The GPU's memory was not enough" in verdict.message
    assert len(follower.log.last) == 20
    assert follower.log.last[-1] == "RuntimeError: CUDA out of memory."


@pytest.mark.parametrize(
    ("step", "outcome", "reason", "words"),
    [
        ({"state": "absent"}, "lost", "absent", "No training was ever started in /run on my-pod"),
        ({"state": "lost", "seconds": 60.0}, "lost", "vanished", "vanished after 1 min without an exit code"),
        ({"state": "failed", "exit_code": 143, "stopped": True}, "stopped", "stopped", "was stopped"),
        ({"state": "succeeded", "exit_code": 0, "stopped": True}, "stopped", "stopped", "was stopped"),
    ],
)
def test_other_ends(follow, step, outcome, reason, words):
    verdict, _follower = follow(Host({}, step))
    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert words in verdict.message


def test_a_cost_limit_stops_the_training_and_keeps_its_last_words(follow):
    rented = datetime.now(UTC) - timedelta(hours=2)
    host = Host({"log": b"working\n"})
    verdict, follower = follow(host, max_cost=1.5, usd_per_hour=0.5, earlier_cost=0.6, rented_at=rented, stop_grace=7)
    assert (verdict.outcome, verdict.reason) == ("stopped", "max_cost")
    assert "It has cost USD 1.60 and may cost USD 1.50." in verdict.message
    assert "stopped with 7 s" in follower.shown
    assert (follower.local / "train.log").read_bytes() == b"working\nlast words\n"
    assert follower.checkpoints.calls[-1] == "finish"
    assert follower.cost() == pytest.approx(1.6, abs=0.01)


def test_below_the_limits_nothing_is_stopped(follow):
    rented = datetime.now(UTC) - timedelta(hours=2)
    limits = {"max_cost": 1.5, "usd_per_hour": 0.5, "rented_at": rented, "max_hours": 2.1}
    verdict, _follower = follow(Host({"seconds": 3599.0}, END), **limits)
    assert verdict.outcome == "succeeded"


def test_a_time_limit_stops_the_training(follow):
    """The hours of the pod count, not those of the training: the pull of an image and the push of data cost as much."""
    rented = datetime.now(UTC) - timedelta(hours=1, seconds=1)
    verdict, _follower = follow(Host({"seconds": 60.0}), max_hours=1, rented_at=rented)
    assert (verdict.outcome, verdict.reason) == ("stopped", "max_hours")
    assert "The pod has lived for 1 h and may live 1 h." in verdict.message


@pytest.mark.parametrize("limit", [{"max_hours": 1.5}, {"max_cost": 1.5, "usd_per_hour": 1.0}])
@pytest.mark.parametrize("hours", [5, -5])
def test_the_limits_hold_whatever_this_machines_clock_says(follow, limit, hours):
    told = datetime.now(UTC) + timedelta(hours=hours)
    pod_now = told.timestamp()
    verdict, follower = follow(Host({"seconds": 3600.0, "now": pod_now}, {}, END), rented_at=told, **limit)
    assert verdict.outcome == "succeeded"
    verdict, _follower = follow(Host({"seconds": 7200.0, "now": pod_now}), rented_at=told, **limit)
    assert (verdict.outcome, verdict.reason) == ("stopped", next(iter(limit)))
    assert [line for line in follower.shown if "this machine's clock is 5 h " in line]


def test_a_stalled_training_is_stopped_and_failed(follow):
    verdict, _follower = follow(Host({"log": b"begin\n"}), stall_timeout=60)
    assert (verdict.outcome, verdict.reason) == ("failed", "stall")
    assert "neither its log nor its metrics grew and its processes took no processor time" in verdict.message
    assert "; not known is the use of the GPU (stall_timeout is 1 min)." in verdict.message


@pytest.mark.parametrize(
    "sign", [{"log": b".\n"}, {"metrics": [{"epoch": 1}]}, {"gpu": [{"index": 0, "utilization_percent": 40}]}]
)
def test_any_sign_of_work_is_no_stall(follow, sign):
    # 30 looks of about five seconds, each with a sign, are longer than the limit.
    verdict, _follower = follow(Host(*[sign] * 30, END), stall_timeout=60)
    assert verdict.outcome == "succeeded"


def test_an_idle_gpu_is_no_sign_of_work(follow):
    verdict, _follower = follow(Host(*[{"gpu": [{"index": 0, "utilization_percent": 1}]}] * 60, END), stall_timeout=60)
    assert verdict.reason == "stall"
    words = "neither its log nor its metrics grew, the GPU was idle and its processes took no processor time ("
    assert words in verdict.message


MIG = {"index": 0, "utilization_percent": None, "memory_used_mb": 9000, "memory_total_mb": 9856}


@pytest.mark.parametrize(
    ("sign", "acts"),
    [
        # What is unknown is not idle.
        ({"gpu": [MIG]}, lambda now: {}),
        ({}, lambda now: {"cpu_seconds": now * 0.5}),
        ({}, lambda now: {"io_bytes": int(now * (1 << 20))}),
        ({}, lambda now: {"output": f"1 5 {now}"}),
        ({}, lambda now: {"gpus": [{"percent": 80.0, "memory_mb": None}]}),
        ({}, lambda now: {"gpus": [{"percent": None, "memory_mb": 4000.0}]}),
        # An idle GPU whose memory moves.
        ({}, lambda now: {"gpus": [{"percent": 0.0, "memory_mb": 1000.0 * (now % 2)}]}),
        # Neither processes nor GPU can be seen.
        ({}, lambda now: {"cpu_seconds": None, "io_bytes": None}),
        ({"gpu": [{**MIG, "memory_used_mb": None}]}, lambda now: {"cpu_seconds": None}),
    ],
)
def test_what_may_be_work_is_no_stall(follow, sign, acts):
    host = Host(*[sign] * 60, END)
    host.acts = acts
    assert follow(host, stall_timeout=60)[0].outcome == "succeeded"


@pytest.mark.parametrize(
    "sample",
    [
        {"index": 0, "utilization_percent": "busy"},
        {"index": [0], "utilization_percent": True, "memory_used_mb": "x"},
        {"index": 0, "utilization_percent": 0, "memory_used_mb": 400},
        {**MIG, "memory_used_mb": 4},
    ],
)
def test_what_is_known_to_stand_still_is_a_stall_whatever_else_is_written(follow, sample):
    host = Host(*[{"gpu": [sample]}] * 90, END)
    host.acts = lambda now: {"cpu_seconds": now * 0.01, "io_bytes": int(now * 1000)}
    assert follow(host, stall_timeout=60)[0].reason == "stall"


def test_too_little_known_to_end_a_training_is_told(follow):
    host = Host(*[{}] * 60, END)
    host.acts = lambda now: {"cpu_seconds": None}
    _verdict, follower = follow(host, stall_timeout=60)
    [line] = [line for line in follower.shown if "too little is known to end it" in line]
    assert "not known is the use of the GPU and the processor time of its processes" in line


def test_our_own_failure_on_the_pod_is_told_and_is_no_silence(follow):
    broken: dict[str, Any] = {"trouble": {"metrics": "IsADirectoryError: it is a directory: /out/logs"}}
    blind: dict[str, Any] = {"state": "unknown", "trouble": {"look": "python3 on my-pod ended with 137: Killed"}}
    host = Host({**broken, "log": b"one\n"}, *[{}] * 20, *[blind] * 40, {"state": "running", **broken}, END)
    verdict, follower = follow(host, unreachable_timeout=20, stall_timeout=3600)
    assert (verdict.outcome, follower.reconnects) == ("succeeded", 0)
    told = [line for line in follower.shown if "could not be read" in line]
    assert told == [
        f"follow: {part}: it could not be read on my-pod and is left out: {words}"
        for part, words in (*broken["trouble"].items(), *blind["trouble"].items())
    ]


@pytest.mark.parametrize("limit", [{"max_hours": 1.5}, {"max_cost": 1.5, "usd_per_hour": 1.0}])
def test_the_limits_hold_where_nothing_can_be_seen(follow, limit):
    blind = Host({"state": "unknown", "trouble": {"look": "x"}, "now": None})
    verdict, _follower = follow(blind, rented_at=datetime.now(UTC) - timedelta(hours=2), **limit)
    assert (verdict.outcome, verdict.reason) == ("stopped", next(iter(limit)))


def test_one_odd_line_of_metrics_ends_nothing(follow):
    host = Host({}, END)
    host.files["metrics"] = (
        b'{"epoch": 1, "loss": NaN, "best": -Infinity, "lr": 1e999, "big": ' + b"9" * 5000 + b"}\n"
        b'{"worst": "caf\\udce9.jpg", "done": true}\n' + b"[" * 100_000 + b"\n\xff\xfe\n[1]\n{}\n"
    )
    verdict, follower = follow(host)
    assert verdict.outcome == "succeeded"
    assert {name: value for name, value in follower.metrics.items() if name != "big"} == {
        "epoch": 1,
        "loss": "NaN",
        "best": "-Infinity",
        "lr": "Infinity",
        "worst": "caf\\udce9.jpg",
        "done": True,
    }
    assert follower.metrics["big"] == "9" * 2000 + "…"
    assert (follower.local / "metrics.jsonl").read_bytes() == host.files["metrics"]


def test_new_names_of_metrics_without_end_are_cut(follow):
    rows = [{f"loss_{number}": number} for number in range(3000)]
    _verdict, follower = follow(Host({"metrics": rows}, {**END, "metrics": [{"loss_1": 7}]}))
    assert (len(follower.metrics), follower.metrics["loss_1"]) == (1000, 7)
    assert len([line for line in follower.shown if "too many names" in line]) == 1


def test_a_lost_connection_is_made_anew(follow):
    host = Host({"log": b"one\n"}, NoAnswer("closed by peer"), NoAnswer("refused"), {"log": b"two\n"}, END)
    verdict, follower = follow(host)
    assert verdict.outcome == "succeeded"
    assert follower.reconnects == 1
    assert (follower.local / "train.log").read_bytes() == b"one\ntwo\n"
    assert "follow: the connection is back" in follower.shown
    assert any("closed by peer" in line for line in follower.shown)


def test_a_host_that_stays_away_is_lost(follow):
    host = Host({"log": b"one\n"}, NoAnswer("Connection refused"))
    begun = host.now
    verdict, follower = follow(host, unreachable_timeout=90)
    assert (verdict.outcome, verdict.reason) == ("lost", "unreachable")
    assert "my-pod has not answered for 1 min 30 s" in verdict.message
    assert "Connection refused" in verdict.message
    assert 90 <= host.now - begun < 120
    # Quickly at first, then with growing gaps: neither a storm nor a nap.
    assert 6 <= len(host.waits) <= 14
    assert follower.checkpoints.calls[-1] == "call_off"


def test_a_host_that_was_taken_away_is_not_waited_for(follow):
    host, asked = Host({"log": b"one\n"}, NoAnswer("Connection refused")), []

    def over():
        asked.append(host.now)
        return "outbid" if len(asked) > 1 else None

    begun = host.now
    verdict, follower = follow(host, over=over, unreachable_timeout=300)
    assert (verdict.outcome, verdict.reason) == ("lost", "interrupted")
    assert "its provider knows why: outbid" in verdict.message
    assert host.now - begun < 60
    assert len(asked) == 3, "one answer alone may be out of date"
    assert follower.checkpoints.calls[-1] == "call_off"


def test_a_short_silence_asks_nobody_and_one_odd_answer_ends_nothing(follow):
    asked: list[str] = []
    short = Host({"log": b"one\n"}, NoAnswer("closed by peer"), END)
    assert follow(short, over=lambda: asked.append("asked"))[0].outcome == "succeeded"
    assert asked == []
    answers = iter(["gone", None, "gone", None, *[None] * 99])
    longer = Host({"log": b"one\n"}, *[NoAnswer("refused")] * 7, END)
    assert follow(longer, over=lambda: next(answers))[0].outcome == "succeeded"
    assert next(answers) is None


def test_progress_lines_come_now_and_then(follow):
    host = Host(*[{"seconds": 10.0, "metrics": [{"epoch": 1, "loss": 0.25}]}] * 20, END)
    _verdict, follower = follow(host, usd_per_hour=0.69, rented_at=datetime.now(UTC), max_cost=5)
    lines = [line for line in follower.shown if line.startswith("follow: 10 s")]
    assert 3 <= len(lines) <= 20
    assert lines[0].startswith("follow: 10 s | epoch 1, loss 0.25 | USD 0.00")
    assert lines[0].endswith(", at most USD 5.00")


# What is shown


def test_a_log_is_shown_line_by_line():
    shown: list[str] = []
    view = LogView(shown.append)
    view.feed(b"whole\nhal")
    view.feed(b"f\n10%\r20%\r30%\n\x1b[31mred\x1b[0m\ta\x07\n\xff\nrest")
    view.feed(b"", end=True)
    assert shown == ["  whole", "  half", "  30%", "  red     a", "  \ufffd", "  rest"]
    assert list(view.last) == [line[2:] for line in shown]


def test_a_flood_is_cut():
    shown: list[str] = []
    LogView(shown.append).feed(b"x\n" * 1000)
    assert len(shown) == 101
    assert shown[0] == "  ... 900 lines that are only in train.log"


def test_a_progress_bar_alone_is_shown_now_and_then():
    shown: list[str] = []
    now = [0.0]
    view = LogView(shown.append, lambda: now[0])
    for second in range(1, 61):
        now[0] = second
        view.feed(b"\rsteps: %3d%%|\x1b[32m##\x1b[0m|" % second + (b"#" * 500 if second == 45 else b""))
        assert len(view._rest) < 1000
    assert shown[0] == "  steps:  15%|##|"
    assert [line[:15] for line in shown] == [f"  steps: {second:3d}%|##|"[:15] for second in (15, 30, 45, 60)]
    assert len(shown[2]) < 250
    view.feed(b"\ndone\n")
    assert shown[4:] == ["  steps:  60%|##|", "  done"]


def test_a_bar_that_stands_still_is_shown_once():
    shown: list[str] = []
    now = [0.0]
    view = LogView(shown.append, lambda: now[0])
    for second in range(100):
        now[0] = second
        view.feed(b"50%\r" if second == 0 else b"")
    assert shown == ["  50%"]


def test_a_line_of_many_megabytes_is_cut_where_it_is_shown():
    shown: list[str] = []
    view = LogView(shown.append)
    for _part in range(60):
        view.feed(b"x" * 100_000)
        assert len(view._rest) <= 64 << 10
    view.feed(b"\nnext\n")
    assert shown == ["  " + "x" * 1000 + " … (5999000 more characters are only in train.log)", "  next"]
    assert sum(map(len, view.last)) < 1200


def test_words():
    assert metric_words({"epoch": 3, "loss": 0.123456, "note": "x", "list": [1]}) == "epoch 3, loss 0.1235, note x"
    samples: list[dict[str, Any]] = [
        {"index": 0, "utilization_percent": 1},
        {"index": 0, "utilization_percent": 87, "memory_used_mb": 12595, "memory_total_mb": 24564},
        {"index": 1, "utilization_percent": None, "memory_used_mb": None, "memory_total_mb": 24564},
    ]
    assert gpu_words(samples) == "GPU 87 %, 12.3 of 24.0 GiB; ? %"
    assert gpu_words([]) == ""
    assert gpu_words([{"index": [], "utilization_percent": "x", "memory_used_mb": True}]) == "GPU ? %"
    assert metric_words({"n" * 100: "v" * 100, "flag": True}) == f"{'n' * 40} {'v' * 40}, flag True"
    assert hint(["OSError: [Errno 28] No space left on device"]).startswith("The pod's disk is full")
    assert hint(["fine"]) == ""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "exit code 1"),
        (127, "exit code 127 (the command was not found)"),
        (137, "exit code 137 (killed by SIGKILL, most likely since the host's memory was full)"),
        (143, "exit code 143 (ended by SIGTERM)"),
        (255, "exit code 255"),
    ],
)
def test_exit_codes_in_words(code, words):
    assert exit_words(code) == words


# What is kept


def stream(data, offset, reset=False):
    return {"data": data, "offset": offset, "size": offset, "reset": reset}


def test_a_file_that_was_written_anew_is_kept_anew(tmp_path):
    with RunDirWriter(tmp_path).open() as keeper:
        assert keeper.take({"log": stream(b"old", 3), "metrics": NOTHING, "gpu": NOTHING}) is True
        assert keeper.take({"log": stream(b"n", 1, reset=True), "metrics": NOTHING, "gpu": NOTHING}) is True
        assert keeper.take({"log": stream(b"", 1), "metrics": NOTHING, "gpu": NOTHING}) is False
    assert (tmp_path / "train.log").read_bytes() == b"n"


def taken(**streams):
    return {"log": NOTHING, "metrics": NOTHING, "gpu": NOTHING, **streams}


def test_a_log_without_end_is_kept_up_to_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "MOST_KEPT", {"log": 10, "metrics": 10, "gpu": 10})
    monkeypatch.setattr(keeping, "LOG_END", 3)
    with RunDirWriter(tmp_path).open() as keeper:
        keeper.take(taken(log=stream(b"12345678", 8)))
        assert keeper.full == {}
        found = taken(log={"data": b"90ab", "offset": 12, "size": 1000, "reset": False})
        assert keeper.take(found) is True
        assert keeper.full["log"].startswith("it has more than ")
        # Its end is still looked at, and nobody waits until all of it has come.
        assert keeper.offsets["log"] == 997 and not keeper.behind(found)
    assert (tmp_path / "train.log").read_bytes() == b"12345678"


def test_a_file_written_anew_for_ever_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "MOST_RESETS", 3)
    with RunDirWriter(tmp_path).open() as keeper:
        for number in range(9):
            keeper.take(taken(log=stream(b"%d" % number, 1, reset=True)))
        assert "rewritten" in keeper.full["log"]
    assert (tmp_path / "train.log").read_bytes() == b"2"


@pytest.mark.parametrize("writes", [True, False])
def test_what_a_file_brings_is_bounded_whoever_looks(tmp_path, monkeypatch, writes):
    monkeypatch.setattr(keeping, "MOST_KEPT", {"log": 4, "metrics": 4, "gpu": 4})
    with RunDirWriter(tmp_path, write=writes).open() as keeper:
        for number in range(1, 10):
            found = taken(metrics={"data": b"x", "offset": number, "size": 99, "reset": False})
            keeper.take(found)
        assert "metrics" in keeper.full and not keeper.behind(found)


def test_a_disk_that_is_full_here_ends_nothing_there(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with RunDirWriter(tmp_path).open() as keeper:
        keeper.take(taken(log=stream(b"one", 3)))
        assert "512 MiB are free" in keeper.full["log"]
    monkeypatch.undo()
    (tmp_path / "metrics.jsonl").symlink_to(tmp_path / "elsewhere")
    with RunDirWriter(tmp_path).open() as keeper:
        keeper.take(taken(metrics=stream(b"{}", 2)))
        assert "metrics.jsonl" in keeper.full["metrics"]
    assert not (tmp_path / "elsewhere").exists()


def test_only_one_follower_writes(tmp_path):
    found = {"log": stream(b"x", 1), "metrics": NOTHING, "gpu": NOTHING}
    with RunDirWriter(tmp_path).open() as first, RunDirWriter(tmp_path).open() as second:
        assert (first.writes, second.writes) == (True, False)
        first.take(found)
        second.take(found)
    assert (tmp_path / "train.log").read_bytes() == b"x"
    with RunDirWriter(tmp_path).open() as third:
        assert third.writes is True
        assert third.offsets["log"] == 1


# Checkpoints


@pytest.mark.parametrize(
    ("patterns", "base"),
    [
        (["checkpoints/*"], "checkpoints"),
        (["a/b/*.pt", "a/c/*.pt"], "a"),
        (["a/*/w.pt"], "a"),
        (["*.pt"], ""),
        (["checkpoints/*", "*.pt"], ""),
        ([], ""),
    ],
)
def test_the_directory_that_all_patterns_share(patterns, base):
    assert literal_base(patterns) == base


def record(path, size, mtime=1.0):
    return {"path": path, "group": path.split("/")[0], "bytes": size, "mtime": mtime}


@pytest.fixture(name="rounds")
def _rounds(monkeypatch, tmp_path):
    """Checkpoints whose rounds are only noted, and end at once."""

    class Watched(Checkpoints):
        """Checkpoints that remember which files each round was to fetch."""

        rounds: list[list[str]]

    made = Watched(HOST, "/out", tmp_path, ["*"], lambda line: None)
    made.rounds = []

    def fetch(records):
        made.rounds.append([entry["path"] for entry in records])
        made.here.update({entry["path"]: (entry["bytes"], entry["mtime"]) for entry in records})

    monkeypatch.setattr(made, "_fetch", fetch)
    return made


def offer(rounds, found):
    rounds.offer(found)
    if rounds._thread is not None:
        rounds._thread.join(timeout=10)


def test_a_checkpoint_must_look_the_same_twice(rounds):
    offer(rounds, [record("a", 1)])
    offer(rounds, [record("a", 2)])
    assert rounds.rounds == []
    offer(rounds, [record("a", 2)])
    assert rounds.rounds == [["a"]]
    offer(rounds, [record("a", 2)])
    assert rounds.rounds == [["a"]]
    for _twice in range(2):
        offer(rounds, [record("a", 2, mtime=9.0)])
    assert rounds.rounds == [["a"], ["a"]]
    assert rounds.fetched == ["a"]


def test_a_round_is_bounded_and_the_newest_come_first(rounds):
    big = ROUND_BYTES
    found = [record("new", big - 10), record("middle", 10), record("old", 10)]
    for _look in range(3):
        offer(rounds, found)
    assert rounds.rounds == [["new", "middle"], ["old"]]


def test_one_file_larger_than_a_round_goes_alone(rounds):
    found = [record("huge", 10 * ROUND_BYTES), record("small", 1)]
    for _look in range(3):
        offer(rounds, found)
    assert rounds.rounds == [["huge"], ["small"]]


def test_at_the_end_all_come_or_only_the_newest(rounds):
    rounds.finish([record("c/1", 5), record("c/2", 5), record("b", 5)])
    assert rounds.rounds == [["c/1", "c/2", "b"]]
    big = ROUND_BYTES
    rounds.finish([record("e/1", big), record("e/2", big), record("d", 1)])
    assert rounds.rounds[1:] == [["e/1", "e/2"]]
    rounds.finish([])
    assert len(rounds.rounds) == 2


def test_a_follower_whose_program_was_killed_looks_no_more(follow):
    host = Host({"log": b"one\n"}, {}, {}, {})
    orphaned = iter([False, False, True])
    verdict, follower = follow(host, lambda: next(orphaned))
    assert (verdict.outcome, verdict.reason) == ("lost", "orphaned")
    assert len(host.waits) == 2 and follower.checkpoints.calls[-1] == "call_off"
