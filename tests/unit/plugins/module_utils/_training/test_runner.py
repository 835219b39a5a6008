# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment that a training is given."""

from __future__ import annotations

import builtins
import io
import os
import subprocess
from typing import Any

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._training import runner as module

RP_ENVIRONMENT = """\
export RUNPOD_POD_ID="8y5rumuyb50m78"
export QUOTED="say "hello" to $HOME"
export EMPTY=""
export lower-case="no"
nonsense
"""
INIT = (
    b"RUNPOD_POD_ID=from-init\0CUDA_VERSION=12.8.1\0PATH=/opt/conda/bin:/usr/bin\0HOME=/\0"
    b"PUBLIC_KEY=ssh-ed25519 AAAA\0LINES=a\nb\0BASH_FUNC_x%%=() { :; }\0EQUALS=a=b\0RAW=\xff\0UID=0\0"
)


@pytest.fixture(name="files")
def _files(monkeypatch):
    """What lies at absolute paths; a path that is not named is not there."""
    contents: dict[str, Any] = {}
    real = builtins.open

    def opened(path, mode="r", **options):
        if path not in ("/etc/rp_environment", "/proc/1/environ"):
            return real(path, mode, **options)
        if path not in contents:
            raise FileNotFoundError(path)
        if isinstance(contents[path], Exception):
            raise contents[path]
        return io.BytesIO(contents[path]) if "b" in mode else io.StringIO(contents[path])

    monkeypatch.setattr(builtins, "open", opened)
    return contents


def test_the_pods_environment_is_that_of_its_first_process(files):
    files["/etc/rp_environment"] = RP_ENVIRONMENT
    files["/proc/1/environ"] = INIT
    assert module.pod_environment() == {
        "RUNPOD_POD_ID": "from-init",
        "QUOTED": 'say "hello" to $HOME',
        "EMPTY": "",
        "CUDA_VERSION": "12.8.1",
        "PATH": "/opt/conda/bin:/usr/bin",
        "LINES": "a\nb",
        "EQUALS": "a=b",
        "RAW": "\udcff",
    }


def test_without_either_source_there_is_nothing(files):
    files["/proc/1/environ"] = PermissionError("no")
    assert module.pod_environment() == {}


def test_what_the_user_gives_wins_and_the_search_path_joins_all(files, monkeypatch):
    files["/proc/1/environ"] = b"A=pod\0B=pod\0PATH=/opt/bin:/usr/bin\0"
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("HOME", "/root")
    found = module.training_environment("/runs/1", "r1", ["/venv/bin"], {"B": "user", "C": "3"})
    assert (found["A"], found["B"], found["C"]) == ("pod", "user", "3")
    assert found["PATH"] == "/venv/bin:/opt/bin:/usr/bin:/bin"
    assert found["HOME"] == "/root"
    assert found["PODYARD_RUN_DIR"] == "/runs/1"
    assert found["PODYARD_RUN_ID"] == "r1"
    assert "VIRTUAL_ENV" not in found


def test_any_text_survives_the_shell(tmp_path):
    values = {"A": 'it\'s "$HOME" `id` \\ \n end ', "B": "", "C": "\udcff", "bad name": "x"}
    place = tmp_path / "environment"
    place.write_text(module.quoted_environment(values), errors="surrogateescape")
    done = subprocess.run(
        ["sh", "-c", '. "$1"; env -0', "sh", place], capture_output=True, check=True, env={"PATH": os.defpath}
    )
    found = module.parse_environ(done.stdout)
    assert {name: found[name] for name in "ABC"} == {name: values[name] for name in "ABC"}
    assert "bad name" not in found


def test_the_runner_is_a_valid_posix_script():
    subprocess.run(["sh", "-n"], input=module.RUNNER, text=True, check=True)
