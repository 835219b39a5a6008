# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger of a run: what was about to be rented, and what came of it.

``attempts.jsonl`` in the run directory, one JSON object a line::

    {"time", "event", "name", "provider", "id"|null, "gpu", "usd_per_hour"|null, "reason"|null}

and, where it is known, ``account`` (the id of the account that rents, as the provider tells it) and ``key_hash`` (of
the key it was reached with; the key cannot be read from it).

``creating`` is on the disk (fsync) before the POST leaves, so that a killed process leaves a trace of every pod that
may exist. Its outcome follows: ``created``, ``refused`` (nothing was made), ``ambiguous`` (unknown: it is still being
looked for), ``gone`` (ended and proved absent, or never appeared).

Reading never fails for what stands there: what can be read is used, and ``look`` tells that there is more.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._core.times import parse_time, utc_now
from .._core.values import to_json
from . import books
from .holder import Holder

CREATING = "creating"
CREATED = "created"
REFUSED = "refused"
AMBIGUOUS = "ambiguous"
GONE = "gone"
EVENTS = (CREATING, CREATED, REFUSED, AMBIGUOUS, GONE)
FILE = "attempts.jsonl"
RECORD = "run.json"


@dataclass(frozen=True)
class Look:
    """What stands in a ledger, and a sentence on what of it is missing or cannot be read."""

    events: list[dict[str, Any]]
    problem: str | None = None


@dataclass(frozen=True)
class Ledger:
    """The ledger in ``run_dir``; None means that there is none (writes do nothing, reads are empty)."""

    run_dir: str | os.PathLike[str] | None

    def write(
        self,
        event: str,
        name: str,
        provider: str,
        *,
        pod_id: str | None = None,
        gpu: str | None = None,
        usd_per_hour: float | None = None,
        reason: str | None = None,
        holder: Holder | None = None,
    ) -> None:
        """Append one event and see it onto the disk. Events are complete lines even when several processes write."""
        line: dict[str, Any] = {
            "time": utc_now(precision="milliseconds"),
            "event": event,
            "name": name,
            "provider": provider,
            "id": pod_id,
            "gpu": gpu,
            "usd_per_hour": usd_per_hour,
            "reason": reason,
        }
        if holder is not None and holder.known:
            line.update(account=holder.account, key_hash=holder.key_hash)
        self._append(to_json(line) + "\n")

    def open(self) -> None:
        """Make an empty ledger where there is none: one that is missing later was lost.

        :raises OSError: when it cannot be made.
        """
        self._append("")

    def _append(self, text: str) -> None:
        if self.run_dir is None:
            return
        directory = Path(self.run_dir)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(directory / FILE, flags, 0o600)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "it is not a file", FILE)
            # A line that a crash has torn would swallow this one.
            torn = found.st_size > 0 and os.pread(descriptor, 1, found.st_size - 1) != b"\n"
            data = ("\n" * torn + text).encode()
            if os.write(descriptor, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), FILE)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def look(self) -> Look:
        """All events that can be read, oldest first, and what is wrong with the rest."""
        if self.run_dir is None:
            return Look([])
        data, problem = books.content(Path(self.run_dir) / FILE)
        rows, odd = books.objects(data)
        events = [event for event in map(_event, rows) if event is not None]
        odd += len(rows) - len(events)
        if odd and problem is None:
            lines = "1 line" if odd == 1 else f"{odd} lines"
            problem = f"{lines} of {Path(self.run_dir) / FILE} cannot be read"
        return Look(events, problem)

    def read(self) -> list[dict[str, Any]]:
        """Return all events that can be read, oldest first.

        A last line torn by a crash is left out: its create had not been sent.
        """
        return self.look().events

    def pending(self) -> list[dict[str, Any]]:
        """Return the last event of every name whose create may still turn into a pod.

        That is where ``creating`` or ``ambiguous`` was its last word.
        """
        last = {event["name"]: event for event in self.read_with_accounts()}
        return [event for event in last.values() if event["event"] in (CREATING, AMBIGUOUS)]

    def made(self) -> list[dict[str, Any]]:
        """Return the pods that were made and not proved gone, each with the event of its making.

        Those that only the run's record still knows are among them.
        """
        pods: dict[tuple[str, str], dict[str, Any]] = {}
        known: set[tuple[str, str]] = set()
        for event in self.read_with_accounts():
            key = (event["provider"], event["id"])
            if event["event"] == CREATED and event["id"]:
                known.add(key)
                pods[key] = event
            elif event["event"] == GONE and key in pods and proves(pods[key], event):
                del pods[key]
        kept = {(event["provider"], event["id"]): event for event in self.record()}
        for key in pods.keys() & kept.keys():
            if pods[key]["usd_per_hour"] is None:
                # Some providers tell the price only when the contract is read back.
                pods[key]["usd_per_hour"] = kept[key]["usd_per_hour"]
        return [*pods.values(), *(event for key, event in kept.items() if key not in known)]

    def record(self) -> list[dict[str, Any]]:
        """Return the pods that the run's record ``run.json`` knows and does not call proved gone, as events."""
        if self.run_dir is None:
            return []
        try:
            record = books.parsed(books.content(Path(self.run_dir) / RECORD)[0])
        except ValueError:
            return []
        pods = record.get("pods") if isinstance(record, dict) else None
        rows = [pod for pod in pods if isinstance(pod, dict)] if isinstance(pods, list) else []
        told = [
            {**pod, "event": CREATED, "time": pod.get("rented_at")}
            for pod in rows
            if pod.get("gone_proved") is not True
        ]
        return [event for event in map(_event, told) if event is not None and event["id"]]

    def read_with_accounts(self) -> list[dict[str, Any]]:
        """Return the events as ``read`` has them, each with the account that its name was requested with."""
        events, holders = self.read(), {}
        for event in events:
            if Holder.of(event).known:
                holders[event["name"]] = {name: event.get(name) for name in ("account", "key_hash")}
            elif event["event"] != GONE:
                event.update(holders.get(event["name"], {}))
        return events

    def open_at(self, prefix: str) -> set[str]:
        """Return providers at which a pod with such a name may be."""
        return {event["provider"] for event in (*self.pending(), *self.made()) if event["name"].startswith(prefix)}

    def names(self) -> set[str]:
        """Every name a create was ever written down for."""
        return {event["name"] for event in self.read()}


def proves(made: Mapping[str, Any], gone: Mapping[str, Any]) -> bool:
    """Whether an entry that a pod is gone is to be believed: it is of the account that rented it."""
    renter = Holder.of(made)
    return not renter.known or renter.is_(Holder.of(gone))


def _event(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a row as an event with the promised types; None for anything else."""
    name, provider = row.get("name"), row.get("provider")
    if row.get("event") not in EVENTS or not isinstance(name, str) or not isinstance(provider, str):
        return None
    event = {
        "time": row["time"] if parse_time(row.get("time")) is not None else None,
        "event": row["event"],
        "name": name,
        "provider": provider,
        "id": books.word(row.get("id")),
        "gpu": books.word(row.get("gpu")),
        "usd_per_hour": books.amount(row.get("usd_per_hour")),
        "reason": books.word(row.get("reason")),
    }
    if Holder.of(row).known:
        event.update(account=books.word(row.get("account")), key_hash=books.word(row.get("key_hash")))
    return event
