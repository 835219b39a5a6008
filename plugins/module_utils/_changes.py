# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod is against what is wanted: which fields differ, which changes cost the container, and the diff to show.
Private to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.podyard.gpu.plugins.module_utils import _gpus, _pod
from ansible_collections.podyard.gpu.plugins.module_utils._errors import BadRequest, Conflict, TooExpensive
from ansible_collections.podyard.gpu.plugins.module_utils._market import over
from ansible_collections.podyard.gpu.plugins.module_utils._pod import Mount, Offer, OfferQuery, Pod, PodRequest, usd

#: GB of container disk when nobody says: official images unpack elsewhere, so this is room for packages and caches.
DISK_GB = 20
CLOUDS = ("SECURE",)
PORTS = (_pod.SSH_PORT,)
#: Environment variables that the service itself puts into a pod; whether it shows them again differs.
_INJECTED = frozenset({"PUBLIC_KEY", "JUPYTER_PASSWORD"})


@dataclass(frozen=True)
class Wanted:
    """One pod as a user wants it. None means "not given": a default then holds for a new pod, and nothing is
    compared.
    """

    name: str | None = None
    id: str | None = None
    image: str | None = None
    gpus: tuple[str, ...] = ()
    gpu_count: int | None = None
    clouds: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    min_cuda_version: str | None = None
    cuda_versions: tuple[str, ...] = ()
    disk_gb: int | None = None
    volume: Mount | None = None
    network_volume: Mount | None = None
    ports: tuple[str, ...] | None = None
    env: Mapping[str, str] | None = field(default=None, repr=False)
    public_keys: tuple[str, ...] = ()
    registry: str | None = None
    args: str | None = None
    template_id: str | None = None
    max_price: float | None = None
    allow_reset: bool = False

    def query(self) -> OfferQuery:
        """What to look for in the market."""
        return OfferQuery(
            gpus=self.gpus,
            gpu_count=self.gpu_count or 1,
            clouds=self.clouds or CLOUDS,
            regions=self.regions or (),
            min_cuda_version=self.min_cuda_version,
            cuda_versions=self.cuda_versions,
            max_price=self.max_price,
        )

    def request(self, offer: Offer, name: str) -> PodRequest:
        """The pod to rent on this offer under this name."""
        return PodRequest(
            name=name,
            image=self.image,
            gpu=offer.gpu,
            gpu_id=offer.gpu_id,
            gpu_count=offer.gpu_count,
            cloud=offer.cloud,
            regions=tuple(region.upper() for region in self.regions or ()),
            min_cuda_version=self.min_cuda_version,
            cuda_versions=self.cuda_versions,
            disk_gb=self.disk_gb if self.disk_gb is not None else DISK_GB,
            volume=self.volume,
            network_volume=self.network_volume,
            ports=self.ports if self.ports is not None else PORTS,
            env=dict(self.env or {}),
            public_keys=self.public_keys,
            registry=self.registry,
            args=self.args,
            template_id=self.template_id,
        )


@dataclass(frozen=True)
class Change:
    """One field that differs. ``field`` is a key of ``_provider.CHANGES``; ``value`` is what to send; ``resets`` says
    that the container is made anew and all outside its mounts is lost.
    """

    field: str
    before: Any
    value: Any
    resets: bool = True


def compare(pod: Pod, wanted: Wanted) -> list[Change]:
    """What has to be changed. Order of fields is that of the options.

    :raises Conflict: for a difference that no provider call can mend.
    :raises TooExpensive: when the pod costs more than the cap.
    """
    _refuse_unchangeable(pod, wanted)
    pairs: list[tuple[str, Any, Any]] = [
        ("name", pod.name, wanted.name if wanted.id else None),
        ("image", pod.image, wanted.image),
        ("args", pod.args or "", wanted.args),
        ("disk_gb", pod.disk_gb, wanted.disk_gb),
        ("registry", pod.registry, wanted.registry),
    ]
    changes = [
        Change(name, before, value, name != "name") for name, before, value in pairs if value not in (None, before)
    ]
    if wanted.ports is not None and set(wanted.ports) != set(pod.ports):
        changes.append(Change("ports", list(pod.ports), list(wanted.ports)))
    env = _wanted_env(pod, wanted)
    if env is not None:
        changes.append(Change("env", dict(pod.env), env))
    grown = _grown(pod, wanted)
    if grown is not None:
        changes.append(grown)
    return changes


def refuse_unreachable(wanted: Wanted, target: str) -> None:
    """A wait beyond the address can only succeed with port 22 and a key: seen before the money is spent.

    :param target: the stage to wait for.
    :raises BadRequest: when one is missing.
    """
    stage = _pod.STAGES.index(target)
    ports = wanted.ports if wanted.ports is not None else PORTS
    if stage >= _pod.STAGES.index(_pod.ADDRESSED) and _pod.SSH_PORT not in ports:
        raise BadRequest(
            f"The pod {wanted.name} was not rented: without {_pod.SSH_PORT} in ports it never gets an address for SSH, "
            f"and the wait is for the stage {target}. Add the port, or wait for the stage running only."
        )
    keys = wanted.public_keys or str((wanted.env or {}).get("PUBLIC_KEY") or "").strip()
    if stage > _pod.STAGES.index(_pod.ADDRESSED) and not keys:
        raise BadRequest(
            f"The pod {wanted.name} was not rented: without a public key (option public_keys) its image starts no SSH "
            f"server, and the wait is for the stage {target}."
        )


def _refuse_unchangeable(pod: Pod, wanted: Wanted) -> None:
    """GPU, count, cloud, place and the kind of storage are fixed when a pod is rented."""
    differing = []
    if wanted.gpus and pod.gpu_id and not any(_gpus.same(gpu, pod.gpu_id, pod.gpu) for gpu in wanted.gpus):
        differing.append(f"its GPU is {pod.gpu}, wanted is {' or '.join(wanted.gpus)}")
    if wanted.gpu_count is not None and pod.gpu_count not in (None, wanted.gpu_count):
        differing.append(f"it has {pod.gpu_count} GPUs, wanted are {wanted.gpu_count}")
    if wanted.clouds and pod.cloud and pod.cloud not in wanted.clouds:
        differing.append(f"it is in the cloud {pod.cloud}, wanted is {' or '.join(wanted.clouds)}")
    regions = [region.upper() for region in wanted.regions or ()]
    if regions and pod.region and pod.region.upper() not in regions:
        differing.append(f"it is in {pod.region}, wanted is {' or '.join(regions)}")
    network = {mount.volume_id for mount in pod.mounts if mount.kind == "network"}
    if wanted.network_volume is not None and wanted.network_volume.volume_id not in network:
        differing.append(f"the network volume {wanted.network_volume.volume_id} is not attached to it")
    if wanted.volume is not None and not any(mount.kind == "disk" for mount in pod.mounts):
        differing.append("it has no volume disk")
    if differing:
        raise Conflict(
            f"The pod {pod.label()} is not what is wanted, and that cannot be changed: {'; '.join(differing)}. "
            "End it first (state absent), or use another name."
        )
    if over(pod.usd_per_hour, wanted.max_price):
        raise TooExpensive(
            f"The pod {pod.label()} costs {usd(pod.usd_per_hour)} per hour, above the cap of {usd(wanted.max_price)}. "
            "It was left alone: end it (state absent) or raise the cap.",
            elsewhere="no",
        )


def _wanted_env(pod: Pod, wanted: Wanted) -> dict[str, str] | None:
    """The whole environment to send, or None when nothing differs. What the service adds by itself, and what a
    template
    brings along, is kept.
    """
    now = dict(pod.env)
    target = dict(wanted.env) if wanted.env is not None else dict(now)
    if wanted.public_keys and "PUBLIC_KEY" in now:
        target["PUBLIC_KEY"] = "\n".join(wanted.public_keys)
    for name, value in now.items():
        if name not in target and (name in _INJECTED or wanted.template_id):
            target[name] = value
    if target == now:
        return None
    if wanted.public_keys:
        target["PUBLIC_KEY"] = "\n".join(wanted.public_keys)
    return target


def _grown(pod: Pod, wanted: Wanted) -> Change | None:
    """The growth of the volume disk. :raises BadRequest: when it would have to shrink."""
    if wanted.volume is None or wanted.volume.size_gb is None:
        return None
    now = next((mount.size_gb for mount in pod.mounts if mount.kind == "disk"), None)
    if now is None or now == wanted.volume.size_gb:
        return None
    if wanted.volume.size_gb < now:
        raise BadRequest(
            f"The volume of the pod {pod.label()} has {now} GB and cannot shrink to {wanted.volume.size_gb} "
            "GB; it can only grow."
        )
    return Change("volume_size_gb", now, wanted.volume.size_gb, resets=False)


def managed(pod: Pod | None) -> dict[str, Any]:
    """The fields of a pod that are shown in a diff, with its price; of the environment and the start arguments only
    that
    they are set, for they may hold secrets. Empty when there is no pod.
    """
    if pod is None:
        return {}
    return {
        "name": pod.name,
        "phase": pod.phase,
        "image": pod.image,
        "gpu": pod.gpu,
        "gpu_count": pod.gpu_count,
        "cloud": pod.cloud,
        "region": pod.region,
        "disk_gb": pod.disk_gb,
        "mounts": [mount.to_result() for mount in pod.mounts],
        "ports": sorted(pod.ports),
        "registry": pod.registry,
        "args": "(set)" if pod.args else None,
        "env": dict.fromkeys(sorted(pod.env), "(set)"),
        "usd_per_hour": pod.usd_per_hour,
    }


def after(pod: Pod, changes: list[Change], phase: str | None = None) -> dict[str, Any]:
    """``managed`` of the pod as it will be."""
    shown = managed(pod)
    apply: dict[str, Callable[[Change], Any]] = {
        "args": lambda change: "(changed)" if change.value else None,
        "ports": lambda change: sorted(change.value),
        "env": lambda change: _env_after(change.before, change.value),
    }
    for change in changes:
        if change.field == "volume_size_gb":
            shown["mounts"] = [
                dict(mount, size_gb=change.value) if mount["kind"] == "disk" else mount for mount in shown["mounts"]
            ]
        else:
            shown[change.field] = apply.get(change.field, lambda changed: changed.value)(change)
    if phase is not None:
        shown["phase"] = phase
    return shown


def _env_after(before: Mapping[str, str], value: Mapping[str, str]) -> dict[str, str]:
    return {name: "(set)" if before.get(name) == value[name] else "(changed)" for name in sorted(value)}


def predicted(request: PodRequest, provider: str, offer: Offer) -> Pod:
    """The pod that this request would become, as far as that can be known: without id, address and times."""
    mounts = tuple(mount for mount in (request.volume, request.network_volume) if mount is not None)
    env = dict(request.env)
    if request.public_keys:
        env["PUBLIC_KEY"] = ""
    return Pod(
        provider=provider,
        id="",
        name=request.name,
        phase=_pod.PROVISIONING,
        gpu=request.gpu,
        gpu_id=request.gpu_id,
        gpu_count=request.gpu_count,
        usd_per_hour=offer.usd_per_hour,
        region=offer.region,
        cloud=request.cloud,
        image=request.image,
        disk_gb=request.disk_gb,
        ports=request.ports,
        mounts=mounts,
        args=request.args,
        registry=request.registry,
        env=env,
    )
