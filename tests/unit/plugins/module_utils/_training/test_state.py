# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a training left: growing files, states, and the form in which it travels."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._training import files
from ansible_collections.podyard.gpu.plugins.module_utils._training import state as module


@pytest.fixture(name="log")
def _log(tmp_path):
    return tmp_path / "log"


def read(log, offset=0, limit=1000, lines=False, final=False):
    return module.read_new(str(log), offset, limit, lines=lines, final=final)


@pytest.mark.parametrize("cut", range(1, 10))
def test_no_character_is_cut(log, cut):
    log.write_text("aä€😀z")
    first = read(log, limit=cut)
    assert first["data"].decode() == "aä€😀z"[: len(first["data"].decode())]
    assert first["offset"] == len(first["data"])


def test_bytes_that_are_no_characters_pass(log):
    log.write_bytes(b"\xff\xfe\x80\x80\x80\x80\x80")
    assert read(log)["data"] == log.read_bytes()


def test_a_cut_character_at_the_end_waits_until_the_end(log):
    log.write_bytes("ä".encode()[:1])
    assert read(log)["data"] == b""
    assert read(log, final=True)["data"] == b"\xc3"


def test_whole_lines_only(log):
    log.write_bytes(b"one\ntwo")
    assert read(log, lines=True) == {"data": b"one\n", "offset": 4, "size": 7, "reset": False}
    assert read(log, offset=4, lines=True)["data"] == b""
    assert read(log, offset=4, lines=True, final=True)["data"] == b"two"


def test_a_line_longer_than_the_limit_does_not_stop_everything(log):
    log.write_bytes(b"x" * 50)
    assert read(log, limit=10, lines=True)["data"] == b"x" * 10


def test_a_file_written_anew_starts_again(log):
    log.write_bytes(b"short")
    assert read(log, offset=10) == {"data": b"short", "offset": 5, "size": 5, "reset": True}
    log.unlink()
    assert read(log, offset=10) == {"data": b"", "offset": 0, "size": 0, "reset": True}
    assert read(log)["reset"] is False


def test_a_negative_offset_counts_from_the_end(log):
    log.write_bytes(b"0123456789")
    assert read(log, offset=-3)["data"] == b"789"
    assert read(log, offset=-30)["data"] == b"0123456789"


def test_states_without_processes(tmp_path):
    assert module.state_of(str(tmp_path))["state"] == "absent"
    (tmp_path / "once").mkdir()
    # The winner has not written its process id yet.
    assert module.state_of(str(tmp_path))["state"] == "running"
    old = time.time() - module.STARTING_SECONDS - 1
    os.utime(tmp_path / "once", (old, old))
    assert module.state_of(str(tmp_path))["state"] == "lost"
    (tmp_path / "exit_code").write_text("0\n")
    assert module.state_of(str(tmp_path))["state"] == "succeeded"


def test_a_look_waits_for_the_end_and_no_longer(tmp_path, monkeypatch):
    states = iter(["running", "running", "succeeded"])
    slept: list[float] = []
    monkeypatch.setattr(module, "state_of", lambda directory: {"state": next(states)})
    monkeypatch.setattr(module.time, "sleep", slept.append)
    module._wait_for_end(str(tmp_path), 1000.0)
    assert slept == [module.LOOK_SECONDS] * 2


def test_unfinished_files_are_no_checkpoints(tmp_path):
    output = tmp_path / "output"
    for name in ("good.pt", "a.pt.tmp", "b.partial", ".hidden.pt", "c.tmp-1", "d.safetensors.incomplete", "e.lock"):
        (output / name).parent.mkdir(exist_ok=True)
        (output / name).touch()
    found = module.checkpoints(str(tmp_path), str(output), [r"(?P<entry>[^/]*)(?:/.*)?"], final=True)
    assert [entry["path"] for entry in found] == ["good.pt"]


# As transformers, Lightning, Orbax, TensorFlow, torch.save with a rename, Python's tempfile and downloads write them.
UNFINISHED_FOLDERS = [
    "tmp-checkpoint-10", "checkpoint-10.tmp", ".tmp-checkpoint-10", "step_10.orbax-checkpoint-tmp-1764500000",
    "ckpt-10_temp", "tmp", "tmpk3x9_a1b", "checkpoint-10.incomplete", "temp-checkpoint-10", "checkpoint-10-tmp",
]  # fmt: skip
UNFINISHED_FILES = ["checkpoint.tmp8d3f01", "w.pt.part", "tmpk3x9_a1b", "tmp_w.pt", "w.crdownload", "w.in_progress"]
FINISHED = ["checkpoint-10", "low-temp-0.7", "run.tmpl", "template", "tmpfs-training", "temperature_temp", "particle"]


def test_what_lies_in_an_unfinished_directory_is_no_checkpoint(tmp_path):
    for folder in (*UNFINISHED_FOLDERS, *FINISHED):
        (tmp_path / "output" / folder).mkdir(parents=True)
        for name in ("w.pt", *UNFINISHED_FILES):
            (tmp_path / "output" / folder / name).touch()
    found = module.checkpoints(str(tmp_path), str(tmp_path / "output"), [r"(?P<entry>.*)(?:/.*)?"], final=True)
    assert sorted(entry["path"] for entry in found) == sorted(f"{folder}/w.pt" for folder in FINISHED)


def test_checkpoints_come_newest_first(tmp_path):
    for name, when in (("old.pt", 1000), ("new.pt", 1002), ("middle.pt", 1001)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (when, when))
    found = module.checkpoints(str(tmp_path), str(tmp_path), [r"(?P<entry>[^/]*\.pt)(?:/.*)?"], final=True)
    assert [entry["path"] for entry in found] == ["new.pt", "middle.pt", "old.pt"]


# What may lie in the place of a file


def fifo(path):
    os.mkfifo(path)


@pytest.mark.parametrize("make", [Path.mkdir, fifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_left_out_and_told(tmp_path, make):
    (tmp_path / "once").mkdir()
    (tmp_path / "exit_code").write_text("0\n")
    (tmp_path / "train.log").write_text("done\n")
    make(tmp_path / "logs")
    make(tmp_path / "started_at")
    request = {"dir": str(tmp_path), "output_dir": str(tmp_path), "metrics_file": "logs", "max_bytes": 100}
    found = module.look({**request, "metrics_offset": 5, "activity": True})
    assert (found["state"], found["exit_code"], found["log"]["data"]) == ("succeeded", 0, b"done\n")
    assert found["metrics"] == {"data": b"", "offset": 5, "size": 5, "reset": False}
    assert set(found["trouble"]) == {"metrics", "started_at"}
    assert "logs" in found["trouble"]["metrics"]
    module.packed(found)


def started(directory):
    """A training whose runner is this process."""
    (directory / "once").mkdir()
    (directory / "started_at").write_text("2026-01-01T00:00:00Z\n")
    (directory / "pid").write_text(f"{os.getpid()} {module.start_ticks(os.getpid())} {files.boot_id()}\n")


@pytest.mark.parametrize("prose", ["all went fine", "0 0", "-1", "256", "٣", "0x1", "9" * 5000])
def test_prose_in_place_of_an_exit_code_is_none(tmp_path, prose):
    started(tmp_path)
    (tmp_path / "exit_code").write_text(prose)
    record = module.state_of(str(tmp_path))
    # Its runner lives, and writes the code when the training has ended.
    assert (record["state"], record["exit_code"]) == ("running", None)
    (tmp_path / "pid").write_text("1 1 another\n")
    record = module.state_of(str(tmp_path))
    assert (record["state"], record["exit_code"]) == ("lost", None)
    assert record["trouble"]["exit_code"].startswith("ValueError: it does not contain an exit code")


@pytest.mark.parametrize("name", ["pid", "exit_code"])
def test_a_state_that_cannot_be_read_is_unknown(tmp_path, name):
    (tmp_path / "once").mkdir()
    (tmp_path / "pid").write_text("1 1 another\n")
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).mkdir()
    record = module.state_of(str(tmp_path))
    assert record["state"] == "unknown" and name in record["trouble"]


@pytest.mark.parametrize("written", ["", "prose", "a b c", "1 2 3 4", "-1 -1 x"])
def test_a_pid_file_of_somebody_else_means_no_process(tmp_path, written):
    (tmp_path / "pid").write_text(written)
    assert files.living_pid(str(tmp_path)) is None


def test_the_seconds_of_a_living_training_follow_no_wall_clock(tmp_path):
    started(tmp_path)
    old = time.time() - 5 * 3600
    os.utime(tmp_path / "started_at", (old, old))
    assert 0 <= module.state_of(str(tmp_path))["seconds"] < 3600


def test_a_folder_that_may_not_be_read_hides_no_other_checkpoint(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "good.pt").touch()
    real = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(files.os, "scandir", scandir)
    trouble: dict[str, str] = {}
    found = module.checkpoints(str(tmp_path), str(tmp_path), [r"(?P<entry>.*\.pt)"], final=True, trouble=trouble)
    assert [entry["path"] for entry in found] == ["good.pt"]
    assert "Permission denied" in trouble["output"]


def test_a_listing_without_end_is_cut_and_told(tmp_path, monkeypatch):
    for number in range(20):
        (tmp_path / f"{number}.pt").touch()
    monkeypatch.setattr(module, "MOST_LISTED", 500)
    trouble: dict[str, str] = {}
    found = module.checkpoints(str(tmp_path), str(tmp_path), [r"(?P<entry>.*)"], final=True, trouble=trouble)
    assert 0 < len(found) < 20 and "left out" in trouble["checkpoints"]
    monkeypatch.setattr(module, "MOST_LISTED", 1 << 20)
    monkeypatch.setattr(files, "MOST_ENTRIES", 5)
    for number in range(9):
        (tmp_path / "a" / str(number)).mkdir(parents=True)
    module.checkpoints(str(tmp_path), str(tmp_path), [r"(?P<entry>.*)"], final=True, trouble=trouble)
    assert "more than 5 entries" in trouble["output"]


def test_signs_of_life_are_those_of_the_training_alone(tmp_path):
    """A child in a session of its own without a parent counts; what has another run's mark does not."""
    text = "import sys, time; print('up', flush=True)\nwhile True: time.sleep(0.01) if sys.argv[1] == 'idle' else None"
    mine = {**os.environ, "PODYARD_RUN_DIR": str(tmp_path)}
    other = {**os.environ, "PODYARD_RUN_DIR": f"{tmp_path}2"}
    assert module.activity(str(tmp_path), str(tmp_path))["cpu_seconds"] is None
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", text, what], env=env, stdout=subprocess.PIPE, start_new_session=True, text=True
        )
        for what, env in (("idle", mine), ("busy", other))
    ]
    try:
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "up\n"
        first = module.activity(str(tmp_path), str(tmp_path))
        deadline = time.monotonic() + 30
        while _cpu_of(processes[1].pid) < 1.0:
            assert time.monotonic() < deadline
        second = module.activity(str(tmp_path), str(tmp_path))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert first["cpu_seconds"] is not None and first["io_bytes"] > 0
    assert second["cpu_seconds"] - first["cpu_seconds"] < 0.5
    (tmp_path / "new.pt").touch()
    assert module.activity(str(tmp_path), str(tmp_path))["output"] != first["output"]


def _cpu_of(pid):
    fields = files.stat_fields(pid)
    assert fields is not None
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
