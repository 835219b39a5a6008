# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every pod the sandbox ever had, and every request that could change something.

The ledger is in memory while the daemon runs; each change is also appended to a file, so that it can be read when
the daemon is down or was killed. The last line about a pod or a request counts.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from podyard_sandbox.home import write_text
from podyard_sandbox.meter import Meter
from podyard_sandbox.stages import shown
from podyard_sandbox.timestamps import exact_time

_TIMES = ("created_at", "started_at", "gone_at")


class Ledger:
    """The ledger of one sandbox; a new daemon continues the ledger of the last one.

    A pod's entry is a dict with ``provider, id, name, state, gpu, gpu_count, usd_per_hour, created_at, started_at,
    gone_at, ssh, meter, host, stages``; times are seconds since 1970 or None, ``ssh`` is {host, port} or None, ``host``
    tells the machines apart, ``stages`` are the moments that its last start reached.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pods: dict[str, dict[str, Any]] = {}
        self._requests: dict[int, dict[str, Any]] = {}
        self._read()

    def put_pod(self, entry: dict[str, Any]) -> None:
        """Record a pod as it is now."""
        self._pods[entry["id"]] = entry
        self._append({"pod": entry})

    def begin_request(self, method: str, path: str, operation: str) -> int:
        """Record that a request came in, and return its number for :meth:`end_request`."""
        number = len(self._requests) + 1
        entry = {"number": number, "time": time.time(), "method": method, "path": path, "operation": operation}
        self._put_request({**entry, "status": None, "pod_id": None, "name": None, "fault": None})
        return number

    def end_request(
        self, number: int, status: int | None, pod_id: str | None, name: str | None, fault: str | None
    ) -> None:
        """Record how a request was answered; a status of None means that the connection was dropped."""
        self._put_request({**self._requests[number], "status": status, "pod_id": pod_id, "name": name, "fault": fault})

    def pods(self) -> list[dict[str, Any]]:
        """Return every pod as ``status --json`` shows it."""
        now = time.time()
        return [_shown_pod(entry, now) for entry in self._pods.values()]

    def requests(self) -> list[dict[str, Any]]:
        """Return every changing request as ``status --json`` shows it."""
        return [
            {"time": exact_time(entry["time"]), **{k: v for k, v in entry.items() if k not in ("time", "number")}}
            for entry in self._requests.values()
        ]

    def close_leftovers(self) -> list[str]:
        """Record the pods that a killed daemon left behind as gone, and return their ids."""
        now = time.time()
        left = [entry for entry in self._pods.values() if entry["gone_at"] is None]
        for entry in left:
            meter = Meter.from_json(entry["meter"])
            meter.close(now)
            self.put_pod({**entry, "state": "SWEPT", "gone_at": now, "ssh": None, "meter": meter.to_json()})
        return [entry["id"] for entry in left]

    def compact(self) -> None:
        """Rewrite the file with one line for each pod and each request."""
        lines = [{"pod": entry} for entry in self._pods.values()]
        lines += [{"request": entry} for entry in self._requests.values()]
        write_text(self._path, "".join(json.dumps(line) + "\n" for line in lines))

    def _put_request(self, entry: dict[str, Any]) -> None:
        self._requests[entry["number"]] = entry
        self._append({"request": entry})

    def _append(self, line: dict[str, Any]) -> None:
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _read(self) -> None:
        if not self._path.exists():
            return
        for text in self._path.read_text(encoding="utf-8").splitlines():
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                continue  # the last line of a daemon that was killed while it wrote
            if "pod" in line:
                self._pods[line["pod"]["id"]] = line["pod"]
            else:
                self._requests[line["request"]["number"]] = line["request"]


def _shown_pod(entry: dict[str, Any], now: float) -> dict[str, Any]:
    meter = Meter.from_json(entry["meter"])
    times = {name: exact_time(entry[name]) if entry[name] is not None else None for name in _TIMES}
    reached = {"host": entry.get("host"), "stages": shown(entry.get("stages"))}
    bill = {"billed_seconds": meter.billed_seconds(now), "cost_usd": meter.cost_usd(now)}
    return {**{k: v for k, v in entry.items() if k != "meter"}, **times, **bill, **reached}
