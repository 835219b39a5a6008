# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training left on its host: in its output directory, and in other places where results often end up."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.patterns import Patterns, exactly

# The search of a tree stops after this many entries: it holds something other than results, and reading some thousands
# of them on a network volume takes a second.
MOST_ENTRIES = 100_000
# Places that a message names and a transfer fetches; a person cannot tell more of them apart.
MOST_PLACES = 50
# Directories that programs make for themselves.
NO_RESULTS = re.compile(
    r"\.|__pycache__$|node_modules$|site-packages$|venv$|env$|"
    r"(tmp|pip|ansible|podyard|torch|torchinductor|pymp|ray|systemd|ssh|vscode|tmux|nvidia|hsperfdata|npm|build)[-_.]|"
    r"tmp[a-z0-9_]{8}$|ray$|lost\+found$"
)
# Where programs leave results when they are given no directory, or ignore the one given.
USUAL_PLACES = ("/output", "/outputs", "/results", "/checkpoints", "/models", "/tmp")


def display_path(path: str) -> str:
    """Return a name that is safe to show and send: bytes that are not UTF-8 and control characters become escapes."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


@dataclass
class Files:
    """A count of files and their bytes; `whole` is False when the search stopped before the end."""

    count: int = 0
    bytes: int = 0
    whole: bool = True
    first: list[str] = field(default_factory=list)

    def add(self, path: str, size: int) -> None:
        """Count one file, and keep its name if it is among the first."""
        self.count += 1
        self.bytes += size
        if len(self.first) < MOST_PLACES:
            self.first.append(path)

    def to_result(self) -> dict[str, Any]:
        """Return ``{"files", "bytes", "complete", "first"}``."""
        first = list(map(display_path, self.first))
        return {"files": self.count, "bytes": self.bytes, "complete": self.whole, "first": first}


def output(directory: str, artifacts: Sequence[str], checkpoints: Sequence[str]) -> dict[str, Any]:
    """Count the files of the output directory and its checkpoints, and list the patterns that match none of them."""
    wanted, saved = Patterns(tuple(artifacts)), Patterns(tuple(checkpoints))
    found, paths, complete = Files(), [], 0
    for path, status in _files(directory, found):
        found.add(path, status.st_size)
        paths.append(path)
        complete += bool(checkpoints) and saved.matches(path)
    return {**found.to_result(), "checkpoints": complete, "unmatched": wanted.unmatched(paths)}


def _files(root: str, found: Files) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files below a directory, including links to files, with paths relative to it."""
    folders, seen = [""], 0
    while folders:
        folder = folders.pop()
        for entry in _entries(os.path.join(root, folder)):
            seen += 1
            if seen > MOST_ENTRIES:
                found.whole = False
                return
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif entry.is_file():
                    yield path, entry.stat()
            except OSError:
                continue


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


class Search:
    """A search for files that were made or changed since a moment (seconds since 1970)."""

    def __init__(self, since: float, leave_out: Sequence[str]) -> None:
        self.since = since
        self.leave_out = {os.path.realpath(path) for path in leave_out}
        self.left = MOST_ENTRIES
        self.places: list[dict[str, Any]] = []
        self.total = Files()

    def look(self, roots: Sequence[str]) -> dict[str, Any]:
        """Return the places with new files, and their total count and bytes.

        A place is a directory in which everything is new, or a single file; places do not overlap.
        """
        unique = list(dict.fromkeys(os.path.realpath(root) for root in roots))
        self.leave_out.update(unique)
        for root in unique:
            all_new, files = self._folder(root, top=True)
            self._keep(root, [] if all_new else files)
        self.total.whole = self.left > 0 and len(self.places) <= MOST_PLACES
        return {
            "places": self.places[:MOST_PLACES],
            "files": self.total.count,
            "bytes": self.total.bytes,
            "complete": self.total.whole,
        }

    def _folder(self, folder: str, *, top: bool = False) -> tuple[bool, list[tuple[str, int, int]]]:
        """Return whether everything in a directory is new, and the shallowest new places: (path, files, bytes)."""
        all_new, new = not top, []
        for entry in _entries(folder):
            self.left -= 1
            if self.left <= 0:
                break
            if NO_RESULTS.match(entry.name) or entry.path in self.leave_out:
                all_new = False
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                inside_new, inside = self._folder(entry.path)
                if inside_new and inside:
                    inside = [(entry.path, sum(each[1] for each in inside), sum(each[2] for each in inside))]
                else:
                    all_new = False
                new += inside
            elif stat.S_ISREG(status.st_mode) and _changed(status) >= self.since:
                new.append((entry.path, 1, status.st_size))
            else:
                all_new = False
        return all_new, new

    def _keep(self, root: str, found: list[tuple[str, int, int]]) -> None:
        for path, files, size in found:
            relative = os.path.relpath(path, root)
            # A name that JSON cannot carry is reported but not fetched.
            fetched = display_path(relative) == relative
            self.places.append({
                "root": root, "path": display_path(path), "files": files, "bytes": size,
                "pattern": exactly(relative) if fetched else None,
            })  # fmt: skip
            self.total.count += files
            self.total.bytes += size


def _changed(status: os.stat_result) -> float:
    """Return when a file got its content or its place: an unpacked or copied file may have kept an older time."""
    return max(status.st_mtime, status.st_ctime)


def _is_usable(path: str) -> bool:
    """Return whether a place can be searched: a directory, but not the root of the file system."""
    return os.path.isdir(path) and os.path.realpath(path) != "/"


def roots(code: str | None, data: str | None, mount: str | None) -> list[str]:
    """Return the places where a training may have left results instead of its output directory."""
    places = (code, data, mount, os.path.expanduser("~"), *USUAL_PLACES)
    return [path for path in places if path and _is_usable(path)]
