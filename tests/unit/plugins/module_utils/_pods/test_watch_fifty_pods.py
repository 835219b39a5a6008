# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One controller that follows fifty pods: fifty processes, each with a session of its own, in fake time."""

from __future__ import annotations

import heapq
import json
import random
from dataclasses import dataclass, replace

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors, pod
from ansible_collections.podyard.gpu.plugins.module_utils._core.clock import POLL_LEAST, POLL_MOST, PollInterval
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Pod
from ansible_collections.podyard.gpu.plugins.module_utils._http.session import ApiSession
from ansible_collections.podyard.gpu.plugins.module_utils._pods.watch import PodWatcher
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod.provider import RunPod
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeTime
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY
from ansible_collections.podyard.gpu.tests.unit.fakes.runpod import wire_examples

PODS = 50
#: Seconds that are followed, and the moment in them at which every pod begins to run.
LENGTH, TURN = 200.0, 100.0


@dataclass
class Answer:
    """What ``requests`` would return."""

    status_code: int
    content: bytes
    headers: dict[str, str]


class Service:
    """All pods, for every session: stands where ``requests.Session`` does. ``sent`` holds each request's moment.

    :param quota: requests a minute, told and enforced; None tells nothing.
    """

    def __init__(self, time: FakeTime, quota: int | None) -> None:
        self._time = time
        self._begun = time.now
        self._quota = quota
        self._used = 0
        self._window = 0.0
        self.sent: list[float] = []
        self.refused = 0

    def close(self) -> None:
        """There is no line to close."""

    def request(self, method: str, url: str, **_arguments: object) -> Answer:
        self.sent.append(self._time.now)
        self._time.now += 0.2
        headers: dict[str, str] = {}
        if self._quota is not None:
            minute, gone = divmod(self._time.now - self._begun, 60.0)
            self._used = self._used + 1 if minute == self._window else 1
            self._window = minute
            left = max(0, self._quota - self._used)
            headers = {
                "RateLimit": f'"minute";r={left};t={60 - int(gone)}',
                "RateLimit-Policy": f'"minute";q={self._quota};w=60',
            }
            if self._used > self._quota:
                self.refused += 1
                return Answer(429, b"{}", {**headers, "Retry-After": str(60 - int(gone))})
        status = "RUNNING" if self._time.now - self._begun >= TURN else "STARTING"
        pods = [wire_examples.pod(id=f"p{number}", name=f"n{number}", status=status) for number in range(PODS)]
        name = url.rsplit("/", 1)[-1]
        data = {"pods": pods} if name == "pods" else pods[int(name[1:])]
        return Answer(200, json.dumps(data).encode(), headers)


class Watcher:
    """One process that waits for one pod."""

    def __init__(self, number: int, time: FakeTime, service: Service, interval: float | None, shared: bool) -> None:
        self.jitter = random.Random(number)
        clock = replace(time.clock, spread=self.jitter.uniform)
        session = ApiSession("RunPod", "https://api.example.test", KEY, clock=clock)
        session._session = service
        self.provider = RunPod(KEY, "https://api.example.test", session=session)
        self.looks = PodWatcher(self.provider, clock) if shared else None
        self.time = time
        self.polls = PollInterval(clock, interval)
        self.pod = Pod("runpod", f"p{number}", f"n{number}", pod.STARTING)
        self.knew: float | None = None

    def look(self) -> float:
        """Look once; the seconds until the next look."""
        try:
            if self.looks is None:
                self.pod = self.provider.get_pod(self.pod.id)
            else:
                self.pod = self.looks.see(self.pod, since=self.time.now - self.polls.least)
        except errors.RateLimited:
            pass
        if self.knew is None and self.pod.phase == pod.RUNNING:
            self.knew = self.time.now
        return self.jitter.uniform(POLL_LEAST, POLL_MOST)


def follow(quota: int | None, shared: bool = True) -> tuple[Service, list[float], float]:
    """Follow all pods; the service, when each watcher knew that its pod runs, and when they began to."""
    time = FakeTime()
    service, begun = Service(time, quota), time.now
    watchers = [Watcher(number, time, service, None, shared) for number in range(PODS)]
    due = [(begun + number * 0.1, number) for number in range(PODS)]
    heapq.heapify(due)
    while due[0][0] < begun + LENGTH:
        moment, number = heapq.heappop(due)
        time.now = max(time.now, moment)
        seconds = watchers[number].look()
        heapq.heappush(due, (time.now + seconds, number))
    never = begun + LENGTH
    return service, [watcher.knew or never for watcher in watchers], begun + TURN


def busiest(sent: list[float]) -> int:
    """The most requests in any sixty seconds."""
    return max(sum(moment <= other < moment + 60.0 for other in sent) for moment in sent)


@pytest.mark.parametrize("quota", [None, 60, 6000])
def test_fifty_pods_are_followed_with_a_quarter_of_sixty_requests_a_minute(quota):
    service, knew, turned = follow(quota)
    assert busiest(service.sent) <= 15
    assert service.refused == 0
    # Nobody learns later than a watcher of its own would, and the age that one look may have.
    assert max(knew) - turned <= POLL_MOST + POLL_LEAST + 1.0


def test_a_small_quota_is_kept_too():
    service, knew, turned = follow(10)
    assert service.refused == 0
    assert max(knew) - turned <= 60.0


def test_without_shared_looks_the_budget_alone_holds_them_below_sixty():
    """What sharing is for: the quota is kept without it too, but who waits learns minutes late."""
    service, knew, turned = follow(None, shared=False)
    assert 40 <= busiest(service.sent) < 60
    assert max(knew) - turned > POLL_MOST + POLL_LEAST + 1.0
