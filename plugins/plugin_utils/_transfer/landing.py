# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of this machine in which files of a pod land.

Every place is reached part by part from an open directory, and no part may be a symbolic link: what a pod sent before
does not decide where the next file goes. Nothing is taken away to make room.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ...module_utils._core.files import take_lock
from .foreign import Distrusted, checked_name, printable
from .manifest import PARTIAL, FileStat, TreeError

# What the controller keeps in a run's directory. A training may write a file of one such name into its results, so that
# only two of them tell a directory that controls a run; a key of SSH tells it alone.
CONTROLS = (
    "attempts.jsonl", "connection.json", "fence.lock", "follow.lock", "guard.json", "guard.lock", "guard.log",
    "known_hosts", "run.lock",
)  # fmt: skip
KEYS = ("id_ed25519", "id_rsa", "id_ecdsa", "authorized_keys")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A foreign file may be read and written by its owner, and run; no other user changes it, and it runs as no other.
_MODE = 0o755


class Landing:
    """A directory, `root`, and what lies below it; use it in a with block.

    It need not be there, and is then empty. Links above it are the user's own and are followed; where it is `private`,
    it is this collection's own place for files that are not proved yet, and no link itself. Raises TreeError when it
    cannot be used.
    """

    def __init__(self, root: Path, *, private: bool = False) -> None:
        self.root, self._private = root, private
        self._fit: set[tuple[int, int]] = set()
        self._top: int | None = None
        self._open()

    def _open(self) -> None:
        try:
            self._top = os.open(self.root, _FOLDER | (os.O_NOFOLLOW if self._private else 0))
        except FileNotFoundError:
            return
        except OSError as error:
            raise TreeError(
                f"{printable(str(self.root))} is no directory in which files can be put: {error.strerror}."
            ) from None

    def __enter__(self) -> Landing:
        return self

    def __exit__(self, *_none: object) -> None:
        if self._top is not None:
            os.close(self._top)

    def make(self) -> None:
        """Make the directory, with its parents, when it is not there."""
        if self._top is None:
            self.root.mkdir(parents=True, exist_ok=True)
            self._open()

    def make_private(self, name: str) -> None:
        """Make a directory of ours in this one, which has to be there."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=self._top)

    def lock(self) -> bool:
        """Lock the directory, if no other process holds it and it is still the one that has this name."""
        if self._top is None:
            return False
        try:
            held = take_lock(self._top)
            return held and os.path.samestat(os.fstat(self._top), os.stat(self.root, follow_symlinks=False))
        except FileNotFoundError:
            return False

    @property
    def free_bytes(self) -> int:
        """Free space of the file system in which it lies, or will lie."""
        place = self.root.absolute()
        while not place.exists() and place != place.parent:
            place = place.parent
        status = os.statvfs(place)
        return status.f_bavail * status.f_frsize

    def status(self, path: str) -> os.stat_result | None:
        """Return the status of a path itself, not of what it links to; None where there is nothing."""
        try:
            with self._parent(path) as (folder, name):
                return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (FileNotFoundError, InTheWay):
            return None

    def files(self, paths: Iterable[str]) -> dict[str, FileStat]:
        """Return the regular files among these paths."""
        found = {path: self.status(path) for path in paths}
        return {path: FileStat.of(each) for path, each in found.items() if each and stat.S_ISREG(each.st_mode)}

    def link_text(self, path: str) -> str | None:
        """Return the text of the link at a path; None when there is none."""
        try:
            with self._parent(path) as (folder, name):
                return os.readlink(name, dir_fd=folder)
        except (OSError, InTheWay):
            return None

    def refuse_conflicts(self, paths: Iterable[str]) -> None:
        """Raise TreeError when one of these files cannot be put in its place, before anything was moved."""
        for path in paths:
            with contextlib.suppress(FileNotFoundError), self._parent(path) as (folder, name):
                self._refuse_folder(folder, name, path)

    def place(self, source: Landing, path: str) -> None:
        """Put a file that lies at the same path of `source`, and is proved, in its place, in one step."""
        with source._parent(path) as (origin, name), self._parent(path, make=True) as (folder, _same):
            self._refuse_folder(folder, name, path)
            _tame(origin, name)
            os.replace(name, name, src_dir_fd=origin, dst_dir_fd=folder)

    def link(self, source: Landing, path: str, text: str) -> None:
        """Make a symbolic link in one step, by way of `source`."""
        temporary = f"link-{secrets.token_hex(8)}"
        with self._parent(path, make=True) as (folder, name):
            self._refuse_folder(folder, name, path)
            os.symlink(text, temporary, dir_fd=source._top)
            os.replace(temporary, name, src_dir_fd=source._top, dst_dir_fd=folder)

    @contextlib.contextmanager
    def new_file(self, path: str) -> Iterator[int]:
        """Open a new, empty file at a path for writing."""
        with self._parent(path, make=True) as (folder, name):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            # O_EXCL follows no link.
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    def weigh(self) -> int:
        """Bytes of all files, while somebody writes to them."""
        total = 0
        for _folder, _names, files, opened in os.fwalk(".", dir_fd=self._top, follow_symlinks=False):
            for name in files:
                with contextlib.suppress(FileNotFoundError):
                    total += os.stat(name, dir_fd=opened, follow_symlinks=False).st_size
        return total

    def sweep(self, wanted: Collection[str], *, refuse: bool = False) -> int:
        """Remove all but these files, and what is there of them already; return the bytes that lie there.

        With `refuse`, raise Distrusted for the first other thing.
        """
        total = 0
        for folder, names, files, opened in os.fwalk(".", dir_fd=self._top, follow_symlinks=False):
            for name in (*names, *files):
                status = os.stat(name, dir_fd=opened, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    continue
                path = os.path.normpath(f"{folder}/{name}")
                kept = "/".join(part for part in path.split("/") if part != PARTIAL)
                if stat.S_ISREG(status.st_mode) and kept in wanted:
                    total += status.st_size
                elif refuse:
                    raise Distrusted(f"The pod sent '{printable(path)}', which was not requested; it is left out.")
                else:
                    os.unlink(name, dir_fd=opened)
        return total

    def remove(self, name: str) -> None:
        """Remove a directory of ours in this one."""
        shutil.rmtree(name, dir_fd=self._top)

    @contextlib.contextmanager
    def _parent(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """Open the directory in which a path lies, and return it with the path's last part."""
        *above, name = checked_name(path).split("/")
        if self._top is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.root))
        folder = os.dup(self._top)
        try:
            for number, part in enumerate(above):
                self._refuse_control(folder, "/".join(above[:number]))
                below = self._step(folder, part, "/".join(above[: number + 1]), make)
                os.close(folder)
                folder = below
            self._refuse_control(folder, "/".join(above))
            yield folder, name
        finally:
            os.close(folder)

    def _step(self, folder: int, part: str, path: str, make: bool) -> int:
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, dir_fd=folder)
        try:
            return os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
        linked = stat.S_ISLNK(os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode)
        raise InTheWay(
            f"{printable(str(self.root / path))} is a {'symbolic link, which is not followed' if linked else 'file'}, "
            "and a directory is needed there; move it away, and fetch again."
        )

    def _refuse_folder(self, folder: int, name: str, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise InTheWay(
                    f"{printable(str(self.root / path))} is a directory here and a file on the pod. Nothing is removed "
                    "to make room for it; move the directory away, and fetch again."
                )

    def _refuse_control(self, folder: int, path: str) -> None:
        """Raise TreeError for a directory that holds what controls a run, or a key."""
        status = os.fstat(folder)
        identity = (status.st_dev, status.st_ino)
        if self._private or identity in self._fit:
            return
        if len(_present(folder, CONTROLS)) > 1 or _present(folder, KEYS):
            raise TreeError(
                f"{printable(str(self.root / path))} holds what controls a run or lets somebody in "
                f"({', '.join(_present(folder, (*CONTROLS, *KEYS))[:3])}), and nothing that comes from a pod is put "
                "there; fetch into a directory of its own."
            )
        self._fit.add(identity)


class InTheWay(TreeError):
    """Something of this machine that a foreign file does not replace."""


def refuse_control(dest: Path) -> None:
    """Refuse a directory that must never receive files of a pod.

    These are a home directory, what lies above it, and what lies among the keys of a run.

    :raises TreeError: for such a directory.
    """
    place, home = dest.expanduser().resolve(), Path.home().resolve()
    if home.is_relative_to(place):
        raise TreeError(
            f"{printable(str(dest))} holds your own settings and keys, and nothing that comes from a pod is put there; "
            "fetch into a directory of its own."
        )
    if ".ssh" in place.parts or (place.name == "ssh" and len(_present_at(place.parent, CONTROLS)) > 1):
        raise TreeError(
            f"{printable(str(dest))} is where keys lie, and nothing that comes from a pod is put there; fetch into a "
            "directory of its own."
        )


def _present(folder: int, names: Iterable[str]) -> list[str]:
    found = []
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.stat(name, dir_fd=folder, follow_symlinks=False)
            found.append(name)
    return found


def _present_at(folder: Path, names: Iterable[str]) -> list[str]:
    return [name for name in names if os.path.lexists(folder / name)]


def _tame(folder: int, name: str) -> None:
    """Take from a foreign file the rights that no result needs. Raises Distrusted when it is no regular file."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Distrusted(f"The pod sent '{printable(name)}', which is no regular file; it is not taken.")
        mode = stat.S_IMODE(status.st_mode)
        if mode != (mode & _MODE) | 0o600:
            os.fchmod(descriptor, (mode & _MODE) | 0o600)
    finally:
        os.close(descriptor)
