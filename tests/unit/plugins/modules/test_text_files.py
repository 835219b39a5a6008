# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module text_files on this machine: what is written, what is left alone, and what is never shown."""

from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.podyard.gpu.plugins.modules import text_files
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner

SECRET = "token: hf_secret\n"


@pytest.fixture(name="runner")
def _runner(capsys, tmp_path):
    return Runner(capsys, tmp_path)


@pytest.fixture(name="files")
def _files(tmp_path):
    return [
        {"dest": str(tmp_path / "code" / "config" / "train.yml"), "content": "epochs: 3\n", "mode": "0644"},
        {"dest": str(tmp_path / "secret"), "content": SECRET},
    ]


def test_do_it_and_do_it_again(runner, files, tmp_path):
    done = runner.run(text_files.main, files=files)
    assert done["changed"] and [each["changed"] for each in done["files"]] == [True, True]
    assert (tmp_path / "code" / "config" / "train.yml").read_text() == "epochs: 3\n"
    assert [stat.S_IMODE(os.stat(each["dest"]).st_mode) for each in files] == [0o644, 0o600]
    assert "hf_secret" not in runner.printed
    assert sorted(os.listdir(tmp_path)) == ["code", "secret"], "nothing is left lying about"
    again = runner.run(text_files.main, files=files)
    assert not again["changed"] and [each["changed"] for each in again["files"]] == [False, False]


def test_check_mode(runner, files, tmp_path):
    assert runner.run(text_files.main, check=True, files=files)["changed"]
    assert os.listdir(tmp_path) == []
    runner.run(text_files.main, files=files)
    assert not runner.run(text_files.main, check=True, files=files)["changed"]


def test_a_diff_shows_no_text(runner, files):
    runner.run(text_files.main, files=files)
    files[0]["mode"], files[1]["content"] = "0600", "token: hf_other\n"
    diff = runner.run(text_files.main, check=True, files=files, _ansible_diff=True)["diff"]
    assert diff["before"].count("\n") == diff["after"].count("\n") == 2
    assert "train.yml 0644 sha256 " in diff["before"] and "train.yml 0600 sha256 " in diff["after"]
    assert diff["before"].splitlines()[1] != diff["after"].splitlines()[1]
    assert "hf_" not in runner.printed


def test_only_the_mode_is_changed(runner, files):
    runner.run(text_files.main, files=files)
    inode = os.stat(files[1]["dest"]).st_ino
    files[1]["mode"] = "0640"
    done = runner.run(text_files.main, files=files)
    assert [each["changed"] for each in done["files"]] == [False, True]
    assert os.stat(files[1]["dest"]).st_ino == inode and stat.S_IMODE(os.stat(files[1]["dest"]).st_mode) == 0o640


def test_a_short_text_is_not_blotted_out_of_everything(runner, tmp_path):
    path = tmp_path / "a1"
    done = runner.run(text_files.main, files=[{"dest": str(path), "content": "1"}])
    assert done["files"] == [{"dest": str(path), "bytes": 1, "changed": True}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dest": "code/x"}, "needs an absolute path"),
        ({"mode": "u+x"}, "a mode such as '0644', not 'u+x'"),
        ({"dest": "/dev/null/x"}, "The file /dev/null/x cannot be written: Not a directory."),
    ],
)
def test_what_cannot_be_written(runner, files, change, words):
    message = runner.fail(text_files.main, files=[{**files[1], **change}])["msg"]
    assert words in message and "hf_secret" not in runner.printed


def test_what_was_written_is_read_back(runner, files, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda source, _target: os.unlink(source))
    message = runner.fail(text_files.main, files=files)["msg"]
    assert "does not contain what was written to it" in message
