# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's answer about its training: what an honest one says arrives whole, and nothing else is believed."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tracemalloc
import zlib
from typing import Any

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.times import utc_now
from ansible_collections.podyard.gpu.plugins.module_utils._training.state import packed
from ansible_collections.podyard.gpu.plugins.plugin_utils._follow import answer as module

REQUEST: dict[str, Any] = {"dir": "/run", "max_bytes": 1000, "log_offset": 100, "metrics_offset": 0, "gpu_offset": -50}
NOTHING = {"data": b"", "offset": 100, "size": 100, "reset": False}
HONEST: dict[str, Any] = {
    "state": "running",
    "exit_code": None,
    "pid": 77,
    "stopped": False,
    "trouble": {"disk": "OSError: x"},
    "started_at": "2026-01-01T00:00:00Z",
    "ended_at": None,
    "heartbeat_age": 1.5,
    "seconds": 60.0,
    "checkpoints": [{"path": "c/1.pt", "group": "c/1.pt", "bytes": 5, "mtime": 1.5}],
    "activity": {"cpu_seconds": 1.0, "io_bytes": 5, "output": "1 2 3", "gpus": [{"percent": 5, "memory_mb": None}]},
    "disk_free_gb": 5.5,
    "lease_ends_in": 60.0,
    "now": 1767225600.0,
    "log": {"data": bytes(range(256)), "offset": 356, "size": 400, "reset": False},
    "metrics": {"data": b"{}\n", "offset": 3, "size": 3, "reset": False},
    "gpu": {"data": b"", "offset": 0, "size": 0, "reset": False},
}


def read(request=REQUEST, **changes):
    return module.read_answer(packed({**HONEST, **changes}).encode(), request)


def test_an_honest_answer_arrives_whole():
    assert read() == HONEST


def test_a_file_that_was_written_anew_or_is_gone_is_begun_again():
    anew = {"data": b"new", "offset": 3, "size": 3, "reset": True}
    assert read(log=anew)["log"] == anew
    gone = {"data": b"", "offset": 0, "size": 0, "reset": True}
    assert read(log=gone)["log"] == gone


def test_the_program_works_alone(tmp_path):
    """It is sent to a Python that has neither Ansible nor this collection."""
    (tmp_path / "once").mkdir()
    (tmp_path / "exit_code").write_text("3\n")
    (tmp_path / "train.log").write_text("boom\n")
    request = {"dir": str(tmp_path), "max_bytes": 100, "activity": True, "metrics_file": "caf\udce9 'x'\\"}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-"], input=module.program(request), capture_output=True, check=True
    )
    found = module.read_answer(done.stdout, request)
    assert (found["state"], found["exit_code"], found["log"]["data"]) == ("failed", 3, b"boom\n")
    assert found["trouble"] == {}


@pytest.mark.parametrize(
    "stream",
    [
        # Longer than asked for, a bomb, not from where it was asked, backwards, a jump, beyond its own end.
        {"data": b"x" * 1001, "offset": 1101, "size": 1101, "reset": False},
        {"data": b"\0" * (64 << 20), "offset": 100 + (64 << 20), "size": 1 << 40, "reset": False},
        {"data": b"x", "offset": 50, "size": 400, "reset": False},
        {"data": b"x", "offset": 1 << 40, "size": 1 << 41, "reset": False},
        {"data": b"x", "offset": 101, "size": 50, "reset": False},
        {"data": b"x", "offset": -1, "size": 50, "reset": False},
        # Written anew, and longer than before; or not from the beginning.
        {"data": b"x", "offset": 1, "size": 400, "reset": True},
        {"data": b"x", "offset": 9, "size": 9, "reset": True},
        {"data": b"x", "offset": 101.0, "size": 400, "reset": False},
        {"data": b"x", "offset": True, "size": True, "reset": False},
        {"data": b"x", "offset": 101, "size": "400", "reset": False},
        {"data": b"x", "offset": 101, "size": 10**30, "reset": False},
        {"data": b"x", "offset": 101, "size": 400, "reset": "no"},
        {"data": b"x", "offset": 101, "size": None, "reset": 0},
    ],
)
def test_a_file_that_cannot_be_so_is_left_out_and_told(stream):
    found = read(log=stream)
    assert found["log"] == NOTHING
    assert "something impossible" in found["trouble"]["log"]
    assert found["metrics"] == HONEST["metrics"]


def test_a_bomb_takes_no_memory():
    bomb = packed({**HONEST, "log": {"data": b"\0" * (64 << 20), "offset": 1, "size": 1, "reset": False}}).encode()
    tracemalloc.start()
    found = module.read_answer(bomb, REQUEST)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "log" in found["trouble"] and peak < 4 << 20


@pytest.mark.parametrize("junk", [b"", b"!!", b"AAAA", base64.b64encode(zlib.compress(b"abc")[:-1]), "ä".encode()])
def test_what_cannot_be_unpacked_is_left_out(junk):
    words, _log, *rest = packed(HONEST).encode().split(b"\n")
    assert module.read_answer(b"\n".join([words, junk, *rest]), REQUEST)["log"] == NOTHING


@pytest.mark.parametrize(
    ("name", "lies", "told"),
    [
        ("exit_code", ["0", 1.0, True, -1, 256, 10**30, [], {}], None),
        ("pid", ["1", -5, 10**30, 1.5, True], None),
        ("stopped", [1, "yes", None], False),
        ("started_at", [5, "yesterday", "\x1b[2J", "2026-01-01T00:00:00Z\n", "9" * 10**5], None),
        ("ended_at", [[], "0" * 20], None),
        ("seconds", ["5", -1, 1e300, float("1e15"), True, [], 10**400], None),
        ("heartbeat_age", [-1, {}, "NaN"], None),
        ("lease_ends_in", [1e300, -1, 10**400, "60", True], None),
        ("disk_free_gb", [-1, "x"], None),
        ("now", [-5, "x", 1e300], None),
        ("activity", [5, [], "x"], None),
        ("checkpoints", [5, {}, "x", None], []),
        ("trouble", [5, [], "x", {"a": 5}], {}),
    ],
)
def test_each_claim_is_checked(name, lies, told):
    for lie in lies:
        found = read(**{name: lie})
        found["trouble"].pop("checkpoints", None)
        assert found[name] == told, lie
        json.dumps(found, default=repr, allow_nan=False)
        utc_now(ahead=found["lease_ends_in"] or 0.0)


@pytest.mark.parametrize(("state", "code"), [("succeeded", 1), ("succeeded", None), ("failed", 0), ("failed", None)])
def test_an_end_that_contradicts_itself_is_none(state, code):
    found = read(state=state, exit_code=code)
    assert (found["state"], found["exit_code"]) == ("unknown", None) and "which is impossible" in found["trouble"][
        "state"
    ]


def test_a_running_training_has_no_exit_code():
    assert read(exit_code=0)["exit_code"] is None


def test_lists_and_words_without_end_are_cut():
    many = {f"part {number}": "x" * 1000 for number in range(1000)}
    found = read(trouble=many, activity={"gpus": [{"percent": "x"}] * 1000, "output": "x" * 10**6, "io_bytes": -1})
    assert len(found["trouble"]) == 20 and max(map(len, found["trouble"].values())) <= 301
    assert len(found["activity"]["gpus"]) == 64 and len(found["activity"]["output"]) == 100
    odd = [{"path": "a"}, 5, {"path": 5, "group": "a", "bytes": 1, "mtime": 1}]
    found = read(checkpoints=[*HONEST["checkpoints"], *odd])
    assert found["checkpoints"] == HONEST["checkpoints"] and "3 of 4" in found["trouble"]["checkpoints"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"Traceback (most recent call last):",
        b"[]\n\n\n\n",
        b"{}\n\n\n\n",
        b'{"state": "fine"}\n\n\n\n',
        b'{"state": ["running"]}\n\n\n\n',
        b"[" * 1_000_000 + b"\n\n\n\n",
        b'{"state": "running", "seconds": ' + b"9" * 100_000 + b"}\n\n\n\n",
        b'{"state": "running"}\n',
        b'{"state": "\xff"}\n\n\n\n',
        b'{"state": "running", "x": "' + b"x" * module.MOST_WORDS + b'"}\n\n\n\n',
    ],
)
def test_what_is_no_answer_is_said_to_be_none(text):
    with pytest.raises(module.BadAnswer):
        module.read_answer(text, REQUEST)


def test_a_look_that_saw_nothing_has_the_form_of_one():
    found = module.unknown("python3 ended with 1: \udce9", REQUEST)
    assert found["state"] == "unknown" and found["trouble"] == {"look": "python3 ended with 1: \\udce9"}
    assert set(found) == set(HONEST)
    assert found["log"] == NOTHING
