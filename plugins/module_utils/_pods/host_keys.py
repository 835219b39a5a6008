# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is it our pod that answers? Host keys, learned over the provider's authenticated channel. Private to this
collection.

Images and boot commands that print their host keys' fingerprints (as ``ssh-keygen -lf`` does) into the container's
log make it possible to know the keys before the first login: what ``ssh-keyscan`` reads from the address must be
among them. Addresses are handed from customer to customer, so this is what tells our pod from a stranger's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Callable

from .._core.errors import CloudError
from .._core.pod import Endpoint

STRICT = "strict"
ACCEPT_NEW = "accept-new"
#: Seconds that ssh-keyscan waits for each answer; the banner was read already, so this is round trips only.
SCAN_TIMEOUT = 5
#: ``256 SHA256:abc… root@pod (ED25519)``: the form of ``ssh-keygen -lf``. sshd's own log names login keys in another
#: form.
_PRINTED = re.compile(r"\b\d{3,5} (SHA256:[A-Za-z0-9+/]{43})=? .*\((?:RSA|DSA|ECDSA|ED25519)[^)]*\)")

Run = Callable[[Sequence[str]], "tuple[int, str, str]"]


@dataclass(frozen=True)
class HostKey:
    """A key as the address offered it: its ``known_hosts`` line and its fingerprint (``SHA256:…``)."""

    line: str
    fingerprint: str


def fingerprint(blob: str) -> str | None:
    """``SHA256:…`` of a key's base64 text, as OpenSSH writes it; None when that is no base64."""
    try:
        digest = hashlib.sha256(base64.b64decode(blob.encode(), validate=True)).digest()
    except (binascii.Error, ValueError):
        return None
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def printed(log: Iterable[str]) -> set[str]:
    """The fingerprints that the container printed into its log."""
    return {match[1] for line in log for match in _PRINTED.finditer(line)}


def scan(run: Run, endpoint: Endpoint) -> list[HostKey]:
    """The keys that the address offers now; empty when it offers none."""
    _status, out, _err = run(["ssh-keyscan", "-T", str(SCAN_TIMEOUT), "-p", str(endpoint.port), endpoint.host])
    keys = []
    for line in out.splitlines():
        parts = line.split()
        if len(parts) < 3 or line.startswith("#"):
            continue
        found = fingerprint(parts[2])
        if found is not None:
            keys.append(HostKey(" ".join(parts[:3]), found))
    return keys


@dataclass(frozen=True)
class Verdict:
    """What the comparison says. ``mode`` is STRICT or ACCEPT_NEW, None when the address must not be trusted (yet); then
    ``problem`` says why. ``lines`` belong into known_hosts."""

    mode: str | None
    lines: tuple[str, ...] = ()
    problem: str = ""


def judge(offered: Sequence[HostKey], known: set[str]) -> Verdict:
    """Compare what the address offers with what the pod printed.

    Nothing printed: the image does not say, so the first key seen is taken. Printed but not offered: a stranger,
    refused.
    """
    if not offered:
        return Verdict(None, problem="the address offered no host key")
    if not known:
        return Verdict(ACCEPT_NEW)
    lines = tuple(key.line for key in offered if key.fingerprint in known)
    if lines:
        return Verdict(STRICT, lines)
    shown = ", ".join(key.fingerprint for key in offered)
    return Verdict(
        None,
        problem=(
            f"the host keys offered there ({shown}) are not those that the pod printed into its log: "
            "another machine answers"
        ),
    )


def write_known_hosts(path: str, lines: Iterable[str]) -> None:
    """Replace the file at once, readable for its owner only.

    :raises CloudError: when it cannot be written.
    """
    directory = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".known_hosts", dir=directory)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
        os.replace(temporary, path)
    except OSError as error:
        raise CloudError(f"The known_hosts file {path} cannot be written: {error.strerror}.") from error


def merge_known_hosts(path: str, others: Iterable[str]) -> None:
    """Take the new lines of other known_hosts files into this one, in the place of what it says of their addresses.

    :raises CloudError: when it cannot be written.
    """
    known = _lines(path)
    kept = {_addressed(line): line for line in known}
    for other in others:
        found = [line for line in _lines(other) if line not in known]
        addresses = {line.split()[0] for line in found}
        kept = {key: line for key, line in kept.items() if key[0] not in addresses}
        kept.update({_addressed(line): line for line in found})
    write_known_hosts(path, kept.values())


def _addressed(line: str) -> tuple[str, str]:
    """Address and the rest: what a line is known by."""
    address, _dummy, rest = line.partition(" ")
    return address, rest


def _lines(path: str) -> list[str]:
    """The lines of a known_hosts file; none when there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [line.strip() for line in file if line.strip() and not line.startswith("#")]
    except OSError:
        return []
