# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Ansible connects to the pods of an inventory: which user, which key, which host keys.

Reads run directories and makes no request.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...module_utils._core.pod import RUNNING
from ...module_utils._pods.connection import Connection
from ...module_utils._pods.ssh_options import SHARED, THIS_KEY_ONLY, host_key_alias, host_key_options
from ...module_utils._providers import registry

# What ansible-core uses by default, and no file of the user's: neither their ansible.cfg nor their
# ~/.ssh/config decides. Who means to add something says so in ansible_ssh_extra_args.
_SSH_ARGS = shlex.join(SHARED)
_THIS_KEY_ONLY = shlex.join(THIS_KEY_ONLY)
#: The key of a start that is not known yet is believed once.
_FIRST_KEY = "accept-new"
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")


def safe(text: str) -> str:
    """Return a name that no pattern of --limit and no file name misreads."""
    return _UNSAFE.sub("_", text)


def address(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Where Ansible can go: not to a proxy that gives no command channel without a terminal."""
    endpoint = pod["endpoint"]
    if pod["phase"] != RUNNING or not endpoint:
        return None
    return endpoint if endpoint["mode"] == "direct" or _commands_by_proxy(pod["provider"]) else None


@functools.lru_cache
def _commands_by_proxy(provider: str) -> bool:
    return registry.capabilities(provider).commands_by_proxy


@dataclass(frozen=True)
class _Run:
    """What a run directory says of the connection to its pods."""

    connection: Connection | None
    key: Path | None
    known_hosts: str


_NO_RUN = _Run(None, None, "")


class Connections:
    """The connections to the pods of one account.

    ``runs_dir`` is where the run directories are; ``private_key_file``, ``known_hosts_file`` and ``ssh_user`` are for
    pods that no run directory knows, the user empty for the one whom the provider names.
    """

    def __init__(self, runs_dir: Path, private_key_file: str, known_hosts_file: str, ssh_user: str = "") -> None:
        self._runs_dir = runs_dir
        self._user = ssh_user
        mine = Path(private_key_file) if private_key_file else None
        self._key = mine if mine is not None and mine.is_file() else None
        self._strangers = shlex.join(host_key_options(str(known_hosts_file), _FIRST_KEY))
        # Looked up once: of thousands of pods most have no run directory here, and many share one.
        self._present = _names_in(runs_dir)
        self._runs: dict[str, _Run] = {}

    def variables(self, pod: Mapping[str, Any], run_id: str | None) -> dict[str, Any]:
        """Return the variables by which Ansible connects: fast, with the run's own key and host keys.

        They never use the user's known_hosts. Without an address there are none.
        """
        run = self._run(run_id)
        proven = run.connection if run.connection is not None and run.connection.pod_id == pod["id"] else None
        made: dict[str, Any] = {}
        found = address(pod)
        if found is not None:
            user = (proven.user if proven is not None else None) or self._user or found["user"]
            made.update(ansible_host=found["host"], ansible_port=found["port"], ansible_user=user)
        key = self._key_of(proven, run)
        if key is not None:
            made["ansible_ssh_private_key_file"] = str(key)
        options = f"{_THIS_KEY_ONLY} " if key is not None else ""
        return {
            **made,
            "ansible_pipelining": True,
            "ansible_ssh_args": _SSH_ARGS,
            "ansible_ssh_common_args": options + (run.known_hosts or self._host_key_options(pod)),
            # Silent, since which Python a pod has is a matter of its image.
            "ansible_python_interpreter": "auto_silent",
        }

    def _key_of(self, proven: Connection | None, run: _Run) -> Path | None:
        given = Path(proven.private_key_file) if proven is not None and proven.private_key_file else None
        return given if given is not None and given.is_file() else run.key or self._key

    def _host_key_options(self, pod: Mapping[str, Any]) -> str:
        """Return the options that check the host key of this start.

        Addresses are used again for other pods, and every start makes new host keys.
        """
        alias = safe(f"{pod['provider']}-{pod['id']}-{pod['started_at'] or 'unknown'}")
        return f"{self._strangers} {shlex.join(host_key_alias(alias))}"

    def _run(self, run_id: str | None) -> _Run:
        if run_id is None or run_id not in self._present:
            return _NO_RUN
        if run_id not in self._runs:
            self._runs[run_id] = _read_run(self._runs_dir / run_id)
        return self._runs[run_id]


def _names_in(directory: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(directory))
    except OSError:
        return frozenset()


def _read_run(run: Path) -> _Run:
    """Read the connection.json of a run, which holds who was let in with which key."""
    try:
        connection = Connection.read(run)
    except (OSError, ValueError):
        connection = None
    key, known_hosts = run / "ssh" / "id_ed25519", run / "known_hosts"
    options = ""
    if known_hosts.is_file():
        # Empty: the provider could not tell the host key before the first connection.
        checking = "yes" if known_hosts.stat().st_size else _FIRST_KEY
        options = shlex.join(host_key_options(str(known_hosts), checking))
    return _Run(connection, key if key.is_file() else None, options)
