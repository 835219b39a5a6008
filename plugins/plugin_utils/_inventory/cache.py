# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was remembered of providers' answers for an inventory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, MutableMapping
from typing import Any

from ansible.errors import AnsibleError

#: Counts up when what is remembered changes its shape, so that an older answer is read again and not misread.
SCHEMA = 2
#: Each pod in the shape of ``Pod.to_result()``, which holds no environment.
Pods = list[dict[str, Any]]


class Memory:
    """Answers of providers that were remembered, each under its own key.

    A cache of Ansible holds them. It must keep them for ever: how old is too old is decided here, since an old answer
    is better than none when a provider fails.

    :param seconds: until an answer is too old to spare a question; 0 is never.
    """

    def __init__(self, cache: MutableMapping[str, Any], seconds: float, now: Callable[[], float] = time.time) -> None:
        self._cache = cache
        self._seconds = seconds
        self._now = now

    def fresh(self, key: str) -> Pods | None:
        """Return the pods of an answer that is not too old."""
        found = self.any(key)
        # One from the future comes from a clock that was set back: its age is unknown.
        return found[0] if found is not None and 0 <= found[1] < (self._seconds or math.inf) else None

    def any(self, key: str) -> tuple[Pods, float] | None:
        """Return the pods of an answer of any age, and its age in seconds."""
        try:
            entry = self._cache.get(key)
        except AnsibleError:  # a file that is garbled; the plugin of the cache has said so
            return None
        if not isinstance(entry, dict) or entry.get("schema") != SCHEMA:
            return None
        return entry["pods"], self._now() - entry["asked_at"]

    def keep(self, key: str, pods: Pods) -> None:
        """Remember an answer of this moment."""
        self._cache[key] = {"schema": SCHEMA, "asked_at": self._now(), "pods": pods}
