# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account holds beside pods and is no resource of its own: keys and variables. Private to this collection."""

from __future__ import annotations

import abc
from collections.abc import Sequence


class KeyList(abc.ABC):
    """The SSH public keys of an account where they are one list, one line of type, blob and comment each."""

    @abc.abstractmethod
    def read(self) -> list[str]:
        """Every entry."""

    @abc.abstractmethod
    def write(self, lines: Sequence[str]) -> None:
        """Replace the whole list, by one request that is never repeated.

        :raises RateLimited, Unreachable: when nothing was done. :raises Ambiguous: when it may have been.
        """


class Variables(abc.ABC):
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
