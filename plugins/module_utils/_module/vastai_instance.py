# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declare the options of a module that rents a part of one machine: a provider whose every offer is a machine's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._core.clock import PollInterval
from .._core.errors import BadRequest
from .._core.offer import ORDER, PREFERENCES
from .._core.pod import STAGES, Mount
from .._pods import bootstrap
from .._pods.lifecycle import PodContext, PodLifecycle, PodOutcome, PodSpec
from .._pods.progress import Progress
from .._providers import registry
from .._providers.base import Provider
from . import common as arguments
from . import runpod_pod

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: What a user writes -> what the lifecycle calls it.
STATES: Mapping[str, str] = {
    "present": "present",
    "running": "running",
    "stopped": "stopped",
    "rebooted": "restarted",
    "recycled": "recycled",
    "absent": "absent",
}
#: Options that only this provider has and that go to its driver as they are.
EXTRA: dict[str, Any] = {
    **registry.info("vastai").extra_options,
    "target_state": {"type": "str", "choices": ["running", "stopped"], "default": "running"},
}
VOLUME = {"id": {"type": "str"}, "size": {"type": "int"}, "name": {"type": "str"}, "path": {"type": "str"}}
ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "aliases": ["label"]},
    "id": {"type": "str"},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "image": {"type": "str"},
    "template": {"type": "str"},
    "gpus": {"type": "list", "elements": "str", "default": []},
    "gpu_count": {"type": "int"},
    "regions": {"type": "list", "elements": "str"},
    "min_cuda_version": {"type": "str"},
    "hours": {"type": "float", "default": 6},
    "search": {"type": "raw"},
    "prefer": {"type": "str", "choices": list(PREFERENCES), "default": ORDER},
    "max_price": {"type": "float"},
    "interruptible": {"type": "bool"},
    "bid": {"type": "float"},
    "disk": {"type": "int"},
    "volume": {"type": "dict", "options": VOLUME},
    "ports": {"type": "list", "elements": "str"},
    "env": {"type": "dict", "no_log": True},
    "onstart": {"type": "str"},
    "args": {"type": "str"},
    "public_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    **EXTRA,
    "wait": {"type": "bool", "default": True},
    "wait_for": {"type": "str", "choices": list(STAGES), "default": "ready"},
    "timeouts": {"type": "dict", "options": runpod_pod.WAITING},
    "poll_interval": {"type": "float"},
    "private_key_file": {"type": "path", "no_log": False},
    "ssh_user": {"type": "str"},
    "ssh_users": {"type": "list", "elements": "str", "default": []},
    "known_hosts_file": {"type": "path"},
    "attempts": {"type": "int", "default": 1},
    "allow_reset": {"type": "bool", "default": False},
    "lease": {"type": "float"},
    "run_dir": {"type": "path"},
    "consistency_grace": {"type": "float", "default": 60},
    "progress_file": {"type": "path"},
    **arguments.API,
}


def wanted(module: AnsibleModule, provider: Provider) -> PodSpec:
    """The pod that the options describe."""
    params = module.params
    volume = params["volume"]
    regions = params["regions"]
    return PodSpec(
        name=params["name"],
        id=params["id"],
        image=params["image"],
        template_id=params["template"],
        gpus=tuple(params["gpus"]),
        gpu_count=params["gpu_count"],
        any_cloud=True,
        regions=provider.places(regions) if regions is not None else None,
        regions_option="regions",
        min_cuda_version=params["min_cuda_version"],
        hours=params["hours"] or None,
        filters=provider.filters(params["search"]),
        prefer=params["prefer"],
        max_price=params["max_price"],
        bid=_bid(params),
        disk_gb=params["disk"],
        network_volume=_volume(volume),
        ports=arguments.tuple_of(params["ports"]),
        env=arguments.take_environment(module),
        onstart=params["onstart"],
        args=params["args"],
        public_keys=tuple(key.strip() for key in params["public_keys"] if key.strip()),
        allow_reset=params["allow_reset"],
        bootstrap=bootstrap.NEVER,
        lease=params["lease"],
        extra={
            **{name: params[name] for name in EXTRA if params[name] is not None},
            **({"volume_name": volume["name"]} if volume and volume["name"] else {}),
        },
    )


def _volume(option: Mapping[str, Any] | None) -> Mount | None:
    """A volume that exists, or a new one. :raises BadRequest: for neither and for both."""
    if option is None:
        return None
    if (option["id"] is None) == (option["size"] is None):
        raise BadRequest(
            f"The option volume has id {option['id']!r} and size {option['size']!r}, and nothing was rented: give the "
            "id of a volume that exists, or the size of a new one in GB."
        )
    if option["id"] is not None and option["name"] is not None:
        raise BadRequest(
            f"The option volume has id {option['id']!r} and name {option['name']!r}, and nothing was rented: a name is "
            "for a new volume only. Leave it out."
        )
    return Mount("network", option["path"], size_gb=option["size"], volume_id=option["id"])


def _refuse_stopped(params: Mapping[str, Any]) -> None:
    """A pod that is made stopped and is to run. :raises BadRequest: for that."""
    if params["target_state"] == "stopped" and params["state"] == "running":
        raise BadRequest(
            "The options state=running and target_state=stopped exclude each other, and nothing was rented: say what "
            "the new pod shall do."
        )


def _bid(params: Mapping[str, Any]) -> float | None:
    """The bid of an interruptible pod. :raises BadRequest: for one of the two without the other."""
    bid, interruptible = params["bid"], params["interruptible"]
    if interruptible and bid is None and params["state"] in ("present", "running"):
        raise BadRequest(
            "The option interruptible is true and bid is not given, and nothing was rented: without a bid the contract "
            "would be on demand, at the higher price. Set bid to USD per hour for the whole pod; "
            "podyard.gpu.vastai_offer_info shows the least bid of each offer."
        )
    if interruptible is False and bid is not None:
        raise BadRequest(
            f"The option bid is {bid} and interruptible is false, and nothing was rented: a pod on demand takes no "
            "bid. Leave one of the two out."
        )
    return float(bid) if bid is not None else None


def ensure(module: AnsibleModule, provider_name: str) -> PodOutcome:
    """Bring the pod into the wanted state.

    :raises CloudError: one sentence.
    """
    params = module.params
    _bid(params)
    _refuse_stopped(params)
    provider = arguments.open_provider(module, provider_name)
    pod = wanted(module, provider)
    work = PodContext(
        provider=provider,
        polls=PollInterval(interval=params["poll_interval"]),
        progress=Progress(params["progress_file"]),
        run_dir=params["run_dir"],
        grace=params["consistency_grace"],
    )
    ready = runpod_pod.readiness(module, pod, {}) if params["target_state"] == "running" else None
    lifecycle = PodLifecycle(work, pod, ready, params["attempts"], module.check_mode)
    outcome = lifecycle.ensure(STATES[params["state"]])
    outcome.warnings.extend(provider.notes)
    return outcome
