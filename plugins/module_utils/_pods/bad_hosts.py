# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines whose pods did not get ready, remembered for a day in a file that people can read and clear."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Callable

from .._core.files import cache_directory, locked, replace_file
from .._core.offer import Offer
from .._core.times import rfc3339
from .._core.values import to_json
from .._http.shared_file import VARIABLE

FILE = "bad-hosts.json"
#: Hours for which a machine is left out: what is broken in the morning is mostly repaired, or sold on, the day after.
HOURS = 24.0
#: Characters of a reason that are kept.
QUOTED = 400
#: Seconds to wait for another process's lock, which is held for a millisecond; then the file is written all the same.
PATIENCE = 2.0
ABOUT = (
    "Machines on which a pod of podyard.gpu did not get ready. They are not rented again until the time that each "
    "says. Delete an entry, or the file, to allow them before."
)


def usual_path(environ: Mapping[str, str] | None = None) -> str:
    """``PODYARD_STATE_DIR``, else ``podyard`` in the user's cache, which outlives a restart of the machine."""
    environ = os.environ if environ is None else environ
    chosen = environ.get(VARIABLE)
    return str((Path(chosen).expanduser() if chosen else cache_directory(environ)) / FILE)


class BadHosts:
    """The file of the user, and for the length of a run the one in its directory.

    :param path: the user's file.
    :param run_dir: the run's directory; what is in its file holds as long as the run does.
    :param now: seconds since 1970.
    """

    def __init__(
        self, path: str, run_dir: str | os.PathLike[str] | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self.path = Path(path)
        self._run = Path(run_dir) / FILE if run_dir is not None else None
        self._now = now
        self._here: list[dict[str, Any]] = []

    def why(self, offer: Offer) -> str | None:
        """Why the machine of an offer is not to be rented, as the end of a sentence; None: no objection."""
        for entry, path in self._entries():
            if entry["host"] is not None and (entry["provider"], entry["host"]) == (offer.provider, offer.host):
                until = f"until {entry['until']}" if entry["until"] else "for the rest of this run"
                return f"is on the machine {offer.host}, which is left out {until} ({path}): {entry['reason']}"
        return None

    def last(self, offers: Sequence[Offer]) -> list[Offer]:
        """Put those kinds of GPU in a region last whose pods did not become ready in this run."""
        known = {
            (entry["provider"], entry["gpu"], region)
            for entry, _path in self._entries()
            if not entry["host"]
            # An offer that names no place may lead to that one again.
            for region in (entry["region"], None)
        }
        bad = [offer for offer in offers if offer.host is None and (offer.provider, offer.gpu, offer.region) in known]
        return [*(offer for offer in offers if offer not in bad), *bad]

    def add(self, provider: str, host: str | None, gpu: str | None, region: str | None, reason: str) -> str:
        """Remember one; the sentence that says so."""
        now = self._now()
        entry = {
            "provider": provider,
            "host": host,
            "gpu": gpu,
            "region": region,
            "reason": " ".join(reason.split())[:QUOTED],
            "since": rfc3339(now),
            "until": rfc3339(now + HOURS * 3600),
        }
        self._here.append(entry)
        if self._run is not None:
            _append(self._run, {**entry, "until": None}, now)
        if host is None:
            return f"{gpu} in {region or 'an unknown place'} on {provider} is tried last from now on in this run."
        problem = _append(self.path, entry, now)
        where = f"noted in {self.path}" if not problem else f"for this call only, since {problem}"
        return f"The machine {host} of {provider} is not rented again for {HOURS:.0f} hours ({where})."

    def _entries(self) -> Iterator[tuple[dict[str, Any], str]]:
        now = self._now()
        for entry in self._here:
            yield entry, str(self.path)
        for path in (self.path, self._run):
            for entry in _read(path) if path is not None else ():
                if entry["until"] is None or entry["until"] > rfc3339(now):
                    yield entry, str(path)


class NoBadHosts(BadHosts):
    """Keep no memory: the modules of one provider have none."""

    def __init__(self) -> None:
        super().__init__(os.devnull)

    def why(self, offer: Offer) -> str | None:
        """No machine is left out."""
        return None

    def last(self, offers: Sequence[Offer]) -> list[Offer]:
        """Return the offers as they are."""
        return list(offers)

    def add(self, provider: str, host: str | None, gpu: str | None, region: str | None, reason: str) -> str:
        """Nothing is remembered, and there is nothing to say of it."""
        return ""


def _read(path: Path) -> list[dict[str, Any]]:
    """Return the entries; lines that people have written into the file and that are not entries are skipped."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    listed = data.get("hosts") if isinstance(data, dict) else None
    names = ("provider", "host", "gpu", "region", "reason", "since", "until")
    found = []
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict):
            found.append({name: str(each[name]) if each.get(name) is not None else None for name in names})
    return found


def _append(path: Path, entry: Mapping[str, Any], now: float) -> str:
    """Write one entry, and leave out those that are over; why that failed, or nothing."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(path.with_suffix(".lock"), PATIENCE):
            same = (entry["provider"], entry["host"], entry["gpu"], entry["region"])
            kept = [
                each
                for each in _read(path)
                if (each["until"] is None or each["until"] > rfc3339(now))
                and (each["provider"], each["host"], each["gpu"], each["region"]) != same
            ]
            replace_file(path, to_json({"about": ABOUT, "hosts": [*kept, entry]}, indent=1) + "\n")
    except OSError as error:
        return f"{path} cannot be written ({error.strerror})"
    return ""
