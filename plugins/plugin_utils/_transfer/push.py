# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the controller to a host."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from ansible.errors import AnsibleActionFail

from ...module_utils._core.units import size
from . import remote as far
from .account_keys import AccountKeys
from .listing import RemoteTree
from .manifest import FileStat, HashCache, Tree, TreeError, digest, display_path, hash_tree, scan
from .progress import Progress
from .transfer import Mover, Report, named, same_by_look

#: Of a tree that is sent by itself, not as the code of a job, so much is looked through for keys of accounts: the small
#: files of any program, and a second of a large dataset.
SEARCHED_BYTES, SEARCHED_FILES = 1 << 20, 5_000


def _ancestors(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rsplit("/", 1)[0]
        yield path


class Push:
    """One push; `run` does it. Hashing this side goes on while the other side is asked and while bytes move."""

    def __init__(self, mover: Mover) -> None:
        self.mover, self.request = mover, mover.request
        self.tree: Tree
        self.remote: RemoteTree
        self._hashing: Future[dict[str, str]] | None = None

    def run(self) -> Report:
        """Move what differs and prove it. Raises TreeError, AnsibleActionFail, AnsibleConnectionFailure."""
        source = Path(self.request.src)
        self.tree = scan(source, self.request.patterns)
        self._withhold()
        with ThreadPoolExecutor(1) as pool:
            if self.request.verify or self.request.digest:
                self._hashing = pool.submit(self._hash)
            self._recognize()
            self.remote = far.look(
                self.mover.shell, self.request.dest, make=not self.request.dry, remember=self.request.verify
            )
            if self.remote.is_file:
                raise AnsibleActionFail(f"{self.remote.root} on the host is a file, and a directory is needed there.")
            self.mover.choose(self.remote)
            report = self._begin_report(source)
            self._transfer(report)
        report.manifest = {path: (status.size, self.hashes.get(path)) for path, status in self.tree.files.items()}
        return report

    def _recognize(self) -> None:
        """See that the tree is the one that was meant. Raises TreeError."""
        if self.request.digest and digest(self.tree, self.hashes) != self.request.digest:
            raise TreeError(
                f"{self.request.src} has changed since {self.request.dest} was named after its content, where other "
                "runs may read it: nothing was sent. Wait until nothing writes to it and start again."
            )

    def _withhold(self) -> None:
        """Leave out files with a key of an account. Raises TreeError when one of them is all there is to send."""
        keys = AccountKeys.here(os.environ)
        for path, what in keys.in_tree(self.tree, SEARCHED_BYTES, SEARCHED_FILES):
            if not Path(self.request.src).is_dir():
                raise TreeError(f"{self.request.src} holds {what}, and is not sent: no host needs such a key.")
            del self.tree.files[path]
            self.mover.show(f"push {self.request.label}: {display_path(path)} holds {what} and stays at home")

    def _hash(self) -> dict[str, str]:
        progress = Progress(f"hash {self.request.label}", self.tree.bytes, self.mover.show)
        return hash_tree(self.tree, HashCache(self.tree.root, self.request.patterns), progress.add)

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of the local files; waits until they are known."""
        return self._hashing.result() if self._hashing else {}

    def _begin_report(self, source: Path) -> Report:
        report = Report(self.mover.mode, str(source), self.remote.root)
        report.unmatched = self.request.patterns.unmatched([*self.tree.files, *self.tree.links])
        report.links = [path for path, text in self.tree.links.items() if not self._is_link(path, text)]
        report.folders = [path for path in self.tree.folders if not self._is_kind(path, "d")]
        report.removed = sorted({*self._in_the_way(), *(self._surplus() if self.request.delete else ())})
        report.extra["special"] = self.tree.special
        return report

    def _is_link(self, path: str, text: str) -> bool:
        entry = self.remote.entries.get(path)
        return entry is not None and entry.kind == "l" and entry.link == text

    def _is_kind(self, path: str, kind: str) -> bool:
        entry = self.remote.entries.get(path)
        return entry is not None and entry.kind == kind

    def _in_the_way(self) -> set[str]:
        """Return what the host has under a name that we need for something else.

        That is a directory for a file, or a file for a directory.
        """
        found = {path for path in (*self.tree.files, *self.tree.links) if self._is_kind(path, "d")}
        above = {
            folder for path in (*self.tree.files, *self.tree.links) for folder in _ancestors(path)
        } | self.tree.folders
        return found | {path for path in above if path in self.remote.entries and not self._is_kind(path, "d")}

    def _surplus(self) -> set[str]:
        """Return what the host has and we have not, without what is excluded.

        Of a directory that goes as a whole only its own name is returned.
        """
        ours = {*self.tree.files, *self.tree.links, *self.tree.folders}
        ours |= {folder for path in ours for folder in _ancestors(path)}
        excluded = {path for path in self.remote.entries if self.request.patterns.excluded(path)}
        kept = excluded | {folder for path in excluded for folder in _ancestors(path)}
        surplus = {path for path in self.remote.entries if path not in ours and path not in kept}
        return {path for path in surplus if not any(folder in surplus for folder in _ancestors(path))}

    def _transfer(self, report: Report) -> None:
        wanted = self._wanted()
        sizes = {path: self.tree.files[path].size for path in wanted}
        self._check_space(sizes)
        if self.request.dry:
            report.sent = sizes
            return
        far.remove(self.mover.shell, self.remote, report.removed)
        if self.mover.mode == "tar" and report.folders:
            far.make_folders(self.mover.shell, self.remote, sorted(report.folders))
        elif report.folders:
            sizes = {**sizes, **dict.fromkeys(report.folders, 0)}
        report.sent = {path: size for path, size in self._send(sizes).items() if path in self.tree.files}
        self._send(dict.fromkeys(report.links, 0), links_only=True)
        if self.request.verify:
            self._prove(report, wanted)

    def _send(self, sizes: dict[str, int], **how: bool) -> dict[str, int]:
        return self.mover.move("push", self.tree.root, self.remote.root, sizes, **how)

    def _wanted(self) -> list[str]:
        """Return the files to send: those that the host lacks, or has with another content."""
        if not self.request.verify:
            return [
                path
                for path, status in self.tree.files.items()
                if not same_by_look(self.remote.entries.get(path), status.size, status.mtime_ns)
            ]
        if self.request.dry or self.mover.mode == "tar":
            # rsync itself does not send what is there already; without it, and for a plan, the host must be asked.
            self._ask_for_unproved()
        # Waits for our hashes only if there is something to compare them with.
        return [
            path
            for path in self.tree.files
            if (proved := self.remote.proved(path)) is None or proved != self.hashes.get(path)
        ]

    def _ask_for_unproved(self) -> None:
        asked = {
            path: status.size
            for path, status in self.tree.files.items()
            if self.remote.proved(path) is None and self._has_size(path, status)
        }
        far.hash_files(self.mover.shell, self.remote, list(asked), asked.values())

    def _has_size(self, path: str, status: FileStat) -> bool:
        entry = self.remote.entries.get(path)
        return entry is not None and entry.kind == "f" and entry.size == status.size

    def _check_space(self, sizes: dict[str, int]) -> None:
        there = sum(self.remote.entries[path].size for path in sizes if path in self.remote.entries)
        need, free = sum(sizes.values()) - there, self.remote.free_bytes
        if free is not None and need > free:
            raise AnsibleActionFail(
                f"{self.request.label} needs {size(need)} more, but {self.remote.root} on {self.mover.host.label} "
                f"has only {size(free)} free. Rent the pod with a larger disk or volume."
            )

    def _prove(self, report: Report, paths: list[str]) -> None:
        """Compare the hashes of what was sent on both sides; send once more what differs, then give up."""
        memory = "new" if len(paths) == len(self.tree.files) else "add"
        wrong = self._differing(paths, memory)
        if wrong:
            report.resent = wrong
            report.sent.update(self._send({path: self.tree.files[path].size for path in wrong}, again=True))
            wrong = self._differing(wrong, "add")
        if not wrong:
            return
        moving = [path for path in wrong if FileStat.of((self.tree.root / path).stat()) != self.tree.files[path]]
        if moving:
            raise AnsibleActionFail(
                f"Changed while they were sent: {named(moving)}. Wait until nothing writes to them and start again."
            )
        raise AnsibleActionFail(
            f"{len(wrong)} of {len(self.tree.files)} files arrived with another SHA-256 at {self.mover.host.label} "
            f"twice: {named(wrong)}. The pod's disk is not to be trusted; use another pod."
        )

    def _differing(self, paths: Iterable[str], memory: str) -> list[str]:
        every = list(paths)
        far.hash_files(self.mover.shell, self.remote, every, [self.tree.files[path].size for path in every], memory)
        return [path for path in every if self.remote.hashes.get(path) != self.hashes[path]]
