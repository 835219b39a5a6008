# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that our driver can send, with all that it can put into it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from stand_in import IMAGE, Api, until

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._core.offer import OfferQuery
from ansible_collections.podyard.gpu.plugins.module_utils._core.pod import Cpu, Mount, PodRequest
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod.account import KINDS as BILLS
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod.account import RunPodAccount
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod.provider import RunPod
from ansible_collections.podyard.gpu.plugins.module_utils._resources.reconcile import ensure
from ansible_collections.podyard.gpu.plugins.module_utils._resources.resource import BillQuery, ResourceSpec

GPU = "NVIDIA GeForce RTX 4090"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEqMdNDkPqKOLzmoxtuAYCfQJ3M5+Wbh4yZ0rRzYkDxj ours"
_names = itertools.count(1)


def request(**changes: Any) -> PodRequest:
    """A pod to rent."""
    return PodRequest(**{"name": f"ours {next(_names)}", "image": IMAGE, "gpu_id": GPU, "gpu": "RTX 4090", **changes})


def use_everything(api: Api, key: str, place: str) -> None:
    """Call all that the driver has, with all its options.

    :param place: a data centre with network volumes and the GPU.
    """
    driver, account = RunPod(key, api.url, quiet=0.2), RunPodAccount(key, api.url)
    _look(driver)
    _keys_and_bills(account)
    volume, template, registry = _resources(account, place)
    for reference in (volume, template, registry):
        driver.find(*reference)
    with pytest.raises(errors.BadRequest):
        driver.find("template", "none")
    _rent(driver, place, volume[1], template[1], registry[1])
    _change(api, driver)
    _clear(account)


def _look(driver: RunPod) -> None:
    clouds = ("SECURE", "COMMUNITY")
    driver.offers(OfferQuery(gpu_count=2, clouds=clouds, regions=("eu-ro-1",), min_cuda_version="12.4"))
    driver.offers(OfferQuery(cuda_versions=("12.8", "12.6")))
    driver.offers(OfferQuery(countries=("FR", "DE"), min_cuda_version="12.4"))
    driver.near_offers(OfferQuery(regions=("EU-RO-1",), min_cuda_version="12.4", clouds=("SECURE",)))
    driver.offers(OfferQuery(cpu=Cpu("cpu3c", 2)))
    driver.account()


def _keys_and_bills(account: RunPodAccount) -> None:
    keys = account.keys()
    keys.write([KEY, *keys.read()])
    assert keys.read() == [KEY]
    for kind in BILLS:
        account.bills(BillQuery(kind, bucket="hour", last=3))
        account.bills(BillQuery(kind, start="2026-06-01", end="2026-06-02T12:00:00Z"))
    account.bills(BillQuery("pods", object_id="none"))
    account.bills(BillQuery("network_volumes", object_id="none"))


def _resources(account: RunPodAccount, place: str) -> tuple[tuple[str, str], ...]:
    """One of each kind, made with all fields and changed in all that can be; returns (kind, id)."""
    hub = ResourceSpec(name="our hub", values={"username": "u", "password": "p"})
    registry = ensure(account.store("registry"), hub, "present").after["id"]
    volume = ResourceSpec(name="our data", values={"size": 10, "data_center": place.lower(), "type": "STANDARD"})
    made = ensure(account.store("network_volume"), volume, "present").after["id"]
    ensure(
        account.store("network_volume"),
        ResourceSpec(id=made, name="our larger data", values={"size": 20}),
        "present",
    )
    full = {
        "image": IMAGE, "args": "sleep infinity", "disk": 30, "volume": {"size": 10, "path": "/workspace"},
        "ports": ["22/tcp", "8888/http"], "env": {"A": "b"}, "registry": "our hub", "start_ssh": True,
        "start_jupyter": True, "cuda_versions": ["12.8"], "category": "NVIDIA", "public": True, "serverless": False,
    }  # fmt: skip
    template = ensure(account.store("template"), ResourceSpec(name="our shop", values=full), "present").after["id"]
    other = {
        "image": "other/image:1", "args": "", "disk": 31, "volume": {"size": 20, "path": "/data"}, "ports": ["22/tcp"],
        "env": {}, "registry": "", "start_ssh": False, "start_jupyter": False, "cuda_versions": [], "category": "CPU",
        "public": False,
    }  # fmt: skip
    changed = ensure(
        account.store("template"), ResourceSpec(id=template, name="our other shop", values=other), "present"
    )
    assert len(changed.changes) > 8, changed
    for source in ("official", "verified", "community"):
        account.store("template").all(source)
    return ("network_volume", made), ("template", template), ("registry", registry)


def _clear(account: RunPodAccount) -> None:
    for kind in ("template", "network_volume", "registry"):
        store = account.store(kind)
        for each in store.all():
            ensure(store, ResourceSpec(id=str(each["id"])), "absent")
        assert store.all() == []


def _rent(driver: RunPod, place: str, volume: str, template: str, registry: str) -> None:
    """Every kind of create, each given back at once."""
    requests = [
        request(disk_gb=None, ports=None, start_ssh=False),
        request(
            gpu_count=2, cloud="COMMUNITY", min_cuda_version="12.4", min_ram_per_gpu=8, min_vcpu_count_per_gpu=2,
            volume=Mount("disk", "/workspace", size_gb=20), ports=("22/tcp", "8888/http"), env={"A": 'b"\n'},
            public_keys=(KEY,), registry=registry, args=driver.start_command(["/bin/sh", "-c"], ["sleep 1"]),
            start_jupyter=True,
        ),
        request(regions=(place.lower(),), cuda_versions=("12.8",), args=driver.start_command(None, ["sleep", "1"])),
        request(regions=(place,), network_volume=Mount("network", "/data", volume_id=volume)),
        request(image=None, disk_gb=None, ports=None, template_id=template),
        request(gpu_id="", gpu="", cpu=Cpu("cpu3c", 2)),
    ]  # fmt: skip
    rented = 0
    for one in requests:
        try:
            made = driver.create(one)
            if one.template_id:
                driver.update(made.id, {"template": template, "env": {"A": "b"}})
            driver.terminate(made.id)
            rented += 1
        except errors.NoCapacity:
            pass  # it was sent, and that is what counts here
    assert rented >= 4
    with pytest.raises(errors.CloudError):
        driver.create(request(gpu_id="NVIDIA H200", gpu_count=64))


def _change(api: Api, driver: RunPod) -> None:
    """One pod, changed in all that can be changed, through all its actions, to its end."""
    pod = driver.create(request(volume=Mount("disk", "/workspace", size_gb=20)))
    driver.update(pod.id, {"name": "ours renamed", "global_networking": True, "locked": True})
    driver.update(pod.id, {"locked": False})
    changes = {"image": IMAGE, "args": "", "disk_gb": 30, "ports": ("22/tcp",), "env": {"A": "b"}, "registry": None}
    driver.update(pod.id, changes)
    driver.update(pod.id, {"volume_size_gb": 30, "mount_path": "/data"})
    until(lambda: driver.get_pod(pod.id).phase, lambda phase: phase == "running")
    driver.logs(pod.id, tail=5, deadline=1.0)
    for act in (driver.restart, driver.stop, driver.start):
        act(pod.id)
        until(lambda: driver.get_pod(pod.id).phase, lambda phase: phase in ("running", "stopped"))
    more = [driver.create(request()) for _number in range(2)]
    api.fault("small-pages", size="1")
    assert len(driver.list_pods()) >= 3
    api.delete("/_sandbox/faults/small-pages")
    for each in (pod, *more):
        assert driver.terminate(each.id)
    assert not driver.terminate(pod.id)
