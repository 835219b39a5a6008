# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of accounts in what would go to a pod: found by their values, whatever a file is called.

A pod is somebody else's machine, and with such a key pods can be rented. No message shows a key.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ...module_utils._core.errors import CloudError
from ...module_utils._providers import registry, settings
from .manifest import Tree

#: Shorter texts are no keys, and would be found in every other file.
SHORTEST = 8
#: A file is read in pieces of this size, each with the end of the one before it, longer than any key.
PIECE, OVERLAP = 1 << 20, 4096
#: A file with a mark of UTF-16 is text that somebody saved, and is read as a whole up to this size.
MOST_TEXT = 16 << 20
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: What somebody writes to give such a key, of whichever account: NAME=value in its many forms, but not $OTHER.
_GIVEN = re.compile(
    rb"(?P<name>%s)[\"'\]\s]{0,8}[=:]-?[\"'\s]{0,8}(?:[a-z]{2,4}_[A-Za-z0-9]{6,}|[A-Za-z0-9]{20,})"
    % b"|".join(name.encode() for name in registry.ACCOUNT_KEYS)
)


class AccountKeys:
    """The keys of all accounts that this user has here."""

    def __init__(self, keys: Mapping[str, Iterable[str]]) -> None:
        self._values = {
            value.strip(): provider
            for provider, values in keys.items()
            for value in values
            if len(value.strip()) >= SHORTEST
        }
        self._forms = {
            value.encode(encoding): provider
            for value, provider in self._values.items()
            for encoding in ("utf-8", "utf-16-le", "utf-16-be")
        }

    @classmethod
    def here(cls, environ: Mapping[str, str], files: Sequence[str] = ()) -> AccountKeys:
        """Those of the environment, of files of settings, and of the vendors' own tools."""
        named = [name for name in environ.get(settings.FILES_VARIABLE, "").split(os.pathsep) if name]
        try:
            full = {**environ, settings.FILES_VARIABLE: os.pathsep.join([*files, *named])}
            return cls(registry.every_key(full))
        except CloudError:
            # A file that was named and cannot be read: that is told where it is named.
            return cls(registry.every_key({**environ, settings.FILES_VARIABLE: ""}))

    def in_text(self, text: str) -> str | None:
        """Return which key a text holds, as the object of a sentence; None for no key."""
        return self._in_bytes(text.encode("utf-8", "surrogateescape"))

    def in_file(self, path: Path) -> str | None:
        """Return the same of a file. What cannot be read here is not sent either."""
        try:
            with path.open("rb", buffering=0) as stream:
                before = b""
                while piece := stream.read(PIECE):
                    if not before and piece.startswith(_MARKS):
                        whole = piece + (stream.read(MOST_TEXT) or b"")
                        return self.in_text(whole.decode("utf-16", "replace"))
                    found = self._in_bytes(before + piece)
                    if found is not None:
                        return found
                    before = piece[-OVERLAP:]
        except OSError:
            return None
        return None

    def _in_bytes(self, data: bytes) -> str | None:
        for form, provider in self._forms.items():
            if form in data:
                return f"the key of your account at {provider}"
        if any(name.encode() in data for name in registry.ACCOUNT_KEYS):
            found = _GIVEN.search(data)
            if found:
                return f"what is given as {found['name'].decode()}"
        return None

    def in_tree(
        self, tree: Tree, most_bytes: int | None = None, most_files: int | None = None
    ) -> Iterator[tuple[str, str]]:
        """Yield the files of a tree that hold a key: path and what it holds.

        :param most_bytes: larger files are not read.
        :param most_files: at most so many are read, in the order of their names.
        """
        paths = [path for path, status in tree.files.items() if most_bytes is None or status.size <= most_bytes]
        for path in paths[:most_files]:
            found = self.in_file(tree.root / path)
            if found is not None:
                yield path, found
