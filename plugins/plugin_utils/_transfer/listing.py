# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what the scripts of a transfer print on a host: a directory's content, and hashes.

Who prints may be hostile, so that nothing is taken that has not exactly the form that the scripts give it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ansible.errors import AnsibleActionFail

from .foreign import ADVICE, Distrusted, checked_name, checked_sha256, checked_size, printable

# Names in one directory tree: ImageNet has 1.3 million, and more would fill the memory of this machine.
MOST_NAMES = 2_000_000
# For each of them: a line of the listing, a link's text, and twice a stamp and a hash; and a few facts.
_MOST_TOKENS = 6 * MOST_NAMES + 100
# Most processors of a host that hash at the same time; it says itself how many it has.
MOST_CORES = 256
LONGEST_PATH = 4096
# Type, type behind a link, bytes, time of content, time of status, and the path.
_HEAD = re.compile(r"(\S) (\S) (\S+) (\S+) (\S+) (.*)", re.DOTALL)
_STAMP = re.compile(r"@s (\S+) (\S+) (\S+) (.*)", re.DOTALL)
# Seconds since 1970, before it too.
_TIME = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,12})?", re.ASCII)


@dataclass(frozen=True)
class Entry:
    """One name on the host: ``kind`` f(ile), d(irectory), l(ink) or another letter of find.

    ``leads_to`` is the kind behind a link. ``stamp`` is size, change time of content and of status as the host prints
    them, or None when the host cannot say.
    """

    kind: str
    leads_to: str
    size: int
    stamp: str | None
    link: str


@dataclass
class RemoteTree:
    """A directory of the host. Paths are relative; bytes that are no UTF-8 are kept as surrogates.

    `known` has, for each file that was hashed before, its stamp then and its hash; `hashes` what was hashed just now,
    and `sizes` how many bytes were hashed, where the host told.
    """

    root: str
    exists: bool
    is_file: bool
    facts: dict[str, str]
    clean: bool
    entries: dict[str, Entry] = field(default_factory=dict)
    known: dict[str, tuple[str, str]] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def proved(self, path: str) -> str | None:
        """Return the hash of a file that is unchanged since it was hashed."""
        if path in self.hashes:
            return self.hashes[path]
        entry, record = self.entries.get(path), self.known.get(path)
        return record[1] if entry and record and entry.stamp == record[0] else None

    def size(self, path: str) -> int:
        """Bytes of a file, or of the one behind a link, as told last."""
        entry = self.entries.get(path)
        return self.sizes.get(path, entry.size if entry else 0)

    def hashed(self, tokens: Iterable[bytes]) -> None:
        """Take the hashes of files that a script has printed. Raises Distrusted."""
        for path, stamp, sha in records(tokens, strict=True):
            self.hashes[path] = sha
            if stamp:
                self.sizes[path] = int(stamp.split()[0])

    @property
    def cores(self) -> int:
        """Processors of the host, as far as it tells them."""
        text = self.facts.get("cores", "")
        return min(MOST_CORES, max(1, int(text))) if re.fullmatch("[0-9]{1,4}", text, re.ASCII) else 1

    @property
    def free_bytes(self) -> int | None:
        """Free space of a local file system; None on a network volume, whose figures are those of the whole cluster."""
        words = self.facts.get("df", "").split()
        if len(words) < 6 or any(mark in words[0] for mark in ":#"):
            return None
        return int(words[3]) * 1024 if re.fullmatch("[0-9]{1,16}", words[3], re.ASCII) else None


def text(raw: bytes) -> str:
    """Bytes of a host as text, with what is no UTF-8 kept as surrogates."""
    return os.fsdecode(raw)


def sections(output: bytes) -> dict[str, list[bytes]]:
    """Cut a script's output at its @names. Raises AnsibleActionFail for more than there can be of one tree."""
    if output.count(b"\0") > _MOST_TOKENS:
        raise _too_many()
    names = {b"@list", b"@known", b"@hash", b"@end"}
    found: dict[str, list[bytes]] = {"facts": []}
    current = found["facts"]
    tokens = iter(output.split(b"\0"))
    for token in tokens:
        if token in names:
            current = found.setdefault(token.decode()[1:], [])
            continue
        current.append(token)
        if current is found.get("list"):
            # The text of a link follows, which may be any.
            current.append(next(tokens, b""))
    return found


def _too_many() -> AnsibleActionFail:
    return AnsibleActionFail(
        f"The pod lists more than {MOST_NAMES:,} files and directories in one tree, which is more than can be compared "
        "here. Pack them into archives, or name a directory with fewer."
    )


def tree(told_parts: dict[str, list[bytes]], asked: str, clean: bool) -> RemoteTree:
    """Return the tree that the sections of a listing's answer describe.

    :raises Distrusted: for an answer that the script does not give.
    :raises AnsibleActionFail: for too much of it.
    """
    facts = dict(text(token).split("=", 1) for token in told_parts["facts"] if b"=" in token)
    made = RemoteTree(_root(facts, asked), "directory" in facts, "file" in facts, facts, clean)
    made.entries = entries(told_parts.get("list", []))
    made.known = {path: (stamp, sha) for path, stamp, sha in records(told_parts.get("known", [])) if stamp}
    made.hashed(told_parts.get("hash", []))
    return made


def _root(facts: dict[str, str], asked: str) -> str:
    """Where the directory is that was asked for: on the host, and for commands of the host only.

    It may be told under another name, since links lead to it.
    """
    root = facts.get("root", "")
    if not (root.startswith("/") and len(root) <= LONGEST_PATH and root.isprintable()):
        raise Distrusted(f"The pod says that '{printable(asked)}' is the directory '{printable(root)}'. {ADVICE}")
    return root


def entries(tokens: list[bytes]) -> dict[str, Entry]:
    """Return what a directory holds.

    :raises Distrusted: for an answer that the script does not give.
    :raises AnsibleActionFail: for too much of it.
    """
    found: dict[str, Entry] = {}
    if len(tokens) > 2 * MOST_NAMES:
        raise _too_many()
    for head, link in zip(tokens[0::2], tokens[1::2], strict=True):
        match = _HEAD.fullmatch(text(head))
        if match is None:
            raise Distrusted(f"The pod lists '{printable(text(head))}', which is no line of a listing. {ADVICE}")
        kind, leads_to, size, changed, status, path = match.groups()
        checked_name(path)
        stamp = f"{size} {changed} {status}" if changed != "0" else None
        entry = Entry(kind, leads_to, checked_size(size, path), stamp and _stamp(stamp, path), text(link))
        if found.setdefault(path, entry) != entry:
            raise Distrusted(f"The pod lists '{printable(path)}' twice, with different words. {ADVICE}")
    return found


def _stamp(stamp: str, path: str) -> str:
    size, *times = stamp.split(" ")
    checked_size(size, path)
    if not all(_TIME.fullmatch(each) for each in times):
        raise Distrusted(
            f"The pod says that '{printable(path)}' changed at '{printable(' and '.join(times))}'. {ADVICE}"
        )
    return stamp


def records(tokens: Iterable[bytes], *, strict: bool = False) -> Iterator[tuple[str, str | None, str]]:
    """Read the output of hash_list: (path, stamp or None, sha256).

    Tokens that were cut off are left out, since the memory of a host may hold some; with `strict` they are refused. No
    name is taken that is none.
    Raises Distrusted.
    """
    stamps: dict[str, str] = {}
    for token in tokens:
        words = text(token)
        if match := _STAMP.fullmatch(words):
            with contextlib.nullcontext() if strict else contextlib.suppress(Distrusted):
                stamps[match[4]] = _stamp(" ".join(match.groups()[:3]), match[4])
        elif len(token) > 66 and token[64:66] == b"  ":
            name = words[66:]
            path = checked_name(name.removeprefix("./"))
            yield path, stamps.get(name), checked_sha256(words[:64], path)
        elif token and strict:
            raise Distrusted(
                f"The pod answers '{printable(words)}' where the SHA-256 of a file was asked for. {ADVICE}"
            )
