# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a pod with what is wanted: which fields differ, which changes cost the container, and the diff to show.

A template is expanded first, for a pod that exists and for one that is to be rented.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable

from .._core import gpus, places
from .._core.errors import BadRequest, Conflict, TooExpensive
from .._core.offer import Offer
from .._core.pod import PROVISIONING, STOPPED, Mount, Pod, PodRequest, Reference
from .._core.units import usd, version
from .._market.search import over
from .._providers.base import Template
from . import bootstrap
from .spec import PodSpec

#: The settings of a container that a template holds, as fields of a change.
CONTAINER = ("image", "args", "disk_gb", "ports", "env", "registry")


def filled(wanted: PodSpec, pod: Pod) -> PodSpec:
    """With what the template says where the task says nothing, for a pod that is there. The variables are merged.

    What settings of the environment said when the pod was rented stays as it is: they won over the template then.
    """
    template = wanted.template
    if not wanted.apply_template or not isinstance(template, Template):
        return wanted
    variables = dict(template.env)
    if wanted.public_keys or "public_keys" in wanted.for_new:
        variables.pop("PUBLIC_KEY", None)
    says: dict[str, Any] = {
        "image": template.image,
        "args": template.args or "",
        "disk_gb": template.disk_gb,
        "ports": template.ports,
        "registry": template.registry or "",
        "volume": _volume(wanted, template, pod),
    }
    fields = {
        name: value for name, value in says.items() if getattr(wanted, name) is None and name not in wanted.for_new
    }
    return replace(wanted, **fields, env={**variables, **(wanted.env or {})})


def _volume(wanted: PodSpec, template: Template, pod: Pod) -> Mount | None:
    """Return the template's disk where the pod has one, too: it gets no other kind later. A larger one stays."""
    now = next((mount for mount in pod.mounts if mount.kind == "disk"), None)
    if now is None or template.volume is None or wanted.network_volume is not None:
        return None
    sizes = [size for size in (now.size_gb, template.volume.size_gb) if size is not None]
    return replace(template.volume, size_gb=max(sizes, default=None))


def sent(pod: Pod, wanted: PodSpec, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes as they are sent, with the template where it must be applied.

    Every field that differs is sent as such. The template goes with it for what only the provider can apply: the
    credentials by which another account's template pulls its image, which only its owner may name. Since it would also
    overwrite what the task says otherwise, that is sent beside it, and so is the whole environment.
    """
    values, template = dict(changes), wanted.template
    if not wanted.apply_template or not isinstance(template, Template) or not set(values) & set(CONTAINER):
        return values
    env = dict(pod.env)
    keys = wanted.public_keys or wanted.for_new.get("public_keys")
    if keys:
        env.setdefault("PUBLIC_KEY", "\n".join(keys))
    now = {
        "image": (pod.image, template.image),
        "args": (pod.args or "", template.args or ""),
        "disk_gb": (pod.disk_gb, template.disk_gb),
        "registry": (pod.registry, template.registry),
    }
    beside: dict[str, Any] = {name: value for name, (value, other) in now.items() if value != other}
    if set(pod.ports) != set(template.ports or ()):
        beside["ports"] = list(pod.ports)
    for name in list(beside):
        if name in values or (beside[name] is None and name != "registry"):
            del beside[name]
    if wanted.registry is None and values.get("registry") is not None:
        del values["registry"]
    return {"env": env, **beside, **values, "template": template.id}


def expanded(request: PodRequest, template: Reference | None) -> PodRequest:
    """Return the request as the provider will read it together with its template, to predict its result."""
    if template is None:
        return request
    request = replace(
        request,
        image=request.image or template.image,
        ports=request.ports if request.ports is not None else template.ports,
    )
    if not isinstance(template, Template):
        return request
    stored = request.volume or request.network_volume or request.cpu is not None
    return replace(
        request,
        args=request.args or template.args,
        disk_gb=request.disk_gb if request.disk_gb is not None else template.disk_gb,
        env={**template.env, **request.env},
        registry=request.registry or template.registry,
        volume=request.volume if stored else template.volume,
    )


#: Environment variables that the service itself puts into a pod; whether it shows them again differs.
_INJECTED = frozenset({"PUBLIC_KEY", "JUPYTER_PASSWORD"})


@dataclass(frozen=True)
class Change:
    """One field that differs.

    ``field`` is a key of ``base.CHANGES``; ``value`` is what to send; ``resets`` says that the container is
    replaced and everything outside its mounts is lost.
    """

    field: str
    before: Any
    value: Any
    resets: bool = True


def compare(pod: Pod, wanted: PodSpec) -> list[Change]:
    """Return what has to be changed, in the order of the options.

    :raises Conflict: for a difference that no provider call can mend.
    :raises TooExpensive: when the pod costs more than the cap.
    """
    wanted = filled(wanted, pod)
    _refuse_unchangeable(pod, wanted)
    registry = None if wanted.registry == "" else wanted.registry
    pairs: list[tuple[str, Any, Any, bool]] = [
        ("name", pod.name, wanted.name if wanted.id else None, False),
        ("image", pod.image, None if _same_image(pod.image, wanted.image) else wanted.image, True),
        ("args", pod.args or "", _new_command(pod, wanted), True),
        ("disk_gb", pod.disk_gb, wanted.disk_gb, True),
        ("global_networking", bool(pod.global_networking), wanted.global_networking, False),
        ("locked", pod.locked, wanted.locked, False),
        ("bid", pod.bid, wanted.bid, False),
        ("onstart", pod.onstart or "", wanted.onstart, True),
        ("template", pod.template, wanted.template_id if pod.template else None, True),
    ]
    changes = [
        Change(name, before, value, resets) for name, before, value, resets in pairs if value not in (None, before)
    ]
    if wanted.registry is not None and (pod.registry or None) != registry:
        changes.append(Change("registry", pod.registry, registry))
    if wanted.ports is not None and set(wanted.ports) != set(pod.ports):
        changes.append(Change("ports", list(pod.ports), list(wanted.ports)))
    env = _wanted_env(pod, wanted)
    if env is not None:
        changes.append(Change("env", dict(pod.env), env))
    return changes + _mount_changes(pod, wanted)


def _new_command(pod: Pod, wanted: PodSpec) -> str | None:
    """Return the start command to send, None when it stays. Ours, which sets up SSH, stays around it."""
    if _same_command(bootstrap.unwrap(pod.args), wanted.args) or wanted.args is None:
        return None
    return bootstrap.rewrap(pod.args, wanted.args) if bootstrap.is_wrapped(pod.args) else wanted.args


def _same_image(one: str | None, other: str | None) -> bool:
    """Return True for the same image; a tag that begins with @ lets the provider choose the true one."""
    name, _dummy, tag = (other or "").rpartition(":")
    return one == other or (tag.startswith("@") and (one or "").rpartition(":")[0] == name)


def _same_command(one: str, other: str | None) -> bool:
    """Return True for two spellings of the same start command: JSON whatever its blanks, or the same words."""
    if other is None or one == other:
        return True
    readings: list[Any] = []
    for text in (one, other):
        try:
            readings.append(json.loads(text))
        except ValueError:
            try:
                readings.append(shlex.split(text))
            except ValueError:
                readings.append(text)
    return bool(readings[0] == readings[1])


def losses(pod: Pod) -> str:
    """Say what is lost when the container is replaced, as the end of a sentence."""
    kept = [mount.path or "its volume" for mount in pod.mounts]
    return f"everything outside {' and '.join(kept)} is lost" if kept else "everything on its disk is lost"


def _refuse_unchangeable(pod: Pod, wanted: PodSpec) -> None:
    """GPU, count, cloud, place and the kind of storage are fixed when a pod is rented."""
    differing = [f"{option}: {words}" for option, words in (*_other_compute(pod, wanted), *_other_place(pod, wanted))]
    if differing:
        raise Conflict(
            f"The pod {pod.label()} differs from what you asked for, and that cannot be changed: "
            f"{'; '.join(differing)}. End it first (state absent) and rent another, use another name, or leave the "
            "option out."
        )
    if over(pod.usd_per_hour, wanted.max_price):
        raise TooExpensive(
            f"The pod {pod.label()} costs {usd(pod.usd_per_hour)} per hour, above the cap of {usd(wanted.max_price)} "
            "(option max_price). It was left alone: end it (state absent) or raise the cap.",
            elsewhere="no",
        )


def _other_compute(pod: Pod, wanted: PodSpec) -> list[tuple[str, str]]:
    """Options about the processor that differ, each with both values."""
    found = []
    if wanted.gpus and pod.cpu is not None:
        found.append(("gpus", f"it is a CPU pod ({pod.cpu.describe()}), but you asked for {' or '.join(wanted.gpus)}"))
    elif wanted.gpus and pod.gpu_id and not any(gpus.same(gpu, pod.gpu_id, pod.gpu) for gpu in wanted.gpus):
        found.append(("gpus", f"its GPU is {pod.gpu}, but you asked for {' or '.join(wanted.gpus)}"))
    if wanted.gpu_count is not None and pod.gpu_count not in (None, wanted.gpu_count):
        found.append(("gpu_count", f"it has {pod.gpu_count} GPUs, but you asked for {wanted.gpu_count}"))
    if wanted.cpu is not None and pod.gpu_id:
        found.append(("cpu", f"it has {pod.gpu_count or 1} x {pod.gpu}, but you asked for {wanted.cpu.describe()}"))
    elif wanted.cpu is not None and pod.cpu is not None:
        now, then = pod.cpu, wanted.cpu
        if (now.id.lower(), now.vcpu_count) != (then.id.lower(), then.vcpu_count):
            found.append(("cpu", f"it has {now.describe()}, but you asked for {then.describe()}"))
    host = version(pod.cuda_version)
    if host is not None:
        least = version(wanted.min_cuda_version)
        if least is not None and host < least:
            found.append(
                (
                    "min_cuda_version",
                    f"its host has CUDA {pod.cuda_version}, but you asked for {wanted.min_cuda_version}",
                )
            )
        if wanted.cuda_versions and host not in [version(each) for each in wanted.cuda_versions]:
            found.append(
                (
                    "cuda_versions",
                    f"its host has CUDA {pod.cuda_version}, but you asked for {' or '.join(wanted.cuda_versions)}",
                )
            )
    return found


def _other_place(pod: Pod, wanted: PodSpec) -> list[tuple[str, str]]:
    """Options about contract, place and storage that differ, each with both values."""
    found = []
    if wanted.interruptible is not None and pod.interruptible not in (None, wanted.interruptible):
        found.append(("interruptible", f"it was rented {'so' if pod.interruptible else 'on demand'}"))
    elif wanted.bid is not None and pod.interruptible is False:
        found.append(("interruptible", "it was rented on demand, and takes no bid"))
    if wanted.clouds and pod.cloud and pod.cloud not in wanted.clouds:
        found.append(("clouds", f"it is in the cloud {pod.cloud}, but you asked for {' or '.join(wanted.clouds)}"))
    regions = [region.upper() for region in wanted.regions or ()]
    if regions and pod.region and pod.region.upper() not in regions:
        found.append((wanted.regions_option, f"it is in {pod.region}, but you asked for {' or '.join(regions)}"))
    if wanted.places and pod.region and not places.holds(wanted.places, pod.region):
        found.append(("regions", f"it is in {pod.region}, but you asked for {' or '.join(wanted.places)}"))
    network = [str(mount.volume_id) for mount in pod.mounts if mount.kind == "network"]
    asked = wanted.network_volume
    if asked is not None and (asked.volume_id not in network if asked.volume_id else not network):
        words = asked.volume_id or f"a new one of {asked.size_gb} GB"
        found.append(("network_volume", f"it has {' and '.join(network) or 'none'}, but you asked for {words}"))
    if wanted.volume is not None and not any(mount.kind == "disk" for mount in pod.mounts):
        found.append(("volume", f"it has no volume disk, but you asked for {wanted.volume.size_gb} GB"))
    return found


def _mount_changes(pod: Pod, wanted: PodSpec) -> list[Change]:
    """Return the growth of the volume disk, and another path of the mount.

    :raises BadRequest: when the disk would have to shrink.
    """
    changes = []
    grown = _grown(pod, wanted)
    if grown is not None:
        changes.append(grown)
    for mount in (wanted.volume, wanted.network_volume):
        now = next((each.path for each in pod.mounts if mount is not None and each.kind == mount.kind), None)
        if mount is not None and mount.path and now and mount.path.rstrip("/") != now.rstrip("/"):
            changes.append(Change("mount_path", now, mount.path))
    return changes


def _wanted_env(pod: Pod, wanted: PodSpec) -> dict[str, str] | None:
    """Return the whole environment to send, or None when nothing differs.

    What the service adds by itself is kept, and what a template brought along, unless it is in ``wanted`` already.
    """
    now = dict(pod.env)
    target = dict(wanted.env) if wanted.env is not None else dict(now)
    if wanted.public_keys and "PUBLIC_KEY" in now:
        target["PUBLIC_KEY"] = "\n".join(wanted.public_keys)
    for name, value in now.items():
        if name not in target and (name in _INJECTED or (wanted.template_id and not wanted.apply_template)):
            target[name] = value
    if target == now:
        return None
    keys: Sequence[str] = wanted.public_keys or wanted.for_new.get("public_keys") or ()
    if wanted.public_keys or (keys and "PUBLIC_KEY" not in target):
        target["PUBLIC_KEY"] = "\n".join(keys)
    return target


def _grown(pod: Pod, wanted: PodSpec) -> Change | None:
    """Return the growth of the volume disk.

    :raises BadRequest: when it would have to shrink.
    """
    if wanted.volume is None or wanted.volume.size_gb is None:
        return None
    now = next((mount.size_gb for mount in pod.mounts if mount.kind == "disk"), None)
    if now is None or now == wanted.volume.size_gb:
        return None
    if wanted.volume.size_gb < now:
        raise BadRequest(
            f"The volume of the pod {pod.label()} has {now} GB and cannot shrink to the {wanted.volume.size_gb} GB of "
            "the option volume.size; it can only grow. Ask for at least what it has, or rent a new pod."
        )
    return Change("volume_size_gb", now, wanted.volume.size_gb, resets=False)


def managed(pod: Pod | None) -> dict[str, Any]:
    """Return the fields of a pod that are shown in a diff, with its price.

    The environment and the start arguments may hold secrets: only that they are set is shown. Empty when there is no
    pod.
    """
    if pod is None:
        return {}
    return {
        "name": pod.name,
        "phase": pod.phase,
        "image": pod.image,
        "gpu": pod.gpu,
        "gpu_count": pod.gpu_count,
        "cpu": pod.cpu.describe() if pod.cpu is not None else None,
        "cloud": pod.cloud,
        "region": pod.region,
        "disk_gb": pod.disk_gb,
        "mounts": [mount.to_result() for mount in pod.mounts],
        "ports": sorted(pod.ports),
        "registry": pod.registry,
        "args": "(set)" if pod.args else None,
        "env": dict.fromkeys(sorted(pod.env), "(set)"),
        "locked": pod.locked,
        "global_networking": bool(pod.global_networking),
        "usd_per_hour": pod.usd_per_hour,
        **({"bid": pod.bid} if pod.bid is not None else {}),
        **({"onstart": "(set)"} if pod.onstart else {}),
        **({"template": pod.template} if pod.template else {}),
    }


def after(pod: Pod, changes: list[Change], phase: str | None = None) -> dict[str, Any]:
    """Return ``managed`` of the pod as it will be, with ``effect`` where its running container is lost."""
    shown = managed(pod)
    apply: dict[str, Callable[[Change], Any]] = {
        "args": _secret_after,
        "onstart": _secret_after,
        "ports": lambda change: sorted(change.value),
        "env": lambda change: _env_after(change.before, change.value),
    }
    for change in changes:
        if change.field == "volume_size_gb":
            shown["mounts"] = [
                dict(mount, size_gb=change.value) if mount["kind"] == "disk" else mount for mount in shown["mounts"]
            ]
        elif change.field == "mount_path":
            shown["mounts"] = [dict(mount, path=change.value) for mount in shown["mounts"]]
        else:
            shown[change.field] = apply.get(change.field, lambda changed: changed.value)(change)
    if phase is not None:
        shown["phase"] = phase
    if pod.phase != STOPPED and any(change.resets for change in changes):
        shown["effect"] = f"resets the container: {losses(pod)}"
    return shown


def fields(pod: Pod, changes: Sequence[Change]) -> dict[str, Any]:
    """Return changes as fields of the Pod, for a prediction; a grown volume shows in the diff only."""
    found: dict[str, Any] = {}
    for change in changes:
        if change.field == "mount_path":
            found["mounts"] = tuple(replace(mount, path=change.value) for mount in pod.mounts)
        elif change.field != "volume_size_gb":
            found[change.field] = tuple(change.value) if change.field == "ports" else change.value
    return found


def _secret_after(change: Change) -> str | None:
    return ("(changed)" if change.before else "(set)") if change.value else None


def _env_after(before: Mapping[str, str], value: Mapping[str, str]) -> dict[str, str]:
    """Mark each variable: a new one is set, one with another value than before is changed."""
    return {name: "(set)" if before.get(name, value[name]) == value[name] else "(changed)" for name in sorted(value)}


def predicted(request: PodRequest, provider: str, offer: Offer, locked: bool = False) -> Pod:
    """Predict the pod that this request would become: without id, address and times, which are not known."""
    mounts = tuple(mount for mount in (request.volume, request.network_volume) if mount is not None)
    env = dict(request.env)
    # Where single machines are for rent, keys do not go by the environment.
    if request.public_keys and offer.id is None:
        env["PUBLIC_KEY"] = ""
    return Pod(
        provider=provider,
        id="",
        name=request.name,
        phase=PROVISIONING,
        gpu=request.gpu or None,
        gpu_id=request.gpu_id or None,
        gpu_count=request.gpu_count or None,
        cpu=request.cpu,
        usd_per_hour=offer.usd_per_hour,
        region=offer.region,
        cloud=request.cloud,
        image=request.image,
        disk_gb=request.disk_gb,
        ports=request.ports or (),
        mounts=mounts,
        args=request.args,
        registry=request.registry,
        locked=locked,
        global_networking=request.global_networking,
        host=offer.host,
        bid=request.bid,
        interruptible=request.bid is not None if offer.id is not None else None,
        template=request.template_id,
        onstart=request.onstart,
        env=env,
    )
