# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two providers in memory, and everything around the pods of one name there: for tests of the module pod."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import Rates
from ansible_collections.podyard.gpu.plugins.module_utils._pods.bad_hosts import BadHosts
from ansible_collections.podyard.gpu.plugins.module_utils._pods.context import PodContext
from ansible_collections.podyard.gpu.plugins.module_utils._pods.group import PodGroup
from ansible_collections.podyard.gpu.plugins.module_utils._pods.group_call import ProviderContext
from ansible_collections.podyard.gpu.plugins.module_utils._pods.group_find import GroupNames
from ansible_collections.podyard.gpu.plugins.module_utils._pods.readiness import Readiness
from ansible_collections.podyard.gpu.plugins.module_utils._pods.spec import PodSpec
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import (
    IDENTITY,
    IMAGE,
    KEY,
    FakeCloud,
    FakeTime,
    Lines,
    offer,
    pod,
)

PYTHON = "podyard:begin\npodyard:python=3.12.3 /usr/bin/python3\npodyard:end\n"
#: Verbs that change something.
WRITES = ("create", "update", "start", "stop", "restart", "terminate")
WANTED = PodSpec(image=IMAGE, gpus=("4090", "A40"), public_keys=(KEY,))


class Cloud(FakeCloud):
    """One of the two. Its machines have numbers when its offers have."""

    def __init__(self, name, *offers):
        self.name = name
        super().__init__(offers=[replace(each, provider=name) for each in offers])
        self.loading = True
        #: Of the pods that are made next: changes of what is made, by number.
        self.next: list[dict[str, object]] = []
        self.lock = threading.Lock()

    def make(self, request):
        with self.lock:
            made = super().make(replace(request, ports=request.ports or ("22/tcp",)))
            place = request.regions[0] if request.regions else made.region
            made = replace(made, provider=self.name, host=request.host, region=place)
            made = replace(made, **(self.next.pop(0) if self.next else {}))
            self.pods[made.id] = made
            return made

    def rates(self, offer, disk_gb, volume_gb):
        return Rates(offer.usd_per_hour, disk=0.1, loading=self.loading)

    def has(self, name, **changes):
        made = pod(f"{self.name}-{name}", name, provider=self.name, **changes)
        self.pods[made.id] = made
        return made


class World:
    """Two clouds and everything around them."""

    def __init__(self, tmp_path):
        self.time = FakeTime()
        self.progress = Lines()
        self.tmp_path = tmp_path
        self.one = Cloud("one", offer("RTX 4090", 0.69), offer("A40", 0.40))
        self.two = Cloud(
            "two",
            *(
                offer("RTX 4090", 0.30 + n / 100, cloud=None, region="SE", id=f"o{n}", host=f"m{n}", disk_gb=100)
                for n in range(3)
            ),
            offer("A40", 0.50, cloud=None, region="NO", id="o9", host="m9", disk_gb=100),
        )
        self.file = tmp_path / "bad-hosts.json"
        self.run_dir = None
        self.banner = lambda endpoint: (True, "SSH-2.0-x")
        self.fleet = None
        self.epoch = 1_800_000_000.0

    def run(self, argv):
        return (0, PYTHON, "") if argv[0] == "ssh" else (0, f"[h]:1 ssh-ed25519 {'A' * 8}\n", "")

    def look(self, endpoint):
        """What answers there; a test may say so late."""
        return self.banner(endpoint)

    def made(self, name=IDENTITY, count=None, check=False, unfit=(), wanted=None, timeouts=None, **options):
        wish = replace(WANTED, **(wanted or {}))
        sides = {}
        for cloud in (self.one, self.two):
            hosts = str(self.tmp_path / "known_hosts")
            ready = Readiness("ready", self.run, hosts, deadlines=timeouts or {}, read_banner=self.look)
            work = PodContext(cloud, self.time.polls(), self.progress, self.run_dir)
            reason = "It has none of that." if cloud.name in unfit else ""
            sides[cloud.name] = ProviderContext(work, lambda cloud=cloud: cloud, wish, ready, reason)
        bad = BadHosts(str(self.file), self.run_dir, now=lambda: self.epoch)
        self.fleet = PodGroup(GroupNames(name, count), sides, bad, check=check, **options)
        return self.fleet

    def ensure(self, state="present", **options):
        return self.made(**options).ensure(state)

    def fails(self, kind, words, state="present", **options):
        with pytest.raises(kind, match=words) as caught:
            self.ensure(state, **options)
        return caught.value

    def writes(self):
        return [verb for cloud in (self.one, self.two) for verb, _argument in cloud.calls if verb in WRITES]

    def forget(self):
        for cloud in (self.one, self.two):
            cloud.calls.clear()

    def living(self):
        return sorted(each.name for cloud in (self.one, self.two) for each in cloud.pods.values())

    def asked(self):
        """What was asked for, in order: provider, GPU, offer."""
        return [
            (cloud.name, request.gpu, request.offer_id)
            for cloud in (self.one, self.two)
            for verb, request in cloud.calls
            if verb == "create"
        ]

    def attempts(self, found):
        """Outcome or facts of a failure: provider, GPU, machine and what became of each try."""
        return [(each["provider"], each["gpu"], each["host"], each["outcome"]) for each in found]
