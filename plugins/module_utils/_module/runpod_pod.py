# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a module that brings one pod into a state, and what becomes of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._core.clock import PollInterval
from .._core.errors import BadRequest
from .._core.offer import ORDER, PREFERENCES
from .._core.pod import STAGES, Cpu, Mount
from .._pods import bootstrap, ssh
from .._pods.lifecycle import STATES, PodContext, PodLifecycle, PodOutcome, PodSpec
from .._pods.progress import Progress
from .._pods.readiness import Readiness
from .._pods.spec import refuse_no_keys
from .._providers import registry
from .._providers.base import Provider
from . import common as arguments
from . import env_defaults

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


WAITING = {name: {"type": "float"} for name in STAGES}
VOLUME = {"size": {"type": "int", "required": True}, "path": {"type": "str"}}
NETWORK = {name: {"type": "str"} for name in ("id", "name", "path")}
CPU = {"id": {"type": "str", "required": True}, "vcpu_count": {"type": "int", "required": True}}
ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str"},
    "id": {"type": "str"},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "image": {"type": "str"},
    "gpus": {"type": "list", "elements": "str", "default": []},
    "gpu_count": {"type": "int"},
    "min_ram_per_gpu": {"type": "int"},
    "min_vcpu_count_per_gpu": {"type": "int"},
    "cpu": {"type": "dict", "options": CPU},
    "prefer": {"type": "str", "choices": list(PREFERENCES), "default": ORDER},
    "clouds": {"type": "list", "elements": "str", "choices": ["SECURE", "COMMUNITY"]},
    "data_centers": {"type": "list", "elements": "str"},
    "min_cuda_version": {"type": "str"},
    "cuda_versions": {"type": "list", "elements": "str", "default": []},
    "disk": {"type": "int"},
    "volume": {"type": "dict", "options": VOLUME},
    "network_volume": {"type": "dict", "options": NETWORK},
    "ports": {"type": "list", "elements": "str"},
    "env": {"type": "dict", "no_log": True},
    "public_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "registry": {"type": "str"},
    "args": {"type": "str"},
    "entrypoint": {"type": "list", "elements": "str"},
    "cmd": {"type": "list", "elements": "str"},
    "template": {"type": "str", "aliases": ["template_id"]},
    "apply_template": {"type": "str", "choices": ["on_create", "always"], "default": "on_create"},
    "global_networking": {"type": "bool"},
    "locked": {"type": "bool"},
    "start_ssh": {"type": "bool"},
    "start_jupyter": {"type": "bool"},
    "max_price": {"type": "float"},
    "wait": {"type": "bool", "default": True},
    "wait_for": {"type": "str", "choices": list(STAGES), "default": "ready"},
    "timeouts": {"type": "dict", "options": WAITING},
    "poll_interval": {"type": "float"},
    "private_key_file": {"type": "path", "no_log": False},
    "ssh_user": {"type": "str"},
    "ssh_users": {"type": "list", "elements": "str", "default": []},
    "bootstrap_ssh": {"type": "str", "choices": list(bootstrap.CHOICES), "default": bootstrap.AUTO},
    "settings": {"type": "bool", "default": True},
    "known_hosts_file": {"type": "path"},
    "attempts": {"type": "int", "default": 1},
    "allow_reset": {"type": "bool", "default": False},
    "interruptible": {"type": "bool", "default": False},
    "lease": {"type": "float"},
    "run_dir": {"type": "path"},
    "consistency_grace": {"type": "float", "default": 60},
    "progress_file": {"type": "path"},
    **arguments.API,
}


def wanted(module: AnsibleModule) -> PodSpec:
    """The pod that the options describe."""
    params = module.params
    volume, cpu = params["volume"], params["cpu"]
    return PodSpec(
        name=params["name"],
        id=params["id"],
        image=params["image"],
        gpus=tuple(params["gpus"]),
        gpu_count=params["gpu_count"],
        clouds=arguments.tuple_of(params["clouds"]),
        regions=arguments.tuple_of(params["data_centers"]),
        min_cuda_version=params["min_cuda_version"],
        cuda_versions=tuple(params["cuda_versions"]),
        disk_gb=params["disk"],
        volume=Mount("disk", volume["path"], size_gb=volume["size"]) if volume else None,
        network_volume=network_volume(params["network_volume"]),
        ports=arguments.tuple_of(params["ports"]),
        env=arguments.take_environment(module),
        public_keys=tuple(key.strip() for key in params["public_keys"] if key.strip()),
        registry=params["registry"],
        args=params["args"],
        template_id=params["template"],
        apply_template=params["apply_template"] == "always",
        max_price=params["max_price"],
        allow_reset=params["allow_reset"],
        prefer=params["prefer"],
        cpu=Cpu(cpu["id"], cpu["vcpu_count"]) if cpu else None,
        min_ram_per_gpu=params["min_ram_per_gpu"],
        min_vcpu_count_per_gpu=params["min_vcpu_count_per_gpu"],
        global_networking=params["global_networking"],
        locked=params["locked"],
        start_ssh=params["start_ssh"],
        start_jupyter=params["start_jupyter"],
        bootstrap=params["bootstrap_ssh"],
        lease=params["lease"],
    )


def network_volume(option: Mapping[str, Any] | None) -> Mount | None:
    """The volume by id or by name: an id is looked for first. :raises BadRequest: without either, and for both."""
    if option is None:
        return None
    if bool(option["id"]) == bool(option["name"]):
        raise BadRequest(
            f"The option network_volume has id {option['id']!r} and name {option['name']!r}: give one of them, and "
            "leave the other out. Nothing was rented or changed."
        )
    return Mount("network", option["path"], volume_id=option["id"] or option["name"])


def started(pod: PodSpec, params: Mapping[str, Any], provider: Provider) -> PodSpec:
    """The pod with its entrypoint and cmd as args. :raises BadRequest: when args are given too."""
    entrypoint, cmd = params["entrypoint"], params["cmd"]
    if entrypoint is None and cmd is None:
        return pod
    if pod.args is not None:
        raise BadRequest(
            f"The options args and {'cmd' if entrypoint is None else 'entrypoint'} were both given for the pod "
            f"{pod.name or pod.id}: each says how the container starts. Leave one of them out. Nothing was rented or "
            "changed."
        )
    return replace(pod, args=provider.start_command(entrypoint, cmd))


def _refuse_interruptible(module: AnsibleModule, provider_name: str) -> None:
    """Before anything else, for no key and no address makes it possible."""
    declared = registry.capabilities(provider_name)
    if module.params["interruptible"] and not declared.interruptible:
        why = declared.because.get("interruptible", "the provider has none")
        raise BadRequest(
            f"The option interruptible is true, and nothing was rented: {why}. Leave the option out, and set max_price "
            "to what an hour may cost."
        )


def refuse_numbers(params: Mapping[str, Any]) -> None:
    """Numbers that make no sense, before they cost a pod. :raises BadRequest: for the first."""
    waits = {f"timeouts.{stage}": seconds for stage, seconds in (params["timeouts"] or {}).items()}
    above_zero = {**waits, "max_price": params["max_price"], "poll_interval": params["poll_interval"]}
    for option, value in above_zero.items():
        if value is not None and not value > 0:
            raise BadRequest(f"The option {option} is {value:g}; give it more than 0, or leave it out.")
    if params["attempts"] < 1:
        raise BadRequest(f"The option attempts is {params['attempts']}; allow 1 at least.")
    if not params["consistency_grace"] >= 0:
        raise BadRequest(f"The option consistency_grace is {params['consistency_grace']:g}; give it 0 s at least.")


def readiness(module: AnsibleModule, pod: PodSpec, settings: Mapping[str, Any]) -> Readiness | None:
    """How to wait; what that needs on the controller is checked first, for nothing."""
    params = module.params
    if not params["wait"] or params["state"] in ("stopped", "absent"):
        return None
    key = arguments.existing_file(params["private_key_file"] or settings.get("private_key_file"), "private key")
    keys = pod.completed().public_keys
    if STAGES.index(params["wait_for"]) >= STAGES.index("authenticated"):
        arguments.require_programs(module, ("ssh", "ssh-keyscan", "ssh-keygen"))
        if key is not None and keys:
            # A path in the place of a key fits no private key, and that would not be the reason.
            refuse_no_keys(pod.completed())
            ssh.check_key(arguments.run_bounded, key, keys)
    return Readiness(
        target=params["wait_for"],
        run=arguments.run_bounded,
        known_hosts=params["known_hosts_file"] or os.path.join(module.tmpdir, "known_hosts"),
        private_key=key,
        deadlines=arguments.numbers(params["timeouts"]),
        user=params["ssh_user"] or settings.get("ssh_user"),
        users=tuple(params["ssh_users"]),
    )


def ensure(module: AnsibleModule, provider_name: str) -> PodOutcome:
    """Bring the pod into the wanted state.

    :raises CloudError: one sentence.
    """
    params = module.params
    _refuse_interruptible(module, provider_name)
    refuse_numbers(params)
    settings = env_defaults.take(provider_name, params)
    pod = env_defaults.for_a_new_pod(wanted(module), settings)
    provider = arguments.open_provider(module, provider_name)
    pod = started(pod, params, provider)
    work = PodContext(
        provider=provider,
        polls=PollInterval(interval=params["poll_interval"]),
        progress=Progress(params["progress_file"]),
        run_dir=params["run_dir"],
        grace=params["consistency_grace"],
    )
    lifecycle = PodLifecycle(work, pod, readiness(module, pod, settings), params["attempts"], module.check_mode)
    try:
        return lifecycle.ensure(params["state"])
    except BadRequest as error:
        error.add(env_defaults.blame(provider_name, params, error.message))
        raise
