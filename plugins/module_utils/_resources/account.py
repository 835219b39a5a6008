# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which account it is, and what it holds beside pods that is no resource of its own."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Sequence

from .._http.shared_file import SharedFile


class SshKeyList(abc.ABC):
    """The SSH public keys of an account where they are one list, one line of type, blob and comment each."""

    @abc.abstractmethod
    def read(self) -> list[str]:
        """Every entry."""

    @abc.abstractmethod
    def write(self, lines: Sequence[str]) -> None:
        """Replace the whole list, by one request that is never repeated.

        :raises RateLimited, Unreachable: when nothing was done. :raises Ambiguous: when it may have been.
        """


class EnvVarStore(abc.ABC):
    """Variables of the account, which get into every pod that is rented later."""

    @abc.abstractmethod
    def read(self) -> dict[str, str | None]:
        """Every variable; its value is None where the service does not show it."""

    @abc.abstractmethod
    def write(self, name: str, value: str, known: bool) -> None:
        """Set one; ``known`` says that there is one of this name."""

    @abc.abstractmethod
    def delete(self, name: str) -> None:
        """Take one away."""


def key_hash(provider: str, key: str) -> str:
    """Return a word for one key, from which it cannot be read; the same on every machine."""
    return hashlib.sha256(f"podyard key\0{provider}\0{key}".encode()).hexdigest()[:24]


def account_at(found: str | None, base_url: str, usual: str) -> str | None:
    """Return an account's id, with the address of a service that is not the usual one, where ids may repeat."""
    return found if found is None or base_url == usual else f"{found}@{base_url.partition('://')[2]}"


def noted_account(mark: str | None) -> str | None:
    """Return the id of the account at this mark, if a process of this machine has read it."""
    found = SharedFile(f"account-{mark}").read().get("id") if mark is not None else None
    return found if isinstance(found, str) and found else None


def note_account(mark: str | None, found: str | None) -> None:
    """Leave an account's id for other processes: who rents and who gives back need not ask for it."""
    if mark is not None and found and noted_account(mark) != found:
        SharedFile(f"account-{mark}").write({"id": found})
