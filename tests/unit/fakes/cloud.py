# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A provider without a wire, and a clock without time: for tests of everything above the drivers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.clock import Clock, PollInterval
from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import Offer, OfferQuery
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Account, Endpoint, Pod, PodRequest, StopCost
from ansible_collections.podyard.gpu.plugins.module_utils._pods.progress import Progress
from ansible_collections.podyard.gpu.plugins.module_utils._providers.base import Capabilities, Provider

RUN = "20260715_140000_1f2e"
IDENTITY = f"podyard-digits-{RUN}-0"
PREFIX = f"podyard-digits-{RUN}-"
IMAGE = "runpod/pytorch:1.0.2"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake run"
ENDPOINT = Endpoint("203.0.113.9", 34446)


class FakeTime:
    """Time that passes only by sleeping. ``slept`` holds every pause."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def clock(self) -> Clock:
        """A clock whose jitter is always the middle."""
        return Clock(monotonic=lambda: self.now, sleep=self.sleep, spread=lambda a, b: (a + b) / 2)

    def polls(self, interval: float | None = 5.0) -> PollInterval:
        return PollInterval(self.clock, interval)


class Lines(Progress):
    """Progress that is kept in ``said``."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


def offer(gpu: str = "RTX 4090", price: float | None = 0.69, **changes: Any) -> Offer:
    """An offer that can be had."""
    made = Offer("fake", gpu, f"NVIDIA {gpu}", 1, 24, price, "SECURE", availability="high", max_count=8)
    return replace(made, **changes)


def pod(pod_id: str = "p1", name: str = f"{IDENTITY}-1", **changes: Any) -> Pod:
    """A pod that runs."""
    made = Pod(
        provider="fake",
        id=pod_id,
        name=name,
        phase="running",
        raw_status="RUNNING",
        gpu="RTX 4090",
        gpu_id="NVIDIA RTX 4090",
        gpu_count=1,
        usd_per_hour=0.69,
        region="EU-RO-1",
        cloud="SECURE",
        image=IMAGE,
        endpoint=ENDPOINT,
        created_at="2026-07-15T14:00:00Z",
        started_at="2026-07-15T14:01:00Z",
        actions=("stop", "restart", "terminate"),
        disk_gb=20,
        ports=("22/tcp",),
        uptime=60.0,
    )
    return replace(made, **changes)


def request(name: str = f"{IDENTITY}-1", **changes: Any) -> PodRequest:
    """A request for one RTX 4090."""
    made = PodRequest(name=name, image=IMAGE, gpu="RTX 4090", gpu_id="NVIDIA RTX 4090", cloud="SECURE")
    return replace(made, **changes)


Answer = Any


class FakeCloud(Provider):
    """A provider in memory. ``pods`` is what exists.

    ``plan(verb, …)`` queues answers for the next calls of a verb: an exception is raised, a function is called with the
    argument, None means the normal behaviour, anything else is returned. ``calls`` holds all calls as (verb, argument).
    """

    name = "fake"
    capabilities = Capabilities(ssh_images=("",), because={"interruptible": "there are none"})
    usual_clouds = ("SECURE",)

    def __init__(self, *pods: Pod, offers: Iterable[Offer] = (offer(),)) -> None:
        self.pods: dict[str, Pod] = {each.id: each for each in pods}
        self.catalogue = list(offers)
        self.calls: list[tuple[str, Any]] = []
        self.planned: dict[str, list[Answer]] = defaultdict(list)
        self.lines: list[str] = []
        self.made = 0
        self.contract_price: float | None = 0.69

    def plan(self, verb: str, *answers: Answer) -> FakeCloud:
        self.planned[verb] += answers
        return self

    def count(self, verb: str) -> int:
        return sum(called == verb for called, _argument in self.calls)

    def _call(self, verb: str, argument: Any, normal: Callable[[], Any]) -> Any:
        self.calls.append((verb, argument))
        queue = self.planned[verb]
        answer = queue.pop(0) if queue else None
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            return answer(argument)
        return normal() if answer is None else answer

    def offers(self, query: OfferQuery) -> list[Offer]:
        return self._call("offers", query, lambda: list(self.catalogue))

    def check(self, request: PodRequest) -> None:
        self._call("check", request, lambda: None)

    def make(self, request: PodRequest) -> Pod:
        """The pod that a create makes."""
        self.made += 1
        env = dict(request.env)
        if request.public_keys:
            env["PUBLIC_KEY"] = "\n".join(request.public_keys)
        made = pod(
            f"n{self.made}",
            request.name,
            gpu=request.gpu,
            gpu_id=request.gpu_id,
            image=request.image,
            env=env,
            ports=request.ports,
            disk_gb=request.disk_gb,
            args=request.args,
            usd_per_hour=self.contract_price,
        )
        self.pods[made.id] = made
        return made

    def create(self, request: PodRequest) -> Pod:
        return self._call("create", request, lambda: self.make(request))

    def _get(self, pod_id: str) -> Pod:
        if pod_id not in self.pods:
            raise errors.NotFound(f"no pod {pod_id}", status=404)
        return self.pods[pod_id]

    def get_pod(self, pod_id: str) -> Pod:
        return self._call("get", pod_id, lambda: self._get(pod_id))

    def update(self, pod_id: str, changes: Mapping[str, Any]) -> Pod:
        def apply() -> Pod:
            known = {name: tuple(value) if name == "ports" else value for name, value in changes.items()}
            known.pop("volume_size_gb", None)
            self.pods[pod_id] = replace(self.pods[pod_id], **known)
            return self.pods[pod_id]

        return self._call("update", (pod_id, dict(changes)), apply)

    def _become(self, pod_id: str, **changes: Any) -> Pod:
        self.pods[pod_id] = replace(self._get(pod_id), **changes)
        return self.pods[pod_id]

    def start(self, pod_id: str) -> Pod:
        anew = {"phase": "running", "raw_status": "RUNNING", "endpoint": ENDPOINT, "started_at": "2026-07-15T15:00:00Z"}
        return self._call("start", pod_id, lambda: self._become(pod_id, **anew))

    def stop(self, pod_id: str) -> Pod:
        ended = {"phase": "stopped", "raw_status": "EXITED", "endpoint": None, "usd_per_hour": 0.0}
        return self._call("stop", pod_id, lambda: self._become(pod_id, **ended))

    def restart(self, pod_id: str) -> Pod:
        anew = {"started_at": "2026-07-15T15:00:00Z", "uptime": 1.0}
        return self._call("restart", pod_id, lambda: self._become(pod_id, **anew))

    def terminate(self, pod_id: str) -> bool:
        return self._call("terminate", pod_id, lambda: self.pods.pop(pod_id, None) is not None)

    def logs(self, pod_id: str, *, source: str = "container", tail: int = 500, deadline: float = 10.0) -> list[str]:
        return self._call("logs", (pod_id, source), lambda: list(self.lines))

    def account(self) -> Account:
        return self._call("account", None, lambda: Account(self.name, 10.0, 0.0))

    def end_command(self, pod_id: str) -> str:
        return f"fake end {pod_id}"

    def stop_cost(self, pod: Pod) -> StopCost:
        return StopCost("all", "nothing", 0.0)

    def list_pods(self) -> list[Pod]:
        return self._call("list", None, lambda: [*self.pods.values()])
