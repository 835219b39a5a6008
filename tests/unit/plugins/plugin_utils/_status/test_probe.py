# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at many pods at once, with a stand-in for ssh that runs here what a pod would run."""

from __future__ import annotations

import json
import shlex
import time

import pytest

from ansible_collections.podyard.gpu.plugins.plugin_utils._record.run_file import RunFile
from ansible_collections.podyard.gpu.plugins.plugin_utils._status.probe import looks
from ansible_collections.podyard.gpu.plugins.plugin_utils._status.runs import Run

# The last argument is the command; before it stand options and the address.
GOOD = 'for last; do :; done; echo "a banner"; exec sh -c "$last"'
NO_PYTHON = 'for last; do :; done; mkdir "$0.d"; ln -s /bin/sh "$0.d/sh"; PATH="$0.d" exec sh -c "$last"'
# Longer than any test waits.
PATIENCE = 60.0


@pytest.fixture(name="make")
def _make(tmp_path):
    """Makes a run whose pod is reached by a stand-in with this text, and whose training said something."""

    def make(run_id, text, **connection):
        program = tmp_path / f"ssh-{run_id}"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        there = tmp_path / "pod" / run_id
        (there / "output").mkdir(parents=True)
        (there / "once").mkdir()
        (there / "exit_code").write_text("7\n")
        (there / "output" / "metrics.jsonl").write_text('{"loss": 0.5}\n')
        job = {"dirs": {"run": str(there), "output": str(there / "output")}}
        RunFile(tmp_path / "runs" / run_id).apply(begin="follow", values={"job": job})
        ssh = f"{shlex.quote(str(program))} -p 22 root@h"
        (tmp_path / "runs" / run_id / "connection.json").write_text(json.dumps({"ssh": ssh, **connection}))
        return Run.at(tmp_path / "runs" / run_id)

    return make


@pytest.mark.parametrize("python", [{}, {"python": "/no/such/python"}])
def test_a_pod_that_answers(make, python):
    look = looks([make("r1", GOOD, **python)], PATIENCE)["r1"]
    assert look.trouble is None
    assert (look.found["state"], look.found["exit_code"]) == ("failed", 7)
    assert json.loads(look.found["metrics"]["data"]) == {"loss": 0.5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo 'Connection refused' >&2; exit 255", "Connection refused"),
        ("exit 255", "ssh ended without a word"),
        ("echo 'This shell is closed.'; exit 1", "ssh ended without a word"),
        (NO_PYTHON, "this host has no Python"),
        ("echo @podyard@; echo '{}'", "its answer makes no sense"),
        ("while :; do printf '%0999d' 0; done", "the pod answered with more than 1.0 MB"),
        ("exec >&2; while :; do printf '%0999d' 0; done", "the pod answered with more than 262.1 kB of error text"),
    ],
)
def test_a_pod_that_cannot_answer(make, text, words):
    look = looks([make("r1", text)], PATIENCE)["r1"]
    assert look.found is None and words in look.trouble


def test_pods_that_hang_keep_nobody_waiting(make):
    begun = time.monotonic()
    found = looks([make(run_id, "exec sleep 300") for run_id in ("r1", "r2")], 0.3)
    assert [look.trouble for look in found.values()] == ["no answer within 0.3 s"] * 2
    assert time.monotonic() - begun < PATIENCE


def test_without_ssh_and_without_a_connection(make, tmp_path):
    lost = make("r1", GOOD)
    (tmp_path / "ssh-r1").unlink()
    none = make("r2", GOOD)
    (tmp_path / "runs" / "r2" / "connection.json").unlink()
    found = looks([lost, Run.at(none.directory)], PATIENCE)
    assert list(found) == ["r1"] and "No such file" in found["r1"].trouble


def test_more_pods_than_are_asked_at_once(make, monkeypatch):
    from ansible_collections.podyard.gpu.plugins.plugin_utils._status import probe

    monkeypatch.setattr(probe, "AT_ONCE", 2)
    found = looks([make(f"r{number}", "exit 255") for number in range(5)], PATIENCE)
    assert sorted(found) == ["r0", "r1", "r2", "r3", "r4"]
