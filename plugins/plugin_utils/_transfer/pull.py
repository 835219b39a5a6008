# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a host to the controller."""

from __future__ import annotations

import contextlib
import posixpath
import time
from collections.abc import Iterator
from pathlib import Path

from ansible.errors import AnsibleActionFail

from ...module_utils._core.patterns import Patterns
from ...module_utils._core.units import size
from . import remote as far
from .bounds import RESERVE
from .foreign import printable
from .landing import Landing, refuse_control
from .listing import RemoteTree
from .manifest import INCOMING, FileStat, HashCache, Tree, hash_tree, stays_inside
from .rsync import Cancelled
from .transfer import Mover, Report, named, same_by_look

# Somebody who fetches by hand must not make the end of a run fail: it waits, and finds the files there. An hour is long
# for a transfer, and one that hangs for longer is to be told.
LOCK_PATIENCE = 3600.0
LOCK_LOOK = 0.2


class Pull:
    """One pull; `run` does it.

    Files arrive beside their places and are put there, one by one and whole, once they are proved.
    """

    def __init__(self, mover: Mover) -> None:
        self.mover, self.request = mover, mover.request
        self.dest = Path(self.request.dest)
        self.landing: Landing
        self.incoming: Landing
        self.remote: RemoteTree
        self.wanted: dict[str, str | None] = {}  # SHA-256 of the host's file by path
        self.links: dict[str, str] = {}
        self.skipped: list[str] = []
        self._asked: set[str] = set()

    def run(self) -> Report:
        """Fetch what differs and prove it. Raises AnsibleActionFail, AnsibleConnectionFailure, TreeError."""
        refuse_control(self.dest)
        with Landing(self.dest) as self.landing:
            return self._run(self.request.patterns)

    def _run(self, patterns: Patterns) -> Report:
        self.remote = far.look(self.mover.shell, self.request.src, hashed=patterns if self.request.verify else None)
        if not self.remote.exists:
            raise AnsibleActionFail(
                f"There is no directory {self.remote.root} on {self.mover.host.label} to fetch from."
            )
        self.mover.choose(self.remote)
        self._select()
        self.landing.refuse_conflicts([*self.wanted, *self.links])
        self._refuse_more_than_allowed()
        report = Report(self.mover.mode, self.remote.root, str(self.dest))
        report.unmatched = patterns.unmatched([*self.wanted, *self.links])
        report.extra = {"skipped_links": self.skipped, "vanished": []}
        here = self._here()
        missing = [path for path in self.wanted if not self._have(path, here)]
        report.links = [path for path, text in self.links.items() if not self._has_link(path, text)]
        if self.request.dry:
            report.sent = {path: self.remote.size(path) for path in missing}
        elif missing or report.links:
            with self._staging() as waited:
                if waited:
                    here = self._here()
                    missing = [path for path in self.wanted if not self._have(path, here)]
                self._fetch(report, missing)
                # Last, so that no file comes after one.
                for path in report.links:
                    self.landing.link(self.incoming, path, self.links[path])
        self._write_manifest(report, here)
        return report

    def _select(self) -> None:
        """Decide what is fetched as a file, what as a link, and what not at all."""
        matching = {path: entry for path, entry in self.remote.entries.items() if self.request.patterns.matches(path)}
        for path, entry in matching.items():
            if entry.kind == "f" or (entry.kind == "l" and entry.leads_to == "f"):
                self.wanted[path] = None
        folders = {folder for path in self.wanted for folder in _above(path)}
        for path, entry in matching.items():
            if entry.kind != "l":
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.link))
            if stays_inside(path, entry.link) and (target in self.wanted or target in folders):
                # Not the host's text, which may lead through other links: straight to what is fetched.
                self.links[path] = posixpath.relpath(target, posixpath.dirname(path) or ".")
                self.wanted.pop(path, None)
            elif entry.leads_to != "f":
                self.skipped.append(path)
        # What a link leads to has a size that only those who read it know.
        followed = [path for path in self.wanted if matching[path].kind == "l" and path not in self.remote.sizes]
        unknown = [path for path in self.wanted if path not in self.remote.hashes]
        self._hash_remote(unknown if self.request.verify else followed)
        if self.request.verify:
            self.wanted = {path: self.remote.hashes.get(path) for path in self.wanted}

    def _hash_remote(self, paths: list[str]) -> None:
        far.hash_files(self.mover.shell, self.remote, paths, [self.remote.size(path) for path in paths])

    def _refuse_more_than_allowed(self) -> None:
        """Hold what the pod offers against what may come, before any of it does."""
        total = sum(self.remote.size(path) for path in self.wanted)
        if self.request.most and total > self.request.most:
            raise AnsibleActionFail(
                f"{self.mover.host.label} has {size(total)} to fetch in {printable(self.remote.root)}, the largest "
                f"file being {named(self._largest())}, but no more than {size(self.request.most)} may come (max_gb; "
                "for a training it is twice its train_output_gb). Raise that if it really writes so much, or narrow "
                "what is fetched."
            )

    def _largest(self) -> list[str]:
        return sorted(self.wanted, key=self.remote.size)[-1:]

    def _refuse_without_room(self, missing: list[str], there: int) -> None:
        need = sum(self.remote.size(path) for path in missing) - there
        free = self.landing.free_bytes
        if need > max(0, free - RESERVE):
            raise AnsibleActionFail(
                f"{self.mover.host.label} has {size(need)} to fetch, the largest file being "
                f"{named(self._largest())}, but {printable(str(self.dest))} has only {size(free)} free, of which "
                f"{size(RESERVE)} stay free for the records of runs. Make room, or narrow what is fetched, and fetch "
                "again."
            )

    def _here(self) -> dict[str, tuple[FileStat, str | None]]:
        """Return what the destination has of the requested files: status and SHA-256 by path."""
        tree = Tree(self.dest, files=self.landing.files(self.wanted))
        cache = HashCache(self.dest, self.request.patterns) if self.request.cached else None
        hashes = hash_tree(tree, cache) if self.request.verify else {}
        return {path: (status, hashes.get(path)) for path, status in tree.files.items()}

    def _have(self, path: str, here: dict[str, tuple[FileStat, str | None]]) -> bool:
        if path not in here:
            return False
        status, sha = here[path]
        if self.request.verify:
            return sha is not None and sha == self.wanted[path]
        return same_by_look(self.remote.entries.get(path), status.size, status.mtime_ns)

    def _has_link(self, path: str, text: str) -> bool:
        return self.landing.link_text(path) == text

    @contextlib.contextmanager
    def _staging(self) -> Iterator[bool]:
        """Lock the directory in which files arrive; yield whether another transfer was waited for.

        It stays after a failure, so that the next pull goes on from there.
        """
        self.landing.make()
        self.incoming, waited = self._locked()
        with self.incoming:
            yield waited
            self.landing.remove(INCOMING)

    def _locked(self) -> tuple[Landing, bool]:
        """Wait for the right to fetch into the destination; where to, and whether it had to be waited for."""
        begun, waited = time.monotonic(), False
        while True:
            self.landing.make_private(INCOMING)
            with contextlib.ExitStack() as stack:
                incoming = stack.enter_context(Landing(self.dest / INCOMING, private=True))
                if incoming.lock():
                    stack.pop_all()
                    return incoming, waited
            if not waited:
                self.mover.show(f"pull {self.request.label}: waits for another transfer into {self.dest}")
            waited = True
            if self.mover.cancel is not None and self.mover.cancel.is_set():
                raise Cancelled
            if time.monotonic() - begun > LOCK_PATIENCE:
                raise AnsibleActionFail(
                    f"Another transfer has been fetching into {self.dest} for an hour; see what it does, and end it."
                )
            time.sleep(LOCK_LOOK)

    def _fetch(self, report: Report, missing: list[str]) -> None:
        self._asked = set(missing)
        self._refuse_without_room(missing, self.incoming.sweep(self._asked))
        report.sent = self._move(missing)
        good, wrong = self._compare(missing)
        if wrong:
            # The training may have written to them since they were hashed: ask anew, fetch anew.
            self._hash_remote(wrong)
            gone = [path for path in wrong if path not in self.remote.hashes]
            self._forget(report, gone)
            report.resent = [path for path in wrong if path not in gone]
            for path in report.resent:
                self.wanted[path] = self.remote.hashes[path]
            report.sent.update(self._move(report.resent, again=True))
            more, wrong = self._compare(report.resent)
            good = [*good, *more]
        for path in good:
            self.landing.place(self.incoming, path)
        if wrong and self.request.skip_changing:
            report.extra["changing"] = wrong
            self._leave_out(report, wrong)
        elif wrong:
            raise AnsibleActionFail(
                f"{len(wrong)} of {len(self.wanted)} files came from {self.mover.host.label} with another SHA-256 "
                f"than they have there, twice: {named(wrong)}. Either something still writes to them, or the pod's "
                "disk is not to be trusted."
            )

    def _forget(self, report: Report, gone: list[str]) -> None:
        """Files that the training removed in the meantime are no failure."""
        report.extra["vanished"] = gone
        self._leave_out(report, gone)

    def _leave_out(self, report: Report, paths: list[str]) -> None:
        for path in paths:
            del self.wanted[path]
            report.sent.pop(path, None)

    def _move(self, paths: list[str], **how: bool) -> dict[str, int]:
        sizes = {path: self.remote.size(path) for path in paths}
        moved = self.mover.move("pull", self.incoming.root, self.remote.root, sizes, **how)
        self.incoming.sweep(self._asked, refuse=True)
        return moved

    def _compare(self, paths: list[str]) -> tuple[list[str], list[str]]:
        """Split paths into those that arrived well and the others."""
        tree = Tree(self.incoming.root, files=self.incoming.files(paths))
        if not self.request.verify:
            return list(tree.files), [path for path in paths if path not in tree.files]
        hashes = hash_tree(tree)
        good = {path for path in paths if path in hashes and hashes[path] == self.wanted[path]}
        return sorted(good), [path for path in paths if path not in good]

    def _write_manifest(self, report: Report, here: dict[str, tuple[FileStat, str | None]]) -> None:
        for path, sha in self.wanted.items():
            status = self.landing.status(path)
            dry = here[path][0].size if path in here else self.remote.size(path)
            report.manifest[path] = (dry if self.request.dry or status is None else status.st_size, sha)


def _above(path: str) -> Iterator[str]:
    """Yield the directories in which a file lies."""
    while path := posixpath.dirname(path):
        yield path
