# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run for which nothing was rented leaves nothing behind, and every other one stays."""

from __future__ import annotations

import os

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._pods.ledger import CREATING, REFUSED, Ledger
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.guard_state import GuardFile, GuardState, identity
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.run_file import RunFile
from ansible_collections.podyard.gpu.plugins.plugin_utils._record.unrented import remove_unrented

POD = {"provider": "runpod", "id": "abc", "name": "podyard-digits-r1-0-1", "usd_per_hour": 0.5}


# Only their names count here: a plan is an empty file.
pytestmark = pytest.mark.foreign_records


@pytest.fixture(name="run")
def _run(tmp_path):
    """A run whose plan was refused, with all that lies in its directory by then."""
    run = RunFile(tmp_path / "runs" / "r2")
    run.apply(begin="plan")
    run.apply(outcome="failed", error="No offer fits.")
    Ledger(run.directory).open()
    for name in ("plan.json", "guard.log"):
        (run.directory / name).write_text("")
    (run.directory / "ssh").mkdir()
    (run.directory / "ssh" / "id_ed25519").write_text("")
    return run


def test_nothing_is_left(run):
    assert remove_unrented(run.directory, write=False) is True
    assert run.directory.is_dir()
    assert remove_unrented(run.directory) is True
    assert os.listdir(run.directory.parent) == []
    assert remove_unrented(run.directory) is False


def test_latest_is_the_run_before(run):
    for number, (run_id, stage) in enumerate((("r0", "follow"), ("r1", "follow"), ("r3", "plan"))):
        RunFile(run.directory.parent / run_id).apply(begin=stage, values={"pods": [POD] if stage == "follow" else []})
        os.utime(run.directory.parent / run_id / "run.json", (number + 1, number + 1))
    run.apply(begin="provision", outcome="failed")
    latest = run.directory.parent / "latest"
    assert os.readlink(latest) == "r2"
    assert remove_unrented(run.directory) is True
    assert os.readlink(latest) == "r1"


@pytest.mark.parametrize("event", [CREATING, REFUSED])
def test_a_create_that_was_sent_is_remembered(run, event):
    Ledger(run.directory).write(event, POD["name"], "runpod")
    assert remove_unrented(run.directory) is False
    assert run.read().error == "No offer fits."


@pytest.mark.parametrize("text", ["{", "null\n"])
def test_a_ledger_that_cannot_be_read_is_a_doubt(run, text):
    (run.directory / "attempts.jsonl").write_text(text)
    assert remove_unrented(run.directory) is False


def test_a_record_with_pods_or_without_sense_stays(run):
    run.apply(values={"pods": [POD]})
    assert remove_unrented(run.directory) is False
    run.path.write_text("{")
    assert remove_unrented(run.directory) is False


def test_a_run_that_is_watched_over_stays(run):
    own = identity(os.getpid())
    GuardFile(run.directory).write(GuardState("armed", own.pid, own.create_time))
    assert remove_unrented(run.directory) is False
    GuardFile(run.directory).write(GuardState("released", own.pid, own.create_time))
    assert remove_unrented(run.directory) is True


@pytest.mark.parametrize("name", ["artifacts", "train.log", "notes.txt"])
def test_a_directory_in_which_something_else_lies_stays(run, name):
    (run.directory / name).mkdir()
    assert remove_unrented(run.directory) is False
    assert (run.directory / "ssh" / "id_ed25519").is_file()


def test_a_link_is_removed_and_not_what_it_leads_to(run, tmp_path):
    keys = tmp_path / "keys"
    (run.directory / "ssh").rename(keys)
    (run.directory / "ssh").symlink_to(keys)
    assert remove_unrented(run.directory) is True
    assert (keys / "id_ed25519").is_file()
