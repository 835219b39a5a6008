# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declare the options of a module for one pod of a provider that rents out GPU types, not single machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._core.errors import BadRequest
from .._core.offer import ORDER, PREFERENCES
from .._core.pod import Cpu
from .._pods import bootstrap
from .._pods.lifecycle import STATES, PodLifecycle
from .._pods.outcome import PodOutcome
from .._providers import registry
from . import common as arguments
from . import env_defaults
from . import pod_base as base
from .pod_base import Option

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


CPU = {"id": {"type": "str", "required": True}, "vcpu_count": {"type": "int", "required": True}}


def _cpu(option: Mapping[str, Any] | None) -> Cpu | None:
    return Cpu(option["id"], option["vcpu_count"]) if option else None


OPTIONS: dict[str, Option] = {
    **base.ONE,
    "state": Option({**base.TEXT, "choices": list(STATES), "default": "present"}),
    "template": Option({**base.TEXT, "aliases": ["template_id"]}, "template_id"),
    "apply_template": Option(
        {**base.TEXT, "choices": ["on_create", "always"], "default": "on_create"},
        "apply_template",
        lambda when: when == "always",
    ),
    "min_ram_per_gpu": Option(base.WHOLE, "min_ram_per_gpu"),
    "min_vcpu_count_per_gpu": Option(base.WHOLE, "min_vcpu_count_per_gpu"),
    "cpu": Option({"type": "dict", "options": CPU}, "cpu", _cpu),
    "prefer": Option({**base.TEXT, "choices": list(PREFERENCES), "default": ORDER}, "prefer"),
    "clouds": Option(base.CLOUDS, "clouds", arguments.tuple_of),
    "data_centers": Option(base.TEXTS, "regions", arguments.tuple_of),
    "cuda_versions": Option(base.ANY_TEXTS, "cuda_versions", tuple),
    "volume": Option({"type": "dict", "options": base.VOLUME}, "volume", base.disk_volume),
    "network_volume": Option({"type": "dict", "options": base.NETWORK}, "network_volume", base.network_volume),
    "registry": Option(base.TEXT, "registry"),
    "entrypoint": Option(base.TEXTS),
    "cmd": Option(base.TEXTS),
    "global_networking": Option(base.YES_NO, "global_networking"),
    "locked": Option(base.YES_NO, "locked"),
    "start_ssh": Option(base.YES_NO, "start_ssh"),
    "start_jupyter": Option(base.YES_NO, "start_jupyter"),
    "bootstrap_ssh": Option({**base.TEXT, "choices": list(bootstrap.CHOICES), "default": bootstrap.AUTO}, "bootstrap"),
    # Declared to be refused with a message that says why: see _refuse_interruptible.
    "interruptible": Option({**base.YES_NO, "default": False}),
    "settings": Option({**base.YES_NO, "default": True}),
}
ARGUMENTS = base.declared(OPTIONS)


def _refuse_interruptible(module: AnsibleModule, provider_name: str) -> None:
    """Refuse interruptible pods first of all, since no key and no address makes them possible."""
    declared = registry.capabilities(provider_name)
    if module.params["interruptible"] and not declared.interruptible:
        why = declared.because.get("interruptible", "the provider has none")
        raise BadRequest(
            f"Nothing was rented: the option interruptible is true, but {why}. Leave the option out, and set max_price "
            "to what an hour may cost."
        )


def ensure(module: AnsibleModule, provider_name: str) -> PodOutcome:
    """Bring the pod into the requested state.

    :raises CloudError: with a message for the user.
    """
    params = module.params
    _refuse_interruptible(module, provider_name)
    base.refuse_numbers(params)
    settings = env_defaults.take(provider_name, params)
    spec = base.to_spec(OPTIONS, params, env=arguments.take_environment(module))
    pod = env_defaults.for_a_new_pod(spec, settings)
    provider = arguments.open_provider(module, provider_name)
    pod = base.started(pod, params, provider)
    work = base.context(params, provider)
    lifecycle = PodLifecycle(work, pod, base.readiness(module, pod, settings), params["attempts"], module.check_mode)
    try:
        return lifecycle.ensure(params["state"])
    except BadRequest as error:
        error.add(env_defaults.blame(provider_name, params, error.message))
        raise
