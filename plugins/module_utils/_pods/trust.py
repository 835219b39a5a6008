# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host keys of a pod that comes up may be trusted. Private to this collection."""

from __future__ import annotations

from dataclasses import dataclass, field

from .._core import errors
from .._core.clock import Clock
from .._core.pod import Endpoint, Pod
from .._providers.base import Provider
from . import host_keys
from .progress import Progress

#: Seconds between two looks into the log for the host keys: the log may trail the container by a moment.
LOG_LAG = 2.0


@dataclass
class Trust:
    """The host keys of a pod's address, learned once.

    :param keep: leave what is known of the address already; a container that was just made has new keys by right.
    """

    provider: Provider
    run: host_keys.Run
    known_hosts: str
    clock: Clock
    progress: Progress
    keep: bool
    _learned: tuple[Endpoint, str] | None = field(default=None, init=False)

    @property
    def mode(self) -> str | None:
        """How strictly the last address is checked; None before there was one."""
        return self._learned[1] if self._learned is not None else None

    def learn(self, pod: Pod, endpoint: Endpoint) -> host_keys.Verdict | str:
        """Learn the host keys of this address once; a text says why it must not be trusted (yet)."""
        if self._learned is not None and self._learned[0] == endpoint:
            return host_keys.Verdict(self._learned[1])
        offered = host_keys.scan(self.run, endpoint)
        verdict = host_keys.judge(offered, self._printed(pod))
        if offered and verdict.mode != host_keys.STRICT and self.provider.capabilities.prints_host_keys:
            self.clock.sleep(LOG_LAG)
            verdict = host_keys.judge(offered, self._printed(pod))
        if verdict.mode is None:
            return verdict.problem
        if verdict.mode == host_keys.STRICT or not self.keep:
            # What an earlier container had is forgotten.
            host_keys.write_known_hosts(self.known_hosts, verdict.lines)
        self._learned = (endpoint, verdict.mode)
        return verdict

    def _printed(self, pod: Pod) -> set[str]:
        """The fingerprints in the pod's log; empty when the log cannot be read, which a line of progress says."""
        if not (self.provider.capabilities.logs and self.provider.capabilities.prints_host_keys):
            return set()
        try:
            return host_keys.printed(self.provider.logs(pod.id, deadline=5.0))
        except errors.CloudError as error:
            self.progress.say(f"The host keys of {pod.label()} cannot be checked against its log: {error.message}")
            return set()
