# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH keys of a RunPod account: one list that is read and written as a whole. Private to this collection."""

from __future__ import annotations

from collections.abc import Sequence

from ..._http.session import ApiSession
from ..._resources.account import KeyList
from . import catalogue

PATH = "/v2/account/ssh-keys"


class AccountKeys(KeyList):
    """The account's keys, reached over an open session."""

    def __init__(self, api: ApiSession) -> None:
        self._api = api

    def read(self) -> list[str]:
        """See KeyList. Older entries may hold several lines."""
        data = self._api.request("GET", PATH, attempted="read the SSH keys of the account on RunPod").data
        lines = [line.strip() for entry in catalogue.entries(data, "keys") for line in str(entry).splitlines()]
        return [line for line in lines if line]

    def write(self, lines: Sequence[str]) -> None:
        """See KeyList. Never repeated: moments later the list would be an old one, and undo what others wrote."""
        attempted = "write the SSH keys of the account on RunPod"
        self._api.request("PUT", PATH, body={"keys": list(lines)}, attempted=attempted, like="PATCH", repeat=False)
