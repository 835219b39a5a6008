# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a module that brings one pod into a state, and what becomes of them. Private to this collection."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ansible_collections.podyard.gpu.plugins.module_utils import _arguments as arguments
from ansible_collections.podyard.gpu.plugins.module_utils import _ssh
from ansible_collections.podyard.gpu.plugins.module_utils._errors import BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._lifecycle import STATES, Lifecycle, Outcome, Wanted, Work
from ansible_collections.podyard.gpu.plugins.module_utils._pod import STAGES, Mount
from ansible_collections.podyard.gpu.plugins.module_utils._progress import Progress
from ansible_collections.podyard.gpu.plugins.module_utils._readiness import Readiness
from ansible_collections.podyard.gpu.plugins.module_utils._wait import Polls

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

WAITING = {name: {"type": "float"} for name in ("running", "addressed", "port_open", "authenticated")}
VOLUME = {"size": {"type": "int", "required": True}, "path": {"type": "str", "default": "/workspace"}}
NETWORK = {"id": {"type": "str", "required": True}, "path": {"type": "str", "default": "/workspace"}}
ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str"},
    "id": {"type": "str"},
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "image": {"type": "str"},
    "gpus": {"type": "list", "elements": "str", "default": []},
    "gpu_count": {"type": "int"},
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
    "template_id": {"type": "str"},
    "max_price": {"type": "float"},
    "wait": {"type": "bool", "default": True},
    "wait_for": {"type": "str", "choices": list(STAGES), "default": "ready"},
    "timeouts": {"type": "dict", "options": WAITING},
    "poll_interval": {"type": "float"},
    "private_key_file": {"type": "path", "no_log": False},
    "known_hosts_file": {"type": "path"},
    "attempts": {"type": "int", "default": 1},
    "allow_reset": {"type": "bool", "default": False},
    "interruptible": {"type": "bool", "default": False},
    "run_dir": {"type": "path"},
    "consistency_grace": {"type": "float", "default": 60},
    "progress_file": {"type": "path"},
    **arguments.API,
}
EXCLUSIVE = [("volume", "network_volume"), ("min_cuda_version", "cuda_versions")]


def wanted(module: AnsibleModule) -> Wanted:
    """The pod that the options describe."""
    params = module.params
    volume, network = params["volume"], params["network_volume"]
    return Wanted(
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
        network_volume=Mount("network", network["path"], volume_id=network["id"]) if network else None,
        ports=arguments.tuple_of(params["ports"]),
        env=arguments.take_environment(module),
        public_keys=tuple(key.strip() for key in params["public_keys"] if key.strip()),
        registry=params["registry"],
        args=params["args"],
        template_id=params["template_id"],
        max_price=params["max_price"],
        allow_reset=params["allow_reset"],
    )


def readiness(module: AnsibleModule, pod: Wanted) -> Readiness | None:
    """How to wait; what that needs on the controller is checked first, for nothing."""
    params = module.params
    if not params["wait"] or params["state"] in ("stopped", "absent"):
        return None
    run = arguments.runner(module)
    key = arguments.existing_file(params["private_key_file"], "private key")
    if STAGES.index(params["wait_for"]) >= STAGES.index("authenticated"):
        arguments.require_programs(module, ("ssh", "ssh-keyscan", "ssh-keygen"))
        if key is not None and pod.public_keys:
            _ssh.check_key(run, key, pod.public_keys)
    return Readiness(
        target=params["wait_for"],
        run=run,
        known_hosts=params["known_hosts_file"] or os.path.join(module.tmpdir, "known_hosts"),
        private_key=key,
        deadlines=arguments.numbers(params["timeouts"]),
    )


def ensure(module: AnsibleModule, provider_name: str) -> Outcome:
    """Bring the pod into the wanted state.

    :raises CloudError: one sentence.
    """
    params = module.params
    pod = wanted(module)
    provider = arguments.open_provider(module, provider_name)
    capabilities = provider.capabilities
    if params["interruptible"] and not capabilities.interruptible:
        why = capabilities.because.get("interruptible", "the provider has none")
        raise BadRequest(f"An interruptible pod was asked for, and nothing was rented: {why}.")
    work = Work(
        provider=provider,
        polls=Polls(interval=params["poll_interval"]),
        progress=Progress(params["progress_file"]),
        run_dir=params["run_dir"],
        grace=params["consistency_grace"],
    )
    lifecycle = Lifecycle(work, pod, readiness(module, pod), params["attempts"], module.check_mode)
    return lifecycle.ensure(params["state"])
