# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving a tree to or from a host: what is common to both directions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.errors import AnsibleActionFail

from ...module_utils._core.patterns import Patterns
from .._common.ssh import Shell, SshHost
from . import rsync as rsync_mover
from . import tar
from .foreign import printable
from .listing import Entry, RemoteTree
from .manifest import display_path
from .progress import Progress

# Names of files in a message; more would bury the message.
NAMED = 5


@dataclass(frozen=True)
class Request:
    """What to move.

    `limit` is in MiB per second, 0 for none; `method` is auto, rsync or tar; `label` names it in messages; `cached`
    keeps the hashes of this side for the next time; with `skip_changing` a pull leaves out, and reports, what somebody
    writes to meanwhile; `most` are the bytes that a pull may bring home, 0 for as many as there is room for.
    `digest` is what the tree of a push must have; others may send the same to the same place, and read there.
    """

    src: str
    dest: str
    patterns: Patterns
    label: str
    verify: bool = True
    delete: bool = False
    limit: float = 0.0
    method: str = "auto"
    dry: bool = False
    cached: bool = True
    skip_changing: bool = False
    most: int = 0
    digest: str | None = None


@dataclass
class Report:
    """What was moved, or with a dry request what would be. `manifest` has (bytes, sha256 or None) by path."""

    mode: str
    src: str
    dest: str
    manifest: dict[str, tuple[int, str | None]] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    resent: list[str] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    extra: dict[str, list[str]] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return bool(self.sent or self.links or self.folders or self.removed)

    def to_result(self, seconds: float) -> dict[str, Any]:
        """Return the task's result, JSON-able."""
        return {
            "changed": self.changed,
            "mode": self.mode,
            "src": self.src,
            "dest": self.dest,
            "files": len(self.manifest),
            "bytes": sum(size for size, _sha in self.manifest.values()),
            "sent": sorted(map(display_path, [*self.sent, *self.links])),
            "sent_bytes": sum(self.sent.values()),
            "removed": sorted(map(display_path, self.removed)),
            "resent": sorted(map(display_path, self.resent)),
            "unmatched": self.unmatched,
            "seconds": round(seconds, 3),
            "manifest": [
                {"path": display_path(path), "bytes": size, "sha256": sha}
                for path, (size, sha) in sorted(self.manifest.items())
            ],
            **{name: sorted(map(display_path, paths)) for name, paths in self.extra.items()},
        }

    def diff(self) -> dict[str, str]:
        """Before and after for --diff: one line for each path that changes."""
        after = [f"send {display_path(path)}" for path in sorted([*self.sent, *self.links, *self.folders])]
        after += [f"remove {display_path(path)}" for path in sorted(self.removed)]
        return {
            "before_header": self.dest,
            "after_header": self.dest,
            "before": "",
            "after": "".join(f"{line}\n" for line in after),
        }


@dataclass
class Mover:
    """The program that moves the bytes, rsync or tar, towards one host."""

    host: SshHost
    request: Request
    show: Callable[[str], None]
    cancel: threading.Event | None = None

    def __post_init__(self) -> None:
        self.shell = Shell(self.host)
        self.mode = ""

    def choose(self, remote: RemoteTree) -> None:
        """Decide between rsync and tar.

        Raises AnsibleActionFail when the host has neither, or not the one asked for.
        """
        there = rsync_mover.version(remote.facts.get("rsync", "")) >= rsync_mover.OLDEST_THERE
        # rsync cannot bear a shell that prints something of its own.
        rsync = there and remote.clean and rsync_mover.usable()
        if self.request.method == "rsync" and not rsync:
            raise AnsibleActionFail(
                f"rsync was asked for, but {self.host.label} or this machine has no usable one. Use method auto."
            )
        self.mode = "rsync" if rsync and self.request.method != "tar" else "tar"
        if self.mode == "tar" and not remote.facts.get("tar"):
            raise AnsibleActionFail(
                f"{self.host.label} has neither rsync nor tar, so that nothing can be moved. Use another image."
            )

    def move(self, verb: str, local: Path, remote: str, sizes: dict[str, int], **how: bool) -> dict[str, int]:
        """Push or pull the files named by `sizes` (bytes by path); return the bytes of those that went over."""
        if not sizes:
            return {}
        total = sum(sizes.values())
        progress = Progress(f"{verb} {self.request.label}", total, self.show)
        job = rsync_mover.Job(
            self.host,
            local,
            remote,
            sorted(sizes),
            total,
            progress,
            limit=self.request.limit,
            cancel=self.cancel,
            sizes=sizes,
            shared=self.request.digest is not None,
            **how,
        )
        program: ModuleType = rsync_mover if self.mode == "rsync" else tar
        moved: dict[str, int] = getattr(program, verb)(job)
        # rsync names directories too, and counts its own words with the content.
        return {path: min(size, sizes[path]) for path, size in moved.items() if path in sizes}


def same_by_look(entry: Entry | None, size: int, mtime_ns: int) -> bool:
    """Whether a file of the host looks like a local one: size and whole seconds of the last change."""
    if entry is None or entry.kind != "f" or entry.size != size or entry.stamp is None:
        return False
    return int(float(entry.stamp.split()[1])) == mtime_ns // 1_000_000_000


def named(paths: Iterable[str]) -> str:
    """Name the first few paths, and how many more there are, safe to show."""
    every = sorted(map(printable, paths))
    text = ", ".join(every[:NAMED])
    return text if len(every) <= NAMED else f"{text} and {len(every) - NAMED} more"


def timed(work: Callable[[], Report]) -> tuple[Report, float]:
    """Do the work and say how many seconds it took."""
    begun = time.monotonic()
    return work(), time.monotonic() - begun
