# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a user's processes share: where they are, who may see them, and what befalls them."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import files
from ansible_collections.podyard.gpu.plugins.module_utils._http import shared_file
from ansible_collections.podyard.gpu.plugins.module_utils._http.shared_file import (
    SharedFile,
    account_mark,
    state_directory,
)

HOLDS = """
import sys, time
from pathlib import Path
from ansible_collections.podyard.gpu.plugins.module_utils._http.shared_file import SharedFile
with SharedFile("budget-x", Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No variable, and a temporary directory of one's own."""
    monkeypatch.setattr(shared_file.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    return {"XDG_RUNTIME_DIR": str(tmp_path / "none"), "HOME": str(tmp_path / "home")}


def test_without_a_directory_the_threads_of_a_process_share_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PODYARD_STATE_DIR", str(tmp_path / "file"))
    one, other, tries = SharedFile("budget-x"), SharedFile("budget-x"), []

    def second():
        with other.lock(0.0) as held:
            tries.append((held, other.read()))

    with one.lock() as held:
        assert held
        one.write({"sent": [1.0]})
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    second()
    assert tries == [(False, {"sent": [1.0]}), (True, {"sent": [1.0]})]
    assert SharedFile("budget-y").read() == {}


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of budget-x in tmp_path."""
    argv = [sys.executable, "-c", HOLDS, str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_chosen_directory_comes_before_all_others(tmp_path, nowhere):
    chosen = tmp_path / "chosen"
    assert state_directory({**nowhere, "PODYARD_STATE_DIR": str(chosen)}) == (chosen, "")
    assert chosen.stat().st_mode & 0o777 == 0o700


def test_then_come_the_session_the_cache_and_the_temporary_directory(tmp_path, nowhere):
    (tmp_path / "run").mkdir()
    assert state_directory({**nowhere, "XDG_RUNTIME_DIR": str(tmp_path / "run")})[0] == tmp_path / "run" / "podyard"
    assert state_directory({**nowhere, "XDG_CACHE_HOME": str(tmp_path / "c")})[0] == tmp_path / "c" / "podyard"
    assert state_directory(nowhere)[0] == tmp_path / "home" / ".cache" / "podyard"
    (tmp_path / "file").write_text("")
    user = os.geteuid()
    assert state_directory({**nowhere, "HOME": str(tmp_path / "file")})[0] == tmp_path / "tmp" / f"podyard-{user}"


def test_a_link_in_the_temporary_directory_is_not_followed(tmp_path, nowhere):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tmp" / f"podyard-{os.geteuid()}").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").write_text("")
    directory, problem = state_directory({**nowhere, "HOME": str(tmp_path / "file")})
    assert directory is None
    assert "is not a directory" in problem


def test_a_directory_that_others_may_write_to_is_not_used(tmp_path, nowhere):
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    directory, problem = state_directory({**nowhere, "PODYARD_STATE_DIR": str(loose)})
    assert (directory, problem) == (None, f"{loose} is writable by other users")


def test_a_directory_of_somebody_else_is_not_used(tmp_path, nowhere, monkeypatch):
    monkeypatch.setattr(shared_file.os, "geteuid", lambda: os.getuid() + 1)
    (tmp_path / "theirs").mkdir(mode=0o700)
    directory, problem = state_directory({**nowhere, "PODYARD_STATE_DIR": str(tmp_path / "theirs")})
    assert directory is None
    assert "belongs to another user" in problem


def test_the_mark_tells_accounts_apart_and_gives_nothing_away():
    mark = account_mark("https://api", "secret-key")
    assert mark == account_mark("https://api", "secret-key")
    assert len({mark, account_mark("https://api", "other"), account_mark("https://elsewhere", "secret-key")}) == 3
    assert "secret" not in mark


def test_what_one_writes_the_other_reads_and_nobody_else(tmp_path):
    SharedFile("budget-x", tmp_path).write({"a": 1})
    assert SharedFile("budget-x", tmp_path).read() == {"a": 1}
    with SharedFile("budget-x", tmp_path).lock():
        pass
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'{"a": 1'])
def test_a_garbled_file_is_an_empty_one(tmp_path, content):
    (tmp_path / "budget-x.json").write_bytes(content)
    assert SharedFile("budget-x", tmp_path).read() == {}


def test_a_lock_of_a_suspended_process_holds_nobody_up(tmp_path, holder):
    holder.send_signal(signal.SIGSTOP)
    with SharedFile("budget-x", tmp_path).lock(patience=0.05) as held:
        assert not held


def test_a_file_system_without_locks_is_not_waited_for(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    monkeypatch.setattr(files.time, "sleep", lambda _seconds: pytest.fail("waited for a lock that cannot be had"))
    file = SharedFile("budget-x", tmp_path)
    with file.lock() as held:
        assert held
    assert "cannot be locked (No locks available)" in file.problem


def test_a_lock_goes_with_its_process(tmp_path, holder):
    holder.kill()
    holder.wait()
    with SharedFile("budget-x", tmp_path).lock(patience=0.05) as held:
        assert held


def test_without_a_directory_a_process_goes_on_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("PODYARD_STATE_DIR", str(tmp_path / "file" / "below"))
    (tmp_path / "file").write_text("")
    file = SharedFile("budget-x")
    with file.lock() as held:
        file.write({"a": 1})
    assert held
    assert file.read() == {"a": 1}
    assert "cannot be created" in file.problem


def test_a_directory_that_goes_away_is_no_failure(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    file = SharedFile("budget-x", gone)
    gone.rmdir()
    with file.lock():
        file.write({"a": 1})
    assert file.read() == {"a": 1}
    assert "is not writable" in file.problem


def test_a_full_disk_is_no_failure_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shared_file, "to_json", full)
    file = SharedFile("budget-x", tmp_path)
    file.write({"a": 1})
    assert file.read() == {"a": 1}
    assert "No space left on device" in file.problem
    assert list(tmp_path.iterdir()) == []


def test_old_files_are_swept_and_others_left_alone(tmp_path):
    mark = "0" * 32
    old = [
        tmp_path / f"budget-{mark}.json",
        tmp_path / f"budget-{mark}.lock",
        tmp_path / f".pods-{mark}.json.12.0a1b2c3d",
    ]
    foreign = tmp_path / "settings.json"
    fresh = tmp_path / f"pods-{mark}.json"
    for path in [*old, foreign]:
        path.write_text("{}")
        os.utime(path, (time.time() - 400_000, time.time() - 400_000))
    fresh.write_text("{}")
    SharedFile("budget-x", tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([foreign, fresh])
