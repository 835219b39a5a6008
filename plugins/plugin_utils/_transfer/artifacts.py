# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else of a training's results comes home, where its patterns named none or missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...module_utils._core.units import size

GB = 1000**3
# Names in a sentence; more would bury it.
NAMED = 10


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class Leavings:
    """What M(training_output_info) found, of a training whose patterns `unmatched` matched nothing.

    `limit` is how many bytes may come home unasked, `place` where they go.
    """

    found: Mapping[str, Any]
    unmatched: Sequence[str]
    limit: float
    place: str

    @property
    def output(self) -> Mapping[str, Any]:
        return self.found["output"]

    @property
    def lacking(self) -> bool:
        """Whether the output lacks something, so that what lies elsewhere may be it."""
        return bool(self.unmatched) or not self.output["files"]

    @property
    def elsewhere(self) -> Mapping[str, Any]:
        nothing: dict[str, Any] = {"files": 0, "bytes": 0, "complete": True, "places": []}
        return self.found["elsewhere"] if self.lacking else nothing

    @property
    def output_fits(self) -> bool:
        return bool(self.output["complete"]) and self.output["bytes"] <= self.limit

    def taken(self) -> list[Mapping[str, Any]]:
        """Return the places elsewhere that are fetched: those of the likeliest kind first, as many as fit."""
        room = self.limit - (self.output["bytes"] if self.output_fits else 0)
        found = []
        for place in self.elsewhere["places"]:
            if place["pattern"] and place["bytes"] <= room:
                room -= place["bytes"]
                found.append(place)
        return found

    def exclude(self, checkpoints: Sequence[str], saved: int) -> list[str]:
        """Return the patterns of checkpoints that are all here already: they are not sent a second time."""
        return list(checkpoints) if saved and self.output["checkpoints"] == saved else []

    def transfers(self) -> list[dict[str, Any]]:
        """Return what to fetch from elsewhere: `src`, `dest` and `include` of each transfer."""
        groups: dict[str, list[str]] = {}
        for place in self.taken():
            groups.setdefault(str(place["root"]), []).append(str(place["pattern"]))
        return [
            {"src": root, "dest": f"{self.place}/elsewhere/{root.strip('/').replace('/', '_')}", "include": patterns}
            for root, patterns in groups.items()
        ]

    def remark(self) -> str:
        """Say what comes home without being asked for, and what lies elsewhere; empty when that is negligible."""
        parts = []
        if not self.output["files"]:
            parts.append("The output directory is empty.")
        elif self.unmatched and self.output_fits:
            parts.append(
                f"All of the output ({_files(self.output['files'])}, {size(self.output['bytes'])}) is in {self.place} "
                "instead."
            )
        if self.elsewhere["files"]:
            whole = "" if self.elsewhere["complete"] else "at least "
            parts.append(
                f"Elsewhere on the pod it made or changed {whole}{_files(self.elsewhere['files'])} "
                f"({size(self.elsewhere['bytes'])}): {_named(self.elsewhere['places'])}."
            )
        if self.taken():
            parts.append(f"In {self.place}/elsewhere is what was found in {_named(self.taken())}.")
        return " ".join(parts)

    def left(self) -> str:
        """Say what does not come home, and why; empty when all of it does."""
        parts, allowed = [], f"train_artifacts_max_gb allows {self.limit / GB:g} GB"
        if not self.output_fits:
            least = "" if self.output["complete"] else "more than "
            parts.append(f"The output was not fetched: it has {least}{size(self.output['bytes'])}, and {allowed}.")
        odd = [place for place in self.elsewhere["places"] if not place["pattern"]]
        large = [place for place in self.elsewhere["places"] if place["pattern"] and place not in self.taken()]
        if large:
            parts.append(f"Not fetched from elsewhere: {_named(large)}; {allowed}.")
        if odd:
            parts.append(f"Not fetched, since their names are no text: {_named(odd)}.")
        if not self.elsewhere["complete"]:
            parts.append("There may be more elsewhere: there is too much to look at.")
        if not self.output_fits or large:
            parts.append("Name what is wanted (train_artifacts), or raise the limit.")
        return " ".join(parts)


def _named(places: Sequence[Mapping[str, Any]]) -> str:
    """Places in a sentence, each with its size."""
    words = [f"{place['path']} ({size(place['bytes'])})" for place in places[:NAMED]]
    return ", ".join(words) + (f" and {len(places) - NAMED} more" if len(places) > NAMED else "")


def choice(
    found: Mapping[str, Any],
    *,
    unmatched: Sequence[str],
    max_gb: float,
    place: str,
    checkpoints: Sequence[str],
    saved: int,
) -> dict[str, Any]:
    """Return what comes home without being asked for, what does not, and the sentences about it."""
    leavings = Leavings(found, unmatched, float(max_gb) * GB, place)
    return {
        "output": bool(leavings.output_fits and leavings.output["files"]),
        "exclude": leavings.exclude(checkpoints, saved),
        "elsewhere": leavings.transfers(),
        "remark": leavings.remark(),
        "left": leavings.left(),
    }
