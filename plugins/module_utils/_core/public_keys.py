# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Public SSH keys: how they are recognised and compared, and their fingerprints."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable

_LINE = re.compile(r"(ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/]+=*([ \t].*)?")


def is_public_key(line: str) -> bool:
    """Return whether a line looks like one of a .pub file: type, key, comment. The key is not decoded."""
    return _LINE.fullmatch(line) is not None


def identity(line: str) -> tuple[str, str]:
    """Return the type and the blob of a key, by which two lines are the same key; what is no key is itself."""
    words = line.split()
    return (words[0], words[1]) if len(words) > 1 else (line, "")


def key_lines(text: str) -> list[str]:
    """Return the lines of a ``.pub`` or ``authorized_keys`` file that may be keys: no empty ones and no remarks."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def fingerprint(blob: str) -> str | None:
    """Compute ``SHA256:…`` as ``ssh-keygen -l`` prints it.

    :param blob: the second word of a public key's line, in base64.
    :returns: None when that is not valid base64.
    """
    try:
        digest = hashlib.sha256(base64.b64decode(blob.encode(), validate=True)).digest()
    except (binascii.Error, ValueError):
        return None
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def public_key_problem(lines: Iterable[str]) -> str | None:
    """Describe what is wrong with the option public_keys; None when each line is a public key."""
    wrong = next((line for line in lines if not is_public_key(line)), None)
    if wrong is None:
        return None
    # A message must not repeat any part of a private key.
    shown = "a private key" if "PRIVATE KEY" in wrong else repr(wrong[:30])
    return (
        f"the option public_keys has an entry that is not a public SSH key: {shown}. Give the content of a .pub file, "
        "not its path; it begins with the key's type, such as ssh-ed25519."
    )
