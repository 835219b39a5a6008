# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the pod of a run is reached, as ``connection.json`` in the run's directory says."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import books

#: The file's name in a run's directory.
FILE = "connection.json"


class NotRun(Exception):
    """The command was not run; the text is a sentence for people."""


@dataclass(frozen=True)
class Connection:
    """The way to the pod of a run. Only ``ssh``, the command that logs in, is always there; None is what is not known.

    ``mode`` is direct or proxy, ``host_key_checking`` strict or accept-new, ``python`` the image's own interpreter.
    ``lease_hours`` is the length of the lease that whoever works on the pod renews, None where the pod has none;
    ``damaged`` names the fields that hold something else than was promised. ``more`` holds those of a newer version.
    """

    ssh: str
    run_id: str | None = None
    provider: str | None = None
    pod_id: str | None = None
    name: str | None = None
    host: str | None = None
    port: int | None = None
    user: str | None = None
    mode: str | None = None
    private_key_file: str | None = None
    python: str | None = None
    known_hosts_file: str | None = None
    host_key_checking: str | None = None
    lease_hours: float | None = None
    rsync: str | None = None
    more: dict[str, Any] = field(default_factory=dict, repr=False)
    damaged: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, found: Any) -> Connection:
        """Read the object of ``connection.json``.

        The pod is reached by ``ssh`` alone, so a fault in another field never blocks it: that field is None,
        and among ``damaged``.

        :raises ValueError: with the rest of a sentence, when it does not say how to reach a pod.
        """
        if not isinstance(found, Mapping):
            raise ValueError("it is not an object")
        ssh = found.get("ssh")
        if not isinstance(ssh, str) or not shlex.split(ssh):
            raise ValueError("ssh is not a command")
        known = {each.name for each in dataclasses.fields(cls)} - {"ssh", "more", "damaged"}
        told = {name: found[name] for name in known if found.get(name) is not None}
        values = {name: _value(name, value) for name, value in told.items()}
        damaged = tuple(sorted(name for name, value in values.items() if value is None))
        more = {name: value for name, value in found.items() if name not in known and name != "ssh"}
        return cls(ssh=ssh, **values, more=more, damaged=damaged)

    @classmethod
    def read(cls, run_dir: str | os.PathLike[str]) -> Connection | None:
        """Read ``connection.json`` of a run directory; None when there is none.

        :raises OSError: when it cannot be read.
        :raises ValueError: when it does not say how to reach a pod.
        """
        try:
            with open(os.path.join(run_dir, FILE), encoding="utf-8") as stream:
                return cls.from_json(json.load(stream))
        except FileNotFoundError:
            return None
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``connection.json`` holds."""
        told = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return {**{name: value for name, value in told.items() if name not in ("more", "damaged")}, **self.more}

    @property
    def label(self) -> str:
        """How a message names the pod."""
        return f"{self.name} ({self.pod_id} on {self.provider})"

    @property
    def lease_seconds(self) -> float | None:
        """The length of the pod's lease in seconds; None where it has none.

        :raises ValueError: when the file does not tell it: a lease that is not renewed ends the pod.
        """
        if "lease_hours" in self.damaged:
            raise ValueError("lease_hours is not a number of hours")
        return self.lease_hours * 3600 if self.lease_hours else None


def _value(name: str, value: Any) -> Any:
    """Return a value of the type that its field has; None for another one."""
    if name == "lease_hours":
        hours = books.amount(value)
        return hours if hours is not None and hours >= 0 else None
    if name == "port":
        return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536 else None
    return books.word(value)


def connection_of(run_dir: str) -> Connection:
    """Read the connection of a run directory for a command. :raises NotRun: when there is none that can be used."""
    run = os.path.basename(os.path.realpath(run_dir))
    if not os.path.isdir(run_dir):
        raise NotRun(f"There is no run directory {run_dir}. Name the run by run_dir, or by run_id and runs_dir.")
    try:
        connection = Connection.read(run_dir)
    except (OSError, ValueError) as error:
        raise NotRun(f"{FILE} of run {run} in {run_dir} cannot be used: {error}.") from error
    if connection is None:
        raise NotRun(
            f"Run {run} has no {FILE} in {run_dir}: its pod is not reachable yet, or was given back{_outcome(run_dir)}."
        )
    return connection


def _outcome(run_dir: str) -> str:
    try:
        with open(os.path.join(run_dir, "run.json"), encoding="utf-8") as stream:
            return f" (outcome: {json.load(stream)['outcome']})"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
