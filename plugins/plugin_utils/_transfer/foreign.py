# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod says of its files, checked before it is believed: names, sizes, hashes.

A pod runs other people's code on other people's machines. Whatever it answers, nothing is written but what was asked
for, where it was asked for.
"""

from __future__ import annotations

import os
import re
from typing import Any

from .manifest import OWN_NAMES, TreeError

# Characters of a foreign text in a message; a name of a file has 255 bytes, a path 4096.
SHOWN = 300
# Of a file in bytes: 9 PB, more than any file system of a pod holds in one file.
_SIZE = re.compile(r"[0-9]{1,16}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Distrusted(TreeError):
    """An answer of a pod that no honest pod gives, with a sentence that says what it was."""


def checked_name(name: Any, what: str = "file") -> str:
    """Check the name that a pod gives to a file, relative to a directory: the only way in for each of them.

    :raises Distrusted: for one that leads, or could lead, to another place.
    """
    if not isinstance(name, str):
        raise Distrusted(f"The pod names a {what} that is no text: {printable(repr(name))}. {ADVICE}")
    parts = name.split("/")
    why = ""
    if not name:
        why = "it is empty"
    elif "\0" in name:
        why = "it holds a NUL byte"
    elif name.startswith("/"):
        why = "it is absolute"
    elif ".." in parts:
        why = "it leads out of the directory"
    elif "" in parts or "." in parts:
        why = "a part of it is empty or a dot"
    elif not OWN_NAMES.isdisjoint(parts):
        why = "it is one of the names that transfers use for themselves"
    elif not _encodable(name):
        why = "it cannot be the name of a file"
    if why:
        raise Distrusted(f"The pod names a {what} '{printable(name)}', which is refused: {why}. {ADVICE}")
    return name


ADVICE = "No file system gives such an answer by itself; do not trust this pod, and take nothing from it."


def _encodable(name: str) -> bool:
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def checked_size(text: str, name: str) -> int:
    """Check the size that a pod gives of a file, in bytes.

    :raises Distrusted: for one that no file has.
    """
    if not _SIZE.fullmatch(text):
        raise Distrusted(f"The pod says that '{printable(name)}' has '{printable(text)}' bytes. {ADVICE}")
    return int(text)


def checked_sha256(text: str, name: str) -> str:
    """Check the SHA-256 that a pod gives of a file.

    :raises Distrusted: for anything else.
    """
    if not _SHA256.fullmatch(text):
        raise Distrusted(f"The pod gives '{printable(text)}' as the SHA-256 of '{printable(name)}'. {ADVICE}")
    return text


def printable(text: str) -> str:
    """Return a foreign text for a message: short, on one line, and without anything that would steer a terminal."""
    raw = text[:SHOWN].encode("utf-8", "surrogateescape" if _encodable(text[:SHOWN]) else "backslashreplace")
    plain = raw.decode("utf-8", "backslashreplace")
    kept = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in plain)
    return f"{kept}…" if len(text) > SHOWN else kept
