# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pod as a user wants it, what of that can be known to be wrong, and the names in it made ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._core.errors import BadRequest
from .._core.offer import ORDER, PREFERENCE, Offer, OfferQuery
from .._core.places import holds
from .._core.pod import ADDRESSED, SSH_PORT, STAGES, Cpu, Mount, Pod, PodRequest, Reference
from .._core.public_keys import public_key_problem
from .._providers.base import NETWORK_VOLUME, REGISTRY, TEMPLATE, Provider
from .bootstrap import AUTO

#: GB of container disk by default: official images unpack elsewhere, so this is room for packages and caches.
DISK_GB = 20
CLOUDS = ("SECURE",)
PORTS = (SSH_PORT,)
MOUNT_PATH = "/workspace"


@dataclass(frozen=True)
class PodSpec:
    """One pod as a user asks for it.

    None means "not given": a default then holds for a new pod, and nothing is compared. ``template_id``, ``registry``
    and the id of ``network_volume`` may be names until ``resolve`` has made ids of them; an empty ``registry`` means
    that there must be none. ``for_new`` holds fields that count for a new pod only. ``template`` is what the template
    says, once it was read; ``apply_template`` holds an existing pod against it. ``any_cloud`` says that the provider
    has no kinds of hosts; ``filters`` and ``extra`` are in the words of one provider. ``lease`` is hours. ``places``
    are data centres and countries of any provider, for ``regions``, which the user's module calls ``regions_option``.
    """

    name: str | None = None
    id: str | None = None
    image: str | None = None
    gpus: tuple[str, ...] = ()
    gpu_count: int | None = None
    clouds: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    regions_option: str = "data_centers"
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
    template_ports: tuple[str, ...] | None = None
    template: Reference | None = None
    apply_template: bool = False
    max_price: float | None = None
    allow_reset: bool = False
    prefer: str = ORDER
    cpu: Cpu | None = None
    min_ram_per_gpu: int | None = None
    min_vcpu_count_per_gpu: int | None = None
    global_networking: bool | None = None
    locked: bool | None = None
    start_ssh: bool | None = None
    start_jupyter: bool | None = None
    bootstrap: str = AUTO
    any_cloud: bool = False
    bid: float | None = None
    hours: float | None = None
    lease: float | None = None
    interruptible: bool | None = None
    min_gpu_memory: float | None = None
    min_compute_capability: float | None = None
    min_ram_gb: float | None = None
    min_vcpus: float | None = None
    rank_by: str = PREFERENCE
    places: tuple[str, ...] | None = None
    filters: Mapping[str, Any] = field(default_factory=dict)
    onstart: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    for_new: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def completed(self) -> PodSpec:
        """With what settings of the environment say of a new pod."""
        return replace(self, for_new={}, **self.for_new)

    def query(self) -> OfferQuery:
        """Return what to look for in the market."""
        return OfferQuery(
            gpus=self.gpus,
            gpu_count=self.gpu_count or 1,
            clouds=() if self.any_cloud else self.clouds or (),
            regions=self.regions or self.places or (),
            min_cuda_version=self.min_cuda_version,
            cuda_versions=self.cuda_versions,
            max_price=self.max_price,
            cpu=self.cpu,
            prefer=self.prefer,
            global_networking=bool(self.global_networking),
            disk_gb=self.disk_gb or DISK_GB,
            port_count=len(self.opened() or PORTS),
            bid=self.bid,
            hours=self.hours,
            filters=self.filters,
            interruptible=bool(self.interruptible),
            min_gpu_memory=self.min_gpu_memory,
            min_compute_capability=self.min_compute_capability,
            min_ram_gb=self.min_ram_gb,
            min_vcpus=self.min_vcpus,
            rank_by=self.rank_by,
        )

    def opened(self) -> tuple[str, ...] | None:
        """Return the ports of a new pod; None when a template decides and is not read yet."""
        if self.ports is not None:
            return self.ports
        return self.template_ports if self.template_id else PORTS

    def request(self, offer: Offer | None, name: str) -> PodRequest:
        """Return the pod to rent on this offer under this name; without an offer what is known before there are any."""
        regions = (offer.region,) if offer is not None and offer.region else self.regions or ()
        count = self.gpu_count if self.gpu_count is not None else 1
        disk = self.disk_gb if self.disk_gb is not None or self.template_id else DISK_GB
        return PodRequest(
            name=name,
            image=self.image,
            gpu=offer.gpu if offer is not None else "",
            gpu_id=offer.gpu_id if offer is not None else "",
            gpu_count=0 if self.cpu is not None else count,
            cloud=offer.cloud if offer is not None else None,
            regions=tuple(region.upper() for region in regions),
            min_cuda_version=self.min_cuda_version,
            cuda_versions=self.cuda_versions,
            disk_gb=disk,
            volume=_mounted(self.volume),
            network_volume=_mounted(self.network_volume),
            ports=self.ports if self.ports is not None or self.template_id else PORTS,
            env=dict(self.env or {}),
            public_keys=self.public_keys,
            registry=self.registry or None,
            args=self.args or None,
            template_id=self.template_id,
            cpu=self.cpu,
            min_ram_per_gpu=self.min_ram_per_gpu,
            min_vcpu_count_per_gpu=self.min_vcpu_count_per_gpu,
            global_networking=bool(self.global_networking),
            start_ssh=self.start_ssh is not False,
            start_jupyter=bool(self.start_jupyter),
            offer_id=offer.id if offer is not None else None,
            host=offer.host if offer is not None else None,
            bid=self.bid if self.bid is not None or offer is None or not self.interruptible else offer.min_bid,
            # Ours goes with every create, and would take the place of the template's.
            onstart=self.onstart or (self.template.onstart if self.template is not None else None) or None,
            extra=self.extra,
        )


def _mounted(mount: Mount | None) -> Mount | None:
    """Return the mount with the path of a new pod where none was given."""
    return replace(mount, path=mount.path or MOUNT_PATH) if mount is not None else None


def refuse_impossible(wanted: PodSpec) -> None:
    """Refuse options that exclude each other at any provider, and keys that are none.

    An existing pod would ignore them silently, and its next one be out of reach.

    :raises BadRequest: with one sentence.
    """
    refuse_no_keys(wanted)
    exclusive = [
        ("gpus", bool(wanted.gpus), "cpu", wanted.cpu is not None, "a pod has GPUs or is a CPU pod"),
        ("gpu_count", wanted.gpu_count is not None, "cpu", wanted.cpu is not None, "a CPU pod has no GPU"),
        (
            "volume",
            wanted.volume is not None,
            "network_volume",
            wanted.network_volume is not None,
            "a pod has one of them, for the network volume takes the place of the disk",
        ),
        (
            "min_cuda_version",
            wanted.min_cuda_version is not None,
            "cuda_versions",
            bool(wanted.cuda_versions),
            "a least version and a list of exact ones exclude each other",
        ),
    ]
    for one, given, other, also, why in exclusive:
        if given and also:
            raise BadRequest(
                f"The options {one} and {other} were both given for the pod {wanted.name or wanted.id}: {why}. "
                "Leave one of them out. Nothing was rented or changed."
            )
    if wanted.apply_template and not wanted.template_id and "template_id" not in wanted.for_new:
        raise BadRequest(
            f"The option apply_template is always for the pod {wanted.name or wanted.id}, and no template was named: "
            "name it (option template), or leave apply_template out. Nothing was rented or changed."
        )


def refuse_no_keys(wanted: PodSpec) -> None:
    """Refuse texts that are not public keys. :raises BadRequest: with one sentence, which repeats no private key."""
    wrong = public_key_problem(wanted.public_keys)
    if wrong is not None:
        name = wanted.name or wanted.id
        raise BadRequest(f"Nothing was rented or changed{f' for the pod {name}' if name else ''}: {wrong}")


def refuse_unreachable(wanted: PodSpec, target: str) -> None:
    """Refuse to wait beyond the address without port 22 and a key, before the money is spent.

    :param target: the stage to wait for.
    :raises BadRequest: when one is missing.
    """
    stage = STAGES.index(target)
    ports = wanted.opened()
    if stage >= STAGES.index(ADDRESSED) and ports is not None and SSH_PORT not in ports:
        whose = (
            f" (the template {wanted.template_id} opens {', '.join(ports) or 'none'})" if wanted.ports is None else ""
        )
        raise BadRequest(
            f"The pod {wanted.name} was not rented: without {SSH_PORT} in ports{whose} it never gets an address "
            f"for SSH, and the wait is for the stage {target}. Add the port, or wait for the stage running only."
        )
    keys = wanted.public_keys or str((wanted.env or {}).get("PUBLIC_KEY") or "").strip()
    if stage > STAGES.index(ADDRESSED) and not keys:
        raise BadRequest(
            f"The pod {wanted.name} was not rented: without a public key (option public_keys) its SSH server would let "
            f"nobody in, or not even start, and the wait is for the stage {target}."
        )


def resolve(wanted: PodSpec, provider: Provider, pod: Pod | None = None) -> PodSpec:
    """Names of templates, network volumes and registries as ids; for a new pod also the place of its volume.

    :param pod: the pod that is there: what it shows to be as wanted is not asked for, and its template is the past,
        unless it is to be applied again.
    :raises BadRequest: for a name that means nothing or several things, and for a volume that is elsewhere.
    """
    if wanted.registry and (pod is None or pod.registry != wanted.registry):
        wanted = replace(wanted, registry=provider.find(REGISTRY, wanted.registry).id)
    mount = wanted.network_volume
    if mount is not None and mount.volume_id and not _attached(pod, mount.volume_id):
        volume = provider.find(NETWORK_VOLUME, mount.volume_id)
        wanted = replace(wanted, network_volume=replace(mount, volume_id=volume.id))
        if pod is None and volume.filters:
            wanted = replace(wanted, filters={**volume.filters, **wanted.filters})
        if pod is None and volume.region:
            regions = [region.upper() for region in wanted.regions or ()]
            if wanted.places and not holds(wanted.places, volume.region):
                raise BadRequest(
                    f"The pod {wanted.name} was not rented: the network volume {volume.label()} (option "
                    f"network_volume) is in {volume.region}, and the option regions allows "
                    f"{', '.join(wanted.places)} only. Leave regions out, or name a volume that is there."
                )
            if regions and volume.region.upper() not in regions:
                raise BadRequest(
                    f"The pod {wanted.name} was not rented: the network volume {volume.label()} (option "
                    f"network_volume) is in {volume.region}, and the option {wanted.regions_option} allows "
                    f"{', '.join(regions)} only. A volume can be used in its own data centre only: leave "
                    f"{wanted.regions_option} out, or name a volume that is there."
                )
            wanted = replace(wanted, regions=(volume.region,))
    told = pod is not None and (pod.template is not None or provider.capabilities.shows_template)
    if wanted.template_id and pod is not None and told and pod.template != wanted.template_id:
        wanted = replace(wanted, template_id=provider.find(TEMPLATE, wanted.template_id).id)
    if wanted.template_id and (pod is None or wanted.apply_template):
        template = provider.find(TEMPLATE, wanted.template_id)
        wanted = replace(wanted, template_id=template.id, template_ports=template.ports, template=template)
    return wanted


def _attached(pod: Pod | None, volume_id: str) -> bool:
    return pod is not None and any(mount.volume_id == volume_id for mount in pod.mounts if mount.kind == "network")
