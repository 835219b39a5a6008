# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger of a run: what was about to be rented, and what came of it. Private to this collection.

``attempts.jsonl`` in the run directory, one JSON object a line::

    {"time", "event", "name", "provider", "id"|null, "gpu", "usd_per_hour"|null, "reason"|null}

``creating`` is on the disk (fsync) before the POST leaves, so that a killed process leaves a trace of every pod that
may exist. Its outcome follows: ``created``, ``refused`` (nothing was made), ``ambiguous`` (unknown: it is still being
looked for), ``gone`` (ended and proved absent, or never appeared).
"""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

CREATING = "creating"
CREATED = "created"
REFUSED = "refused"
AMBIGUOUS = "ambiguous"
GONE = "gone"
FILE = "attempts.jsonl"


@dataclass(frozen=True)
class Ledger:
    """The ledger in ``run_dir``; None means that nobody keeps one (writes do nothing, reads are empty)."""

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
    ) -> None:
        """Append one event and see it onto the disk. Events are complete lines even when several processes write."""
        if self.run_dir is None:
            return
        line = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "event": event,
            "name": name,
            "provider": provider,
            "id": pod_id,
            "gpu": gpu,
            "usd_per_hour": usd_per_hour,
            "reason": reason,
        }
        directory = Path(self.run_dir)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            # A line that a crash has torn would swallow this one.
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            data = ("\n" * torn + json.dumps(line) + "\n").encode()
            if os.write(descriptor, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), FILE)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self) -> list[dict[str, Any]]:
        """All events, oldest first. A last line torn by a crash is left out: its create had not been sent."""
        if self.run_dir is None:
            return []
        try:
            lines = (Path(self.run_dir) / FILE).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        events = []
        for line in lines:
            try:
                events.append(json.loads(line))
            except ValueError:
                continue
        return events

    def pending(self) -> list[dict[str, Any]]:
        """The last event of every name whose create may still turn into a pod: ``creating`` or ``ambiguous`` was its
        last word.
        """
        last = {event["name"]: event for event in self.read()}
        return [event for event in last.values() if event["event"] in (CREATING, AMBIGUOUS)]

    def open_at(self, prefix: str) -> set[str]:
        """Providers at which a pod with such a name may be."""
        last = {event["name"]: event for event in self.read() if event["name"].startswith(prefix)}
        return {event["provider"] for event in last.values() if event["event"] in (CREATING, AMBIGUOUS, CREATED)}

    def names(self) -> set[str]:
        """Every name a create was ever written down for."""
        return {event["name"] for event in self.read()}
