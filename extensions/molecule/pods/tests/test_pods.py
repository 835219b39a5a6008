# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod that the role rented is there once, and told how to reach it."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest
import testinfra

OWN = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "state") / "own"


@pytest.fixture
def host():
    """What the role wrote is on the controller."""
    return testinfra.get_host("local://")


def test_the_connection_is_told(host):
    connection = json.loads((OWN / "connection.json").read_text())
    assert (OWN / "connection.json").stat().st_mode & 0o777 == 0o600
    assert connection["name"] == "podyard-molecule-own-0-1"
    assert connection["mode"] == "direct"
    said = host.run(shlex.join([*shlex.split(connection["ssh"]), "hostname"]))
    assert said.rc == 0, said.stderr


def test_it_was_rented_once():
    events = [json.loads(line) for line in (OWN / "attempts.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["creating", "created"]
