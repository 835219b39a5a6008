# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a training left: growing files, states, and the form in which it travels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils import _training_state as module


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


def test_packing_keeps_every_byte():
    stream = {"data": bytes(range(256)), "offset": 256, "size": 256, "reset": False}
    result = {"state": "running", "log": stream, "metrics": stream, "gpu": stream}
    line = module.packed(result)
    assert "\n" not in line
    assert module.unpacked(line) == result


def test_the_text_of_the_file_works_alone(tmp_path):
    """The follower sends it to a Python that has neither Ansible nor this collection."""
    (tmp_path / "once").mkdir()
    (tmp_path / "exit_code").write_text("3\n")
    (tmp_path / "train.log").write_text("boom\n")
    request = {"dir": str(tmp_path), "max_bytes": 100}
    text = Path(module.__file__).read_text() + f"\nprint(packed(look(json.loads({json.dumps(request)!r}))))\n"
    done = subprocess.run([sys.executable, "-I", "-S", "-"], input=text, capture_output=True, text=True, check=True)
    found = module.unpacked(done.stdout)
    assert (found["state"], found["exit_code"], found["log"]["data"]) == ("failed", 3, b"boom\n")


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


def test_lines_that_are_no_objects_are_left_out():
    assert module.json_lines(b'{"a": 1}\nx\n[1]\n\n{"b": 2}\n{"c"') == [{"a": 1}, {"b": 2}]
