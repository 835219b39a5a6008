# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything of a RunPod account that is no pod, opened with one key. Private to this collection."""

from __future__ import annotations

from typing import Any, Callable

from ..._http.session import ApiSession
from ..._resources.resource import GRACE, BillQuery, Polls, Shelf, Store
from . import billing
from .account import RESOURCES
from .account_keys import AccountKeys


class RunPodShelf(Shelf):
    """See Shelf."""

    def __init__(self, api_key: str, api_url: str, *, session: ApiSession | None = None) -> None:
        self._api = session or ApiSession("RunPod", api_url, api_key)

    def store(self, kind: str, *, polls: Polls | None = None, grace: float = GRACE) -> Store:
        """See Shelf."""
        return Store(self._api, RESOURCES[kind], RESOURCES, polls=polls, grace=grace)

    def keys(self, pod_id: str | None = None) -> AccountKeys:
        """See Shelf."""
        return AccountKeys(self._api)

    def bills(self, query: BillQuery) -> dict[str, Any]:
        """See Shelf."""
        return billing.bills(self._api, query)

    def tell(self, say: Callable[[str], None]) -> None:
        """See Shelf."""
        self._api.budget.tell = say
