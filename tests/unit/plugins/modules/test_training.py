# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules training and training_info with real processes on this machine."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._training import launch, state
from ansible_collections.podyard.gpu.plugins.module_utils._training.files import boot_id, living_pid, start_ticks
from ansible_collections.podyard.gpu.plugins.modules import training
from ansible_collections.podyard.gpu.tests.unit.fakes.training_pod import PATIENCE, call, pod, until

__all__ = ["call", "pod"]


def test_a_training_runs_to_its_end(pod):
    started = pod.start("echo begin; sleep 0.3; echo end >&2", run_id="r1", metadata={"usd_per_hour": 0.69})
    assert started["changed"] is True
    assert started["state"] == "running"
    assert started["pid"]
    assert started["dir"] == str(pod.dir)
    found = pod.ended()
    assert found["state"] == "succeeded"
    assert found["exit_code"] == 0
    assert found["log"] == "begin\nend\n"
    assert found["stopped"] is False
    assert 0.2 < found["seconds"] < PATIENCE
    assert found["started_at"] <= found["ended_at"]
    job = pod.dir / "job.json"
    assert json.loads(job.read_text())["usd_per_hour"] == 0.69
    assert stat.S_IMODE(job.stat().st_mode) == 0o600
    assert stat.S_IMODE((pod.dir / "command.sh").stat().st_mode) == 0o600


def test_it_is_never_started_twice(pod):
    pod.start("echo run >> runs; sleep 1000")
    until((pod.dir / "runs").exists, "the training's first line")
    again = pod.start("echo run >> runs")
    assert again["changed"] is False
    assert again["state"] == "running"
    assert "started before" in again["msg"]
    pod.stop(grace=0)
    ended = pod.start("echo run >> runs")
    assert ended["changed"] is False
    assert ended["state"] == "failed"
    assert pod.text("runs") == "run\n"


def test_the_loser_of_a_race_changes_nothing(pod, monkeypatch):
    first = pod.start("echo winner; sleep 1000")
    # The loser looked before the winner had begun.
    monkeypatch.setattr(training, "begun", lambda directory: {"state": "absent", "pid": None})
    second = pod.start("echo loser")
    assert second["changed"] is False
    assert second["pid"] == first["pid"]
    assert "another task" in second["msg"]
    until(lambda: not list(pod.dir.glob(".*.????????????????")), "the loser's files to go")
    assert "winner" in pod.text("command.sh")
    # The winner's goes when its shell has read it.
    until(lambda: not list((pod.home / ".podyard").iterdir()), "the files of the environment to go")


def test_the_environment_arrives_and_is_stored_nowhere(pod, tmp_path):
    environment = {"TOKEN": 's3cr\'et "$X"\nline', "NUMBER": 5, "NOTHING": None, "dir": "run"}
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    result = pod.start(
        'printf "%s|" "$TOKEN" "$NUMBER" "$NOTHING" "$PODYARD_RUN_ID" "$VIRTUAL_ENV" "${PATH%%:*}" "$PYTHONUNBUFFERED"',
        env=environment,
        run_id="r1",
        path_prefix=[str(tmp_path / "venv" / "bin")],
    )
    # Neither shown, nor blotting out the same text elsewhere.
    assert "s3cr" not in json.dumps(result)
    assert result["state"] in ("running", "succeeded")
    assert pod.ended()["log"] == f's3cr\'et "$X"\nline|5||r1|{tmp_path}/venv|{tmp_path}/venv/bin|1|'
    (pod.dir / "train.log").unlink()
    left = [place for folder in (pod.dir, pod.home) for place in folder.rglob("*") if place.is_file()]
    assert left
    assert not [place for place in left if "s3cr" in place.read_text(errors="replace")]


def test_a_bad_name_in_env_is_refused_before_anything_is_written(pod):
    result = pod.start("true", env={"A B": "1", "PPID": "1", "GOOD": "1"})
    assert result["failed"] is True
    assert "'A B', 'PPID'." in result["msg"]
    assert not pod.dir.exists()


def test_stop_ends_every_process_and_keeps_the_books(pod):
    # A child that ignores the request, and a grandchild in a session of its own whose parent is gone.
    far = "(setsid sh -c 'echo $$ > far; exec sleep 1000' &)"
    stubborn = f"trap '' TERM; {far}; sleep 1000 & echo $! > near; wait; sleep 1000"
    pod.start(stubborn)
    pids = [
        int(until(lambda name=name: (pod.dir / name).exists() and pod.text(name).strip(), name))
        for name in ("near", "far")
    ]
    result = pod.stop(grace=0.2)
    assert result["changed"] is True
    assert result["state"] == "failed"
    assert result["exit_code"] == 137
    assert result["killed"] >= 1
    for pid in pids:
        assert start_ticks(pid) is None
    found = pod.info()
    assert found["stopped"] is True
    assert found["ended_at"]
    assert pod.stop()["changed"] is False


def test_stop_lets_a_training_end_by_itself(pod):
    pod.start("trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    until(lambda: (pod.dir / "train.log").exists() and "ready" in pod.text("train.log"), "the trap")
    result = pod.stop(grace=PATIENCE)
    assert result["killed"] == 0
    assert result["exit_code"] == 0
    assert "saved" in pod.text("train.log")
    assert pod.info()["stopped"] is True


def test_stop_where_nothing_runs(pod):
    result = pod.stop()
    assert result["changed"] is False
    assert result["state"] == "absent"


def test_a_failure_keeps_its_exit_code(pod):
    pod.start("echo boom; exit 7")
    found = pod.ended()
    assert (found["state"], found["exit_code"]) == ("failed", 7)


def test_a_missing_directory_is_a_failure_of_the_training(pod):
    pod.start("true", chdir="/no/such/place")
    found = pod.ended()
    assert found["exit_code"] == 126
    assert "There is no directory /no/such/place" in found["log"]


def test_a_vanished_training_is_lost(pod):
    pod.start("sleep 1000")
    child = until(lambda: living_pid(str(pod.dir), "child"), "the child")
    until((pod.dir / "heartbeat").exists, "the first heartbeat")
    os.kill(int(pod.text("pid").split()[0]), signal.SIGKILL)
    assert until(lambda: (found := pod.info())["state"] == "lost" and found, "lost")["exit_code"] is None
    # The heartbeat ends with the runner, though the training itself goes on.
    before = until(lambda: pod.info()["heartbeat_age"] > 0.5 and pod.text("heartbeat"), "a heartbeat that stopped")
    assert pod.text("heartbeat") == before
    assert pod.stop(grace=0)["changed"] is True
    until(lambda: not living_pid(str(pod.dir), "child"), "the end of the process that waited for it")
    assert child


def test_a_process_with_the_same_number_is_not_the_training(pod):
    pod.start("sleep 1000")
    number, _ticks, boot = pod.text("pid").split()
    pod.stop(grace=0)
    (pod.dir / "exit_code").unlink()
    (pod.dir / "pid").write_text(f"{os.getpid()} 1 {boot}\n")
    assert pod.info()["state"] == "lost"
    (pod.dir / "pid").write_text(f"{number} 1 another-boot\n")
    assert pod.info()["state"] == "lost"


def test_check_mode_predicts_and_does_nothing(pod):
    predicted = pod.start("echo x", check=True, diff=True)
    assert predicted["changed"] is True
    assert predicted["state"] == "running"
    assert predicted["diff"] == {"before": {"state": "absent"}, "after": {"state": "running"}}
    assert not pod.dir.exists()
    pod.start("sleep 1000")
    assert pod.start("sleep 1000", check=True)["changed"] is False
    stopping = pod.stop(check=True)
    assert stopping["changed"] is True
    assert stopping["state"] == "failed"
    assert pod.info()["state"] == "running"


def test_gpu_samples_and_heartbeat(pod, tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "nvidia-smi").write_text(
        "#!/bin/sh\necho '0, 93, 1200, 24564, 61, 320.5'\necho '1, [N/A], 5, 24564, 40, [N/A]'\n"
    )
    (programs / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    pod.start("sleep 1000")
    samples = until(lambda: len(pod.info()["gpu"]) >= 4 and pod.info()["gpu"], "two samples of two GPUs")
    time_of = samples[0].pop("time")
    assert time_of.endswith("Z")
    assert samples[0] == {
        "index": 0, "utilization_percent": 93, "memory_used_mb": 1200, "memory_total_mb": 24564, "temperature_c": 61,
        "power_w": 320.5,
    }  # fmt: skip
    assert samples[1]["utilization_percent"] is None
    assert samples[1]["power_w"] is None
    assert pod.info()["heartbeat_age"] < PATIENCE


def test_nothing_is_read_twice_and_nothing_is_cut(pod):
    pod.dir.mkdir()
    (pod.dir / "output").mkdir()
    text = "".join(f"Zeile {number} äöü€😀\n" for number in range(200))
    (pod.dir / "train.log").write_text(text)
    (pod.dir / "output" / "metrics.jsonl").write_text('{"epoch": 1}\n{"epoch": 2}\nno json\n[3]\n{"epoch": 4')
    (pod.dir / "once").mkdir()
    log, offsets = "", {"log_offset": 0, "metrics_offset": 0}
    metrics: list[dict[str, int]] = []
    for _look in range(1000):
        found = pod.info(max_bytes=17, **offsets)
        log, metrics = log + found["log"], metrics + found["metrics"]
        if found["log_offset"] == offsets["log_offset"]:
            break
        offsets = {name: found[name] for name in offsets}
    assert log == text
    # The last line is not whole yet.
    assert metrics == [{"epoch": 1}, {"epoch": 2}]
    assert pod.info(log_offset=-12)["log"].endswith("€😀\n")
    assert pod.info(max_bytes=0)["failed"] is True


def test_checkpoints_are_listed_when_they_are_complete(pod):
    pod.start("sleep 1000")
    folder = pod.dir / "output" / "checkpoints" / "e1"
    folder.mkdir(parents=True)
    (folder / "w.bin").write_bytes(b"x" * 10)
    (folder / "w.bin.tmp").write_bytes(b"x")
    found = until(lambda: pod.info(checkpoints=["checkpoints/*"])["checkpoints"], "a settled checkpoint")
    assert [(entry["path"], entry["group"], entry["bytes"]) for entry in found] == [
        ("checkpoints/e1/w.bin", "checkpoints/e1", 10)
    ]
    (folder / "new.bin").write_bytes(b"y")
    fresh = pod.info(checkpoints=["checkpoints/*"])["checkpoints"]
    assert [entry["path"] for entry in fresh] == ["checkpoints/e1/w.bin"]
    pod.stop(grace=0)
    # After the end nobody writes any more.
    assert len(pod.info(checkpoints=["checkpoints/*"])["checkpoints"]) == 2
    assert pod.info(checkpoints=["../x"])["failed"] is True


@pytest.fixture(name="elsewhere")
def _elsewhere(pod):
    """A training of which the runner has won the right to train, and writes its process down when it is told to."""
    (pod.dir / "once").mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"]) as process:
        words = f"{process.pid} {start_ticks(process.pid)} {boot_id()}\n"
        process.write_down = lambda: (pod.dir / "pid").write_text(words)
        yield process
        process.kill()


def test_a_training_that_somebody_else_starts_in_this_moment_has_a_process(pod, elsewhere, monkeypatch):
    look = launch.state_of

    def looked(directory):
        record = look(directory)
        elsewhere.write_down()
        return record

    monkeypatch.setattr(launch, "state_of", looked)
    begun = pod.start("sleep 60")
    assert (begun["changed"], begun["state"], begun["pid"]) == (False, "running", elsewhere.pid)


def test_a_process_that_is_written_down_between_two_looks_is_not_lost(pod, elsewhere, monkeypatch):
    read = state.read_text

    def just_before(directory, name):
        text = read(directory, name)
        if name == "pid":
            elsewhere.write_down()
        return text

    monkeypatch.setattr(state, "read_text", just_before)
    assert pod.info()["state"] == "running"
