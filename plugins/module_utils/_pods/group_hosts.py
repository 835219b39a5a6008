# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host keys of several pods in one file, though each is waited for by itself. Private to this collection."""

from __future__ import annotations

import contextlib
import os
import threading

from . import host_keys


class KnownHosts:
    """Files of their own for as long as pods are waited for: what is learned of one replaces what its file holds."""

    def __init__(self, several: bool) -> None:
        self._several = several
        self._own: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def own(self, path: str, name: str, keep: bool) -> str:
        """The file of one pod; ``keep`` says that it is an older one, whose key may be known already."""
        if not self._several:
            return path
        mine = f"{path}.{name}"
        with self._lock:
            self._own.setdefault(path, []).append(mine)
            if keep:
                host_keys.merge_known_hosts(mine, [path])
        return mine

    def merge(self) -> None:
        """Everything into the one file."""
        for path, others in self._own.items():
            if any(map(os.path.exists, others)):
                host_keys.merge_known_hosts(path, others)
            for other in others:
                with contextlib.suppress(OSError):
                    os.unlink(other)
        self._own = {}
