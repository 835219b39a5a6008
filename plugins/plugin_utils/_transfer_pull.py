# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a host to the controller. Private to this collection."""

from __future__ import annotations

import contextlib
import fcntl
import os
import posixpath
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from ansible.errors import AnsibleActionFail

from ansible_collections.podyard.gpu.plugins.plugin_utils import _transfer_remote as far
from ansible_collections.podyard.gpu.plugins.plugin_utils._manifest import (
    INCOMING,
    FileStat,
    HashCache,
    Tree,
    hash_tree,
    shown,
    stays_inside,
)
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer import Mover, Report, named, same_by_look
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer_remote import RemoteTree
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer_rsync import Cancelled

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
        self.incoming = self.dest / INCOMING
        self.remote: RemoteTree
        self.wanted: dict[str, str | None] = {}  # SHA-256 of the host's file by path
        self.links: dict[str, str] = {}
        self.skipped: list[str] = []
        self._made: set[Path] = set()

    def run(self) -> Report:
        """Fetch what differs and prove it. Raises AnsibleActionFail, AnsibleConnectionFailure, TreeError."""
        patterns = self.request.patterns
        self.remote = far.look(self.mover.shell, self.request.src, hashed=patterns if self.request.verify else None)
        if not self.remote.exists:
            raise AnsibleActionFail(
                f"There is no directory {self.remote.root} on {self.mover.host.label} to fetch from."
            )
        self.mover.choose(self.remote)
        self._select()
        report = Report(self.mover.mode, self.remote.root, str(self.dest))
        report.unmatched = patterns.unmatched([*self.wanted, *self.links])
        report.extra = {"skipped_links": self.skipped, "vanished": []}
        here = self._here()
        missing = [path for path in self.wanted if not self._have(path, here)]
        report.links = [path for path, text in self.links.items() if not self._has_link(path, text)]
        if self.request.dry:
            report.sent = {path: self.remote.entries[path].size for path in missing}
        elif missing or report.links:
            with self._staging() as waited:
                if waited:
                    here = self._here()
                    missing = [path for path in self.wanted if not self._have(path, here)]
                self._fetch(report, missing)
                for path in report.links:
                    self._link(path)
        self._write_manifest(report, here)
        return report

    def _select(self) -> None:
        """Decide what is fetched as a file, what as a link, and what not at all."""
        matching = {path: entry for path, entry in self.remote.entries.items() if self.request.patterns.matches(path)}
        for path, entry in matching.items():
            if entry.kind == "f" or (entry.kind == "l" and entry.leads_to == "f"):
                self.wanted[path] = None
        for path, entry in matching.items():
            if entry.kind != "l":
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.link))
            if stays_inside(path, entry.link) and (
                target in self.wanted or any(p.startswith(f"{target}/") for p in self.wanted)
            ):
                self.links[path] = entry.link
                self.wanted.pop(path, None)
            elif entry.leads_to != "f":
                self.skipped.append(path)
        if self.request.verify:
            self._hash_remote([path for path in self.wanted if path not in self.remote.hashes])
            self.wanted = {path: self.remote.hashes.get(path) for path in self.wanted}

    def _hash_remote(self, paths: list[str]) -> None:
        sizes = [self.remote.entries[path].size for path in paths]
        for path in paths:
            self.remote.hashes.pop(path, None)
        self.remote.hashes.update(far.hash_files(self.mover.shell, self.remote, paths, sizes))

    def _here(self) -> dict[str, tuple[FileStat, str | None]]:
        """What the destination has of the wanted files: status and SHA-256 by path."""
        tree = self._tree(self.dest, self.wanted)
        cache = HashCache(self.dest, self.request.patterns) if self.request.cached else None
        hashes = hash_tree(tree, cache) if self.request.verify else {}
        return {path: (status, hashes.get(path)) for path, status in tree.files.items()}

    @staticmethod
    def _tree(root: Path, paths: dict[str, str | None] | list[str]) -> Tree:
        tree = Tree(root)
        for path in paths:
            place = root / path
            if place.is_file() and not place.is_symlink():
                tree.files[path] = FileStat.of(place.stat())
        return tree

    def _have(self, path: str, here: dict[str, tuple[FileStat, str | None]]) -> bool:
        if path not in here:
            return False
        status, sha = here[path]
        if self.request.verify:
            return sha is not None and sha == self.wanted[path]
        return same_by_look(self.remote.entries.get(path), status.size, status.mtime_ns)

    def _has_link(self, path: str, text: str) -> bool:
        place = self.dest / path
        return place.is_symlink() and os.readlink(place) == text

    @contextlib.contextmanager
    def _staging(self) -> Iterator[bool]:
        """The directory in which files arrive, locked; gives whether another transfer was waited for.

        It stays after a failure, so that the next pull goes on from there.
        """
        descriptor, waited = self._locked()
        try:
            yield waited
            shutil.rmtree(self.incoming)
        finally:
            os.close(descriptor)

    def _locked(self) -> tuple[int, bool]:
        """Wait for the right to fetch into the destination; its lock, and whether it had to be waited for."""
        begun, waited = time.monotonic(), False
        while True:
            self.incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(self.incoming, os.O_RDONLY | os.O_DIRECTORY)
                if self._lock(descriptor):
                    return descriptor, waited
                os.close(descriptor)
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

    def _lock(self, descriptor: int) -> bool:
        """Lock the directory, if nobody else holds it and it is not the one that another transfer took away."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(descriptor), self.incoming.stat())
        return False

    def _fetch(self, report: Report, missing: list[str]) -> None:
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
            self._place(path)
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
        sizes = {path: self.remote.entries[path].size for path in paths}
        return self.mover.move("pull", self.incoming, self.remote.root, sizes, **how)

    def _compare(self, paths: list[str]) -> tuple[list[str], list[str]]:
        """Split paths into those that arrived well and the others."""
        tree = self._tree(self.incoming, paths)
        if not self.request.verify:
            return list(tree.files), [path for path in paths if path not in tree.files]
        hashes = hash_tree(tree)
        good = {path for path in paths if path in hashes and hashes[path] == self.wanted[path]}
        return sorted(good), [path for path in paths if path not in good]

    def _place(self, path: str) -> None:
        """Put a file that has arrived to its place, in one step."""
        place = self.dest / path
        self._clear_way(place)
        os.replace(self.incoming / path, place)

    def _link(self, path: str) -> None:
        place = self.dest / path
        self._clear_way(place)
        temporary = self.incoming / f"link-{secrets.token_hex(8)}"
        os.symlink(self.links[path], temporary)
        os.replace(temporary, place)

    def _clear_way(self, place: Path) -> None:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        if place.parent in self._made:
            return
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            self._made.add(place.parent)
        except (FileExistsError, NotADirectoryError):
            raise AnsibleActionFail(
                f"{shown(str(place.parent))} is a file, and a directory is needed there; remove it."
            ) from None

    def _write_manifest(self, report: Report, here: dict[str, tuple[FileStat, str | None]]) -> None:
        for path, sha in self.wanted.items():
            if self.request.dry:
                size = here[path][0].size if path in here else self.remote.entries[path].size
            else:
                size = (self.dest / path).stat().st_size
            report.manifest[path] = (size, sha)
