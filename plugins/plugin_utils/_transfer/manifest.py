# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a directory tree of the controller holds: files with SHA-256, links, directories."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ...module_utils._core.files import cache_directory, replace_file
from ...module_utils._core.patterns import Patterns
from ...module_utils._core.values import to_json

# Our own directories in a tree, which are never part of it.
PARTIAL = ".podyard-partial"
INCOMING = ".podyard-incoming"
OWN_NAMES = frozenset({PARTIAL, INCOMING})
# A file that changed less than 2 s before it was hashed may change again without a new time stamp (coarse clocks of
# some file systems), so its hash is not remembered.
SETTLED_SECONDS = 2.0
# A second hash does not start faster than the disk delivers; more threads than this only take turns.
HASH_THREADS = min(8, os.cpu_count() or 1)
HASH_BATCH = 64


class TreeError(Exception):
    """A tree that cannot be moved, with a sentence that says why."""


@dataclass(frozen=True)
class FileStat:
    """What tells whether a file is still the one that was hashed.

    Times are in nanoseconds; the change time cannot be set back.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileStat:
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


@dataclass
class Tree:
    """A tree's content. Paths are relative to `root`, with slashes, bytes that are no UTF-8 kept as surrogates.

    `files` has a status for each regular file, `links` the text of each symbolic link that stays inside, `folders` the
    directories that must exist though they may be empty, `special` what is neither (sockets, devices), which is not
    moved.
    """

    root: Path
    files: dict[str, FileStat] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    special: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(status.size for status in self.files.values())


def stays_inside(path: str, target: str) -> bool:
    """Whether the link at the relative `path` with the text `target` leads to a place in the tree."""
    if target.startswith("/"):
        return False
    parts = os.path.normpath(os.path.join(os.path.dirname(path), target)).split("/")
    return parts[0] != ".."


def scan(source: Path, patterns: Patterns) -> Tree:
    """Read the tree at `source`, a directory, or a file that is then the only one of its directory.

    Raises TreeError.
    """
    try:
        if not stat.S_ISDIR(source.stat().st_mode):
            return Tree(source.parent, files={source.name: FileStat.of(source.stat())})
        tree = Tree(source)
        status = source.stat()
        _read_folder(tree, "", patterns, ((status.st_dev, status.st_ino),))
    except OSError as error:
        raise TreeError(f"{error.filename or source} cannot be read: {error.strerror or error}.") from error
    return tree


def _read_folder(tree: Tree, folder: str, patterns: Patterns, above: tuple[tuple[int, int], ...]) -> None:
    """Add what lies in `folder` to the tree.

    `above` identifies the directories on the way here, to notice a circle of links.
    """
    with os.scandir(tree.root / folder) as entries:
        for entry in sorted(entries, key=lambda item: item.name):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name in OWN_NAMES or patterns.excluded(path):
                continue
            if entry.is_symlink() and stays_inside(path, target := os.readlink(entry.path)):
                if patterns.matches(path):
                    tree.links[path] = target
                continue
            status = _followed(entry)
            if stat.S_ISDIR(status.st_mode):
                identity = (status.st_dev, status.st_ino)
                if identity in above:
                    raise TreeError(f"The symbolic link {entry.path} leads back to a directory above it; exclude it.")
                if patterns.matches(path):
                    tree.folders.add(path)
                _read_folder(tree, path, patterns, (*above, identity))
            elif not patterns.matches(path):
                continue
            elif stat.S_ISREG(status.st_mode):
                tree.files[path] = FileStat.of(status)
            else:
                tree.special.append(path)


def _followed(entry: os.DirEntry[str]) -> os.stat_result:
    """Return the status of an entry, or of what it links to.

    :raises TreeError: for a link to nowhere.
    """
    try:
        return entry.stat()
    except FileNotFoundError:
        raise TreeError(
            f"The symbolic link {entry.path} leads to {os.readlink(entry.path)}, which is not there; exclude it."
        ) from None


class HashCache:
    """SHA-256 of files as they were last seen, kept in one file outside of the tree.

    Losing it costs time only, so that a cache directory that cannot be written is no error.
    """

    def __init__(self, root: Path, patterns: Patterns, directory: Path | None = None) -> None:
        base = directory or cache_directory() / "sha256"
        identity = os.fsencode(f"{root.absolute()}\0{patterns.include}\0{patterns.exclude}")
        self.path = base / (hashlib.sha256(identity).hexdigest()[:24] + ".json")
        self.known: dict[str, list[int | str]] = {}
        with contextlib.suppress(OSError, ValueError):
            loaded = json.loads(self.path.read_text(encoding="utf-8"))
            self.known = loaded if isinstance(loaded, dict) else {}

    def get(self, path: str, status: FileStat) -> str | None:
        """Return the hash of the file if it is still the same."""
        record = self.known.get(path)
        if record is None or record[:-1] != [status.size, status.mtime_ns, status.ctime_ns, status.inode]:
            return None
        return str(record[-1])

    def keep(self, hashes: dict[str, str], files: dict[str, FileStat], seen_ns: int) -> None:
        """Remember the hashes of `files`, which were read at `seen_ns` (nanoseconds since 1970) or later."""
        oldest = seen_ns - int(SETTLED_SECONDS * 1e9)
        fresh: dict[str, list[int | str]] = {
            path: [status.size, status.mtime_ns, status.ctime_ns, status.inode, hashes[path]]
            for path, status in files.items()
            if path in hashes and max(status.mtime_ns, status.ctime_ns) < oldest
        }
        if fresh != self.known:
            self.known = fresh
            with contextlib.suppress(OSError):
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                replace_file(self.path, to_json(fresh))


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, lower-case hexadecimal."""
    with path.open("rb", buffering=0) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _batches(paths: Iterable[str], files: dict[str, FileStat]) -> Iterator[list[str]]:
    """Small files in groups, since handing one over costs more than hashing it; a large file alone."""
    batch: list[str] = []
    for path in paths:
        if files[path].size > 1 << 20:
            yield [path]
        else:
            batch.append(path)
        if len(batch) == HASH_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def hash_tree(
    tree: Tree, cache: HashCache | None = None, on_bytes: Callable[[int], None] | None = None
) -> dict[str, str]:
    """SHA-256 of every file of the tree by path, read by several threads, what the cache knows not read at all.

    `on_bytes` is told how many bytes were hashed, from any thread. Raises TreeError.
    """
    begun = time.time_ns()
    cached = {path: found for path, status in tree.files.items() if cache and (found := cache.get(path, status))}

    def work(batch: list[str]) -> dict[str, str]:
        hashes = {path: hash_file(tree.root / path) for path in batch}
        if on_bytes:
            on_bytes(sum(tree.files[path].size for path in batch))
        return hashes

    hashes = dict(cached)
    try:
        with ThreadPoolExecutor(HASH_THREADS) as pool:
            for part in pool.map(work, _batches((path for path in tree.files if path not in cached), tree.files)):
                hashes.update(part)
    except OSError as error:
        raise TreeError(f"{error.filename} cannot be read: {error.strerror}.") from error
    if cache:
        cache.keep(hashes, tree.files, begun)
    return hashes


def digest(tree: Tree, hashes: Mapping[str, str]) -> str:
    """SHA-256 of what a tree holds: names, contents, links and directories, whatever their times and modes."""
    lines = [("f", path, hashes[path]) for path in tree.files]
    lines += [("l", path, target) for path, target in tree.links.items()]
    lines += [("d", path, "") for path in tree.folders]
    # No name holds a NUL byte, so that no two trees give the same text.
    text = "".join(f"{kind}\0{path}\0{rest}\0" for kind, path, rest in sorted(lines))
    return hashlib.sha256(os.fsencode(text)).hexdigest()


def display_path(path: str) -> str:
    r"""Return a path as text that can be printed and written as JSON: bytes that are not UTF-8 become \xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
