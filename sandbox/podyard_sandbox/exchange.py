# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of the request that is being answered, beside the request itself."""

from __future__ import annotations

import uuid
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Exchange:
    """One request and its answer.

    Attributes:
        id: for the x-request-id header.
        authenticated: whether the key was good, so that the answer carries the quota.
        empty_for: seconds for which the answer is to show the minute's quota as used up.
        only_pod: the one pod that the key is for, if it is a pod's own.
        mutation: what GraphQL was to change, by its name there.
        pod_id, name, fault: for the ledger: which pod it was about, and which fault struck.
    """

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    authenticated: bool = False
    empty_for: int | None = None
    only_pod: str | None = None
    mutation: str | None = None
    pod_id: str | None = None
    name: str | None = None
    fault: str | None = None


_current: ContextVar[Exchange] = ContextVar("exchange")


def begin() -> Exchange:
    """A request has come in."""
    exchange = Exchange()
    _current.set(exchange)
    return exchange


def current() -> Exchange:
    """The exchange of the request that this task answers."""
    return _current.get()
