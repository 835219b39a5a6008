# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a pod is reached, from a file that may be damaged."""

from __future__ import annotations

import json

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._pods.connection import Connection

FULL = {
    "run_id": "r1", "provider": "runpod", "pod_id": "abc", "name": "podyard-digits-r1-0-1", "host": "203.0.113.9",
    "port": 40022, "user": "root", "mode": "direct", "private_key_file": "/runs/r1/ssh/id_ed25519",
    "python": "/usr/bin/python3", "known_hosts_file": "/runs/r1/known_hosts", "host_key_checking": "strict",
    "lease_hours": 2, "ssh": "ssh -p 40022 root@203.0.113.9", "rsync": "rsync -e 'ssh -p 40022'",
}  # fmt: skip


def test_what_is_read_is_what_was_written(tmp_path):
    (tmp_path / "connection.json").write_text(json.dumps({**FULL, "new": [1]}))
    connection = Connection.read(tmp_path)
    assert connection.to_json() == {**FULL, "new": [1]}
    assert connection.lease_seconds == 7200 and connection.label == "podyard-digits-r1-0-1 (abc on runpod)"


def test_no_file_is_no_connection(tmp_path):
    assert Connection.read(tmp_path) is None


@pytest.mark.parametrize("found", [None, [], {}, {"ssh": ""}, {"ssh": 3}, {"ssh": "ssh 'open"}, {**FULL, "ssh": None}])
def test_without_a_command_it_is_of_no_use(found):
    with pytest.raises(ValueError, match=r"it is not an object|ssh is not a command|No closing quotation"):
        Connection.from_json(found)


@pytest.mark.parametrize("text", ["{", "", "[" * 50_000, '{"ssh": "ssh h", "port": NaN'])
def test_what_is_no_json_is_refused(tmp_path, text):
    (tmp_path / "connection.json").write_text(text)
    with pytest.raises(ValueError, match=r"^"):
        Connection.read(tmp_path)


def test_a_damaged_field_keeps_nobody_from_the_pod():
    connection = Connection.from_json({**FULL, "port": "x", "user": {}, "python": []})
    assert connection.ssh == FULL["ssh"] and (connection.port, connection.user, connection.python) == (None, None, None)
    assert connection.damaged == ("port", "python", "user")


@pytest.mark.parametrize("hours", ["two", float("nan"), float("inf"), -1, True, []])
def test_a_lease_of_unknown_length_is_not_taken_for_none(hours):
    """A lease that is not renewed ends the pod, and with it a training."""
    with pytest.raises(ValueError, match=r"lease_hours is not a number of hours"):
        _length = Connection.from_json({**FULL, "lease_hours": hours}).lease_seconds


@pytest.mark.parametrize("hours", [None, 0])
def test_a_pod_without_a_lease(hours):
    assert Connection.from_json({**FULL, "lease_hours": hours}).lease_seconds is None
