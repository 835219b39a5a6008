# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trainings over real SSH: they outlive the connection, start once, and are followed to every kind of end."""

from __future__ import annotations

import contextlib
import os
import signal
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from pod_side import playing, serving, wait_for

MARK = b"PODYARD_RUN_DIR="


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server") / "s") as found:
        yield found


@pytest.fixture
def plays(server, tmp_path):
    with playing(server, tmp_path / "plays") as found:
        yield found


@pytest.fixture
def run(plays, tmp_path):
    """A run with directories on both sides; what is left of its training is killed at the end."""
    made = Run(plays, tmp_path)
    yield made
    made.kill()


class Run:
    """Tasks and files of one training."""

    def __init__(self, plays, directory):
        self.plays, self.there, self.here = plays, directory / "there", directory / "here"

    def start(self, command, **options):
        # GPU samples and heartbeats come quickly, since the trainings here last seconds.
        arguments = {"dir": str(self.there), "command": command, "sample_interval": 0.3, **options}
        return {"name": "start", "podyard.gpu.training": arguments}

    def stop(self, **options):
        return {"name": "stop", "podyard.gpu.training": {"dir": str(self.there), "state": "stopped", **options}}

    def info(self, **options):
        return {"name": "info", "podyard.gpu.training_info": {"dir": str(self.there), **options}}

    def follow(self, **options):
        arguments = {"dir": str(self.there), "run_dir": str(self.here), "poll_interval": 0.5, **options}
        return {"name": "follow", "podyard.gpu.training_progress": arguments}

    @staticmethod
    def sees(process, name, value):
        """Whether a process has this variable."""
        try:
            return process.environ().get(name) == value
        except psutil.Error:
            return False

    def text(self, name):
        place = self.there / name
        return place.read_text() if place.exists() else ""

    def step(self):
        """The last step that the training has logged."""
        return int(self.text("train.log").split()[-1])

    def kill(self):
        """Kill everything at once, as the stop of a pod does: the runner first, so that it cannot keep the books."""
        runner = f"{self.there}/runner.sh"
        for process in sorted(self.processes(), key=lambda found: runner not in found.info["cmdline"]):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def processes(self):
        """What runs for this training, also outside of its process tree, with its runner."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            try:
                with open(f"/proc/{process.pid}/environ", "rb") as stream:
                    marked = MARK + os.fsencode(self.there) in stream.read().split(b"\0")
                if marked or f"{self.there}/runner.sh" in (process.info["cmdline"] or []):
                    found.append(process)
            except (OSError, psutil.Error):
                continue
        return found


# A line of log, a line of metrics and a checkpoint each fifth of a second; a file `enough` ends it early.
WORK = """
mkdir -p output/checkpoints
for step in $(seq 1 {steps}); do
  [ ! -e enough ] || break
  echo "step $step"
  echo "{{\\"epoch\\": $step, \\"loss\\": 0.5}}" >> output/metrics.jsonl
  head -c 50000 /dev/urandom > output/checkpoints/c$step.pt.tmp
  mv output/checkpoints/c$step.pt.tmp output/checkpoints/c$step.pt
  sleep 0.2
done
exit {code}
"""


def test_a_training_outlives_its_connection(plays, run):
    plays.good(run.start("while [ ! -e go ]; do sleep 0.05; done; echo survived"))
    plays.server.cut()
    (run.there / "go").touch()
    wait_for(lambda: run.text("exit_code") == "0\n", "the training's end without a connection")
    assert plays.good(run.info())["info"]["log"] == "survived\n"


def test_parallel_starts_start_one_training(plays, run):
    processes = [plays.start(run.start("echo x >> runs; while :; do sleep 0.1; done")) for _each in range(3)]
    done = [plays.finish(process) for process in processes]
    assert [ran.code for ran in done] == [0, 0, 0]
    assert sorted(ran["start"]["changed"] for ran in done) == [False, False, True]
    assert len({ran["start"]["pid"] for ran in done}) == 1
    wait_for(lambda: run.text("runs"), "the training's first words")
    assert run.text("runs") == "x\n"
    plays.good(run.stop(grace=0))
    assert run.processes() == []


def test_a_secret_shows_nowhere(plays, run):
    secret = "hf_SeCrEtToKeN"
    ran = plays.good(run.start("sleep 1000", env={"HF_TOKEN": secret}), run.info(), arguments=("-vvvv",))
    assert secret not in ran.output
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if secret in line]
    files = [place for place in (*run.there.rglob("*"), *plays.server.home.rglob("*")) if place.is_file()]
    assert files
    assert not [place for place in files if secret in place.read_text(errors="replace")]
    wait_for(
        lambda: any(run.sees(process, "HF_TOKEN", secret) for process in run.processes()), "a process with the token"
    )


def test_a_followed_training_brings_everything_home(plays, run):
    ran = plays.good(
        run.start(WORK.format(steps=20, code=0)), run.follow(checkpoints=["checkpoints/*"], usd_per_hour=0.69)
    )
    result = ran["follow"]
    assert (result["outcome"], result["reason"], result["exit_code"]) == ("succeeded", "exit", 0)
    assert result["metrics"] == {"epoch": 20, "loss": 0.5}
    assert result["last_lines"][-1] == "step 20"
    assert result["cost_usd"] > 0
    assert result["reconnects"] == 0
    assert (run.here / "train.log").read_text() == run.text("train.log")
    assert (run.here / "metrics.jsonl").read_text() == run.text("output/metrics.jsonl")
    assert sorted(result["checkpoints"]) == sorted(f"c{step}.pt" for step in range(1, 21))
    for name in result["checkpoints"]:
        assert (run.here / "checkpoints" / name).read_bytes() == (run.there / "output/checkpoints" / name).read_bytes()
    assert "  step 7\n" in ran.output
    # Live: the log is on the screen before the task's result.
    assert ran.output.index("  step 7\n") < ran.output.index('"outcome"')


def test_checkpoints_come_while_the_training_runs(plays, run):
    process = plays.start(run.start(WORK.format(steps=1000, code=0)), run.follow(checkpoints=["checkpoints/*"]))
    wait_for(lambda: list((run.here / "checkpoints").glob("*.pt")), "a checkpoint at home")
    assert not run.text("exit_code")
    plays.good(run.stop(grace=0))
    ran = plays.finish(process)
    assert ran["follow"]["outcome"] == "stopped"
    assert not [place for place in (run.here / "checkpoints").iterdir() if place.suffix != ".pt"]


def test_a_failing_training_fails_the_task_with_its_words(plays, run):
    ran = plays.run(run.start("echo working; echo 'ValueError: bad data' >&2; exit 7"), run.follow())
    assert ran.code == 2
    result = ran["follow"]
    assert (result["outcome"], result["exit_code"]) == ("failed", 7)
    assert "failed with exit code 7" in result["msg"]
    assert "ValueError: bad data" in result["msg"]
    assert "Traceback" not in ran.output


def test_a_dropped_connection_loses_no_byte(plays, run):
    process = plays.start(run.start(WORK.format(steps=1000, code=0)), run.follow())
    wait_for(lambda: "  step 5\n" in plays.output(), "the fifth step")
    plays.server.refusing = True
    try:
        plays.server.cut()
        wait_for(lambda: "follow: no answer" in plays.output(), "the loss to be noticed")
    finally:
        reached = run.step()
        plays.server.refusing = False
    wait_for(lambda: f"  step {reached + 5}\n" in plays.output(), "steps after the loss")
    (run.there / "enough").touch()
    ran = plays.finish(process)
    assert ran["follow"]["outcome"] == "succeeded"
    assert ran["follow"]["reconnects"] >= 1
    assert (run.here / "train.log").read_text() == run.text("train.log")
    assert (run.here / "metrics.jsonl").read_text() == run.text("output/metrics.jsonl")
    assert [line for line in ran.output.splitlines() if line.startswith("  step")] == [
        f"  step {n}" for n in range(1, run.step() + 1)
    ]


def test_another_controller_goes_on_where_the_first_was_killed(plays, run):
    first = plays.start(run.start(WORK.format(steps=1000, code=0)), run.follow())
    wait_for(lambda: "  step 5\n" in plays.output(), "the fifth step")
    plays.kill(first)
    reached = run.step()
    process = plays.start(run.start("echo never"), run.follow())
    wait_for(lambda: f"  step {reached + 5}\n" in plays.output(), "steps that only the second one saw")
    (run.there / "enough").touch()
    second = plays.finish(process)
    assert second.code == 0, second.output
    assert second["start"]["changed"] is False
    assert second["follow"]["outcome"] == "succeeded"
    assert (run.here / "train.log").read_text() == run.text("train.log")
    assert (run.here / "metrics.jsonl").read_text() == run.text("output/metrics.jsonl")
    assert "  step 1\n" not in second.output


def test_two_followers_write_once(plays, run):
    plays.good(run.start(WORK.format(steps=1000, code=0)))
    first = plays.start(run.follow())
    wait_for(lambda: "  step 2\n" in plays.output(), "the first follower")
    second = plays.start(run.follow())
    wait_for(lambda: "another follower keeps" in plays.output(), "the second follower")
    plays.good(run.stop(grace=0))
    assert {plays.finish(process)["follow"]["outcome"] for process in (first, second)} == {"stopped"}
    assert (run.here / "train.log").read_text() == run.text("train.log")


def test_a_host_that_does_not_come_back_is_lost_and_not_unreachable(plays, run):
    process = plays.start(run.start(WORK.format(steps=1000, code=0)), run.follow(unreachable_timeout=2))
    wait_for(lambda: "  step 3\n" in plays.output(), "the third step")
    plays.server.refusing = True
    try:
        plays.server.cut()
        ran = plays.finish(process)
    finally:
        plays.server.refusing = False
    assert ran.code == 2
    assert "unreachable=0" in ran.output
    result = ran["follow"]
    assert (result["outcome"], result["reason"]) == ("lost", "unreachable")
    assert "pod has not answered for 2 s" in result["msg"]
    assert run.text("train.log").startswith((run.here / "train.log").read_text())


def test_a_killed_pod_is_lost(plays, run):
    process = plays.start(run.start(WORK.format(steps=1000, code=0)), run.follow())
    wait_for(lambda: "  step 3\n" in plays.output(), "the third step")
    run.kill()
    ran = plays.finish(process)
    assert (ran["follow"]["outcome"], ran["follow"]["reason"]) == ("lost", "vanished")
    assert "without an exit code" in ran["follow"]["msg"]


def test_a_training_killed_by_the_kernel_says_so(plays, run):
    ran = plays.run(run.start("echo big; kill -9 $$"), run.follow())
    assert ran["follow"]["exit_code"] == 137
    assert "killed by SIGKILL, most likely since the host's memory was full" in ran["follow"]["msg"]


def test_a_stall_ends_the_training(plays, run):
    ran = plays.run(run.start("echo begin; exec sleep 1000"), run.follow(stall_timeout=1.5, stop_grace=5))
    result = ran["follow"]
    assert (result["outcome"], result["reason"]) == ("failed", "stall")
    assert run.processes() == []


def test_a_budget_ends_the_training(plays, run):
    rented = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    ran = plays.run(
        run.start(WORK.format(steps=1000, code=0)),
        # Two thousandths above what the hour has cost: about four seconds of training.
        run.follow(max_cost=2.002, usd_per_hour=2.0, rented_at=rented, checkpoints=["checkpoints/*"], stop_grace=5),
    )
    result = ran["follow"]
    assert ran.code == 2
    assert (result["outcome"], result["reason"]) == ("stopped", "max_cost")
    assert 2.002 <= result["cost_usd"] < 2.05
    assert run.processes() == []
    newest = max((run.there / "output/checkpoints").glob("*.pt"), key=lambda place: int(place.stem[1:]))
    assert (run.here / "checkpoints" / newest.name).read_bytes() == newest.read_bytes()
    assert (run.here / "train.log").read_text() == run.text("train.log")


def test_a_hanging_connection_is_noticed(plays, run):
    """A frozen host answers nothing and closes nothing; only a time limit of ours tells."""
    plays.extra_environment["ANSIBLE_SSH_ARGS"] = (
        "-o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=1 -o ServerAliveCountMax=2"
    )
    process = plays.start(run.start(WORK.format(steps=1000, code=0)), run.follow(unreachable_timeout=1))
    wait_for(lambda: "  step 3\n" in plays.output(), "the third step")
    plays.server.signal(signal.SIGSTOP)
    plays.server.refusing = True
    try:
        ran = plays.finish(process)
    finally:
        plays.server.refusing = False
        plays.server.cut()
    assert (ran["follow"]["outcome"], ran["follow"]["reason"]) == ("lost", "unreachable")


def test_few_connections_follow_a_whole_training(plays, run):
    before = plays.server.accepted
    plays.good(run.start(WORK.format(steps=30, code=0)), run.follow(checkpoints=["checkpoints/*"]))
    assert plays.server.accepted - before == 1


def test_check_mode_only_looks(plays, run):
    plays.good(run.start("echo here; sleep 1000"))
    wait_for(lambda: run.text("train.log"), "the first line")
    result = plays.good(run.follow(), arguments=("--check",))["follow"]
    assert (result["outcome"], result["last_lines"]) == ("running", ["here"])
    assert not run.here.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_cost": 1}, "max_cost needs usd_per_hour"),
        ({"poll_interval": 0}, "must be more than 0"),
        ({"stall_timeout": -1}, "must not be negative: stall_timeout"),
        ({"rented_at": "yesterday"}, "rented_at is not an RFC 3339 time: 'yesterday'"),
        ({"checkpoints": ["../x"]}, "leads out of the tree"),
        ({"max_cots": 1}, "Unsupported parameters"),
    ],
)
def test_wrong_options_get_a_sentence(plays, run, options, words):
    ran = plays.run(run.follow(**options))
    assert ran.code == 2
    assert words in ran["follow"]["msg"]


def test_a_training_that_was_never_started(plays, run):
    result = plays.run(run.follow())["follow"]
    assert (result["outcome"], result["reason"]) == ("lost", "absent")


def test_gpu_info_over_ssh(plays):
    result = plays.good({"name": "measure", "podyard.gpu.gpu_info": {"mount": "/tmp", "tools": ["sh"]}})["measure"]
    assert (result["disk"]["path"], result["disk"]["writable"]) == ("/tmp", True)
    assert result["tools"]["sh"]
