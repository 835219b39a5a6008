# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host keys of a pod that comes up may be trusted. Private to this collection."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.podyard.gpu.plugins.module_utils import _errors as errors
from ansible_collections.podyard.gpu.plugins.module_utils import _hostkeys
from ansible_collections.podyard.gpu.plugins.module_utils._pod import Endpoint, Pod
from ansible_collections.podyard.gpu.plugins.module_utils._progress import Progress
from ansible_collections.podyard.gpu.plugins.module_utils._provider import Provider
from ansible_collections.podyard.gpu.plugins.module_utils._wait import Clock

#: Seconds between two looks into the log for the host keys: the log may trail the container by a moment.
LOG_LAG = 2.0


@dataclass
class Trust:
    """The host keys of a pod's address, learned once.

    :param keep: leave what is known of the address already; a container that was just made has new keys by right.
    """

    provider: Provider
    run: _hostkeys.Run
    known_hosts: str
    clock: Clock
    progress: Progress
    keep: bool
    _learned: tuple[Endpoint, str] | None = field(default=None, init=False)

    @property
    def mode(self) -> str | None:
        """How strictly the last address is checked; None before there was one."""
        return self._learned[1] if self._learned is not None else None

    def learn(self, pod: Pod, endpoint: Endpoint) -> _hostkeys.Verdict | str:
        """Learn the host keys of this address once; a text says why it must not be trusted (yet)."""
        if self._learned is not None and self._learned[0] == endpoint:
            return _hostkeys.Verdict(self._learned[1])
        offered = _hostkeys.scan(self.run, endpoint)
        verdict = _hostkeys.judge(offered, self._printed(pod))
        if offered and verdict.mode != _hostkeys.STRICT and self.provider.capabilities.prints_host_keys:
            self.clock.sleep(LOG_LAG)
            verdict = _hostkeys.judge(offered, self._printed(pod))
        if verdict.mode is None:
            return verdict.problem
        if verdict.mode == _hostkeys.STRICT or not self.keep:
            # What an earlier container had is forgotten.
            _hostkeys.write_known_hosts(self.known_hosts, verdict.lines)
        self._learned = (endpoint, verdict.mode)
        return verdict

    def _printed(self, pod: Pod) -> set[str]:
        """The fingerprints in the pod's log; empty when the log cannot be read, which a line of progress says."""
        if not (self.provider.capabilities.logs and self.provider.capabilities.prints_host_keys):
            return set()
        try:
            return _hostkeys.printed(self.provider.logs(pod.id, deadline=5.0))
        except errors.CloudError as error:
            self.progress.say(f"The host keys of {pod.label()} cannot be checked against its log: {error.message}")
            return set()
