# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identify an account, and read and write its SSH keys and environment variables."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Sequence

from .._http.shared_file import SharedFile


class SshKeyList(abc.ABC):
    """The SSH public keys of an account that holds them as one list; each line has type, blob and comment."""

    @abc.abstractmethod
    def read(self) -> list[str]:
        """Return every line."""

    @abc.abstractmethod
    def write(self, lines: Sequence[str]) -> None:
        """Replace the whole list with one request that is never repeated.

        :raises RateLimited, Unreachable: when nothing was written.
        :raises Ambiguous: when the list may have been written.
        """


class EnvVarStore(abc.ABC):
    """The variables of an account, which every pod rented later receives."""

    @abc.abstractmethod
    def read(self) -> dict[str, str | None]:
        """Return every variable by name, with the value None where the service does not show it."""

    @abc.abstractmethod
    def write(self, name: str, value: str, known: bool) -> None:
        """Set a variable; ``known`` says that the account has one of this name already."""

    @abc.abstractmethod
    def delete(self, name: str) -> None:
        """Delete a variable."""


def key_hash(provider: str, key: str) -> str:
    """Return a hash of an API key, from which the key cannot be read; it is the same on every machine."""
    return hashlib.sha256(f"podyard key\0{provider}\0{key}".encode()).hexdigest()[:24]


def account_at(found: str | None, base_url: str, usual: str) -> str | None:
    """Return an account's id, followed by the address when that is not the usual one.

    Another service, such as a sandbox, may give out the same ids.
    """
    return found if found is None or base_url == usual else f"{found}@{base_url.partition('://')[2]}"


def noted_account(mark: str | None) -> str | None:
    """Return the id of the account with this mark; None unless a process of this machine has noted it."""
    found = SharedFile(f"account-{mark}").read().get("id") if mark is not None else None
    return found if isinstance(found, str) and found else None


def note_account(mark: str | None, found: str | None) -> None:
    """Note an account's id for other processes, so that renting and ending pods need not request it."""
    if mark is not None and found and noted_account(mark) != found:
        SharedFile(f"account-{mark}").write({"id": found})
