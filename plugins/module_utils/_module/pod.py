# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module that rents the best offer of any provider, and what they mean at each of them."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._core.clock import PollInterval
from .._core.errors import BadRequest
from .._core.names import PodName
from .._core.offer import PREFERENCE, RANKINGS
from .._core.pod import STAGES
from .._pods import bootstrap
from .._pods.bad_hosts import BadHosts, usual_path
from .._pods.context import PodContext
from .._pods.group import STATES, PodGroup
from .._pods.group_call import ProviderContext
from .._pods.group_find import GroupNames
from .._pods.outcome import PodOutcome
from .._pods.progress import Progress
from .._pods.spec import DISK_GB, MOUNT_PATH, PodSpec
from .._providers import registry
from .._providers.base import Provider
from . import common as arguments
from . import env_defaults
from . import pod_base as base
from .pod_base import Option

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: Options that each provider has in a dictionary of its own.
EACH: dict[str, Any] = {**arguments.API, "image": {"type": "str"}, "template": {"type": "str"}}
#: Options that only one provider has.
OWN: dict[str, dict[str, Any]] = {
    each.name: {**EACH, **each.own_options, **each.extra_options} for each in registry.PROVIDERS
}
#: Those options of OWN that become fields of a PodSpec; all others go to the driver as they are.
UNDERSTOOD = {*EACH, *(name for each in registry.PROVIDERS for name in each.own_options)}
OPTIONS: dict[str, Option] = {
    **base.BASE,
    "name": Option({**base.TEXT, "required": True}),
    # The action of the same name uses its values for options that are not given.
    "spec": Option({"type": "dict"}),
    "count": Option(base.WHOLE),
    "state": Option({**base.TEXT, "choices": list(STATES), "default": "present"}),
    **{name: Option(declared) for name, declared in arguments.PROVIDERS.items()},
    "strict_providers": Option({**base.YES_NO, "default": False}),
    "registry": Option(base.TEXT, "registry"),
    "min_gpu_memory": Option(base.NUMBER, "min_gpu_memory"),
    "min_compute_capability": Option(base.NUMBER, "min_compute_capability"),
    "min_memory": Option(base.NUMBER, "min_ram_gb"),
    "min_vcpus": Option(base.NUMBER, "min_vcpus"),
    "volume": Option({"type": "dict", "options": base.VOLUME}, "volume", base.disk_volume),
    "network_volume": Option({"type": "dict", "options": base.NETWORK}, "network_volume", base.network_volume),
    "regions": Option(base.TEXTS, "places", arguments.tuple_of),
    "clouds": Option(base.CLOUDS, "clouds", arguments.tuple_of),
    "interruptible": Option(base.YES_NO, "interruptible"),
    "bid": Option(base.NUMBER, "bid"),
    "hours": Option({**base.NUMBER, "default": 6}, "hours", base.or_none),
    "rank_by": Option({**base.TEXT, "choices": list(RANKINGS), "default": PREFERENCE}, "rank_by"),
    "attempts": Option({**base.WHOLE, "default": 5}),
    "deadline": Option({**base.NUMBER, "default": 3600}),
    "onstart": Option(base.TEXT, "onstart"),
    "bootstrap_ssh": Option({**base.TEXT, "choices": list(bootstrap.CHOICES), "default": bootstrap.AUTO}, "bootstrap"),
    "settings": Option({**base.YES_NO, "default": True}),
    "bad_hosts_file": Option({"type": "path"}),
    "condemned": Option(base.TEXT),
    **{name: Option({"type": "dict", "options": options}) for name, options in OWN.items()},
}
ARGUMENTS = base.declared(OPTIONS)


def chosen(params: Mapping[str, Any]) -> list[str]:
    """Return the names of the providers to ask.

    :raises BadRequest: for an empty list.
    :raises AuthError: when there is no key for any provider.
    """
    if params["providers"] == []:
        raise BadRequest("The option providers is an empty list: name a provider, or leave the option out.")
    keyed = [name for name in registry.names() if (params[name] or {}).get("api_key")]
    found = registry.meant({"providers": params["providers"]}, os.environ, keyed=keyed)
    if not found and not params["api_key"]:
        raise arguments.no_key(f", or give one (option {', '.join(registry.each_one('{}.api_key'))})")
    return found or registry.names()


def connector(module: AnsibleModule, name: str, alone: bool) -> Any:
    """Return a function that connects to a provider, because each thread needs a connection of its own.

    :param alone: this is the only provider, so the module's own key and address are meant for it.
    :raises BadRequest: for a key or an address that could be meant for any of several providers.
    """
    own = module.params[name] or {}
    for option in arguments.API:
        if module.params[option] and not alone and not own.get(option):
            raise BadRequest(
                f"The option {option} works for a single provider only, but several are asked: give "
                f"{' and '.join(registry.each_one('{}.' + option))}, or name one provider (option providers)."
            )
    given = {option: own.get(option) or (module.params[option] if alone else None) for option in arguments.API}
    return lambda: arguments.open_provider(module, name, given)


def to_spec(params: Mapping[str, Any], env: dict[str, str] | None) -> PodSpec:
    """Return one pod as the options that all providers share describe it.

    :raises BadRequest: when the value of an option is not valid.
    """
    count = params["gpu_count"] or 1
    memory, vcpus = params["min_memory"], params["min_vcpus"]
    return base.to_spec(
        OPTIONS,
        params,
        env=env,
        min_ram_per_gpu=math.ceil(memory / count) if memory else None,
        min_vcpu_count_per_gpu=math.ceil(vcpus / count) if vcpus else None,
    )


def at_provider(pod: PodSpec, params: Mapping[str, Any], provider: Provider) -> PodSpec:
    """Return the pod in one provider's terms.

    :raises BadRequest: when this provider cannot rent out such a pod; the message follows the provider's name.
    """
    own, can = params[provider.name] or {}, provider.capabilities
    if pod.interruptible and not can.interruptible:
        raise BadRequest(f"{can.because.get('interruptible', 'it has no interruptible pods')} (option interruptible).")
    if "" in can.ssh_images:
        if pod.args and params["wait"] and STAGES.index(params["wait_for"]) >= STAGES.index("addressed"):
            raise BadRequest("args would replace its SSH server (option args); use onstart.")
        pod = replace(pod, bootstrap=bootstrap.NEVER)
    onstart = own.get("onstart") or pod.onstart
    if onstart and not can.onstart:
        raise BadRequest(
            "it cannot run commands at a container's start (option onstart); give "
            f"{' or '.join(registry.each_one('{}.onstart', option='onstart'))}, or put the commands into args."
        )
    if pod.volume is not None and can.keeps_disk:
        # There is a single disk, and it survives a stop anyway.
        path = pod.volume.path or MOUNT_PATH
        disk = (pod.disk_gb if pod.disk_gb is not None else DISK_GB) + (pod.volume.size_gb or 0)
        if onstart or not (own.get("template") or pod.template_id):
            # Ours would replace a template's own start script; without it, later steps create their directories.
            onstart = "\n".join(filter(None, [f"mkdir -p {shlex.quote(path)}", onstart]))
        pod = replace(pod, volume=None, disk_gb=disk)
    pod = replace(
        pod,
        image=own.get("image") or (None if own.get("template") else pod.image),
        template_id=own.get("template") or pod.template_id,
        onstart=onstart,
        bid=pod.bid if can.interruptible else None,
        extra={name: value for name, value in own.items() if value is not None and name not in UNDERSTOOD},
        filters=provider.filters(own["search"]) if own.get("search") else {},
        cuda_versions=tuple(own.get("cuda_versions") or ()),
        global_networking=own.get("global_networking"),
        start_ssh=own.get("start_ssh"),
        start_jupyter=own.get("start_jupyter"),
    )
    return base.started(pod, {"entrypoint": None, "cmd": None, **own}, provider)


def side(
    module: AnsibleModule, name: str, pod: PodSpec, connect: Any, polls: PollInterval, progress: Progress
) -> ProviderContext:
    """Return what this call needs at one provider, with the reason if the pods are not possible there."""
    params, provider = module.params, connect()
    settings = env_defaults.take(name, params)
    work = PodContext(provider, polls, progress, params["run_dir"], params["consistency_grace"])
    if params["state"] in ("absent", "stopped"):
        return ProviderContext(work, connect, PodSpec())
    try:
        here, unfit = env_defaults.for_a_new_pod(at_provider(pod, params, provider), settings), ""
    except BadRequest as error:
        here, unfit = pod, error.message
    readiness = base.readiness(module, here, settings)
    return ProviderContext(work, connect, here, readiness, unfit)


def _refuse(params: Mapping[str, Any]) -> None:
    """Refuse options that are wrong at every provider. :raises BadRequest: for the first."""
    name, count = params["name"], params["count"]
    if count is not None and count < 1 and params["state"] in ("present", "running"):
        raise BadRequest(
            f"The option count is {count}; ask for at least 1 pod, or end all pods of this name (state absent)."
        )
    if count is not None and (PodName.parse(name) or PodName.parse_identity(name)):
        raise BadRequest(
            f"The name {name} belongs to one pod of a run, but count asks for several: leave out the number at the end "
            "of the name, or leave out count."
        )
    if params["bid"] is not None and not params["interruptible"]:
        raise BadRequest(
            f"The option bid is {params['bid']:g}, but interruptible is not true, and only interruptible pods have a "
            "bid. Set interruptible to true, or leave bid out."
        )
    if params["condemned"] and params["state"] != "absent":
        raise BadRequest(
            "The option condemned says why the machine of a pod that you end is bad, so it needs state absent."
        )
    if not params["deadline"] > 0:
        raise BadRequest(f"The option deadline is {params['deadline']:g}; give more than 0 s.")
    base.refuse_numbers(params)


def ensure(module: AnsibleModule) -> tuple[PodOutcome, list[str]]:
    """Bring the pods into the requested state; return the outcome and the notes.

    :raises CloudError: with a message for the user.
    """
    params = module.params
    _refuse(params)
    names = chosen(params)
    progress = Progress(params["progress_file"])
    polls = PollInterval(interval=params["poll_interval"])
    pod = to_spec(params, arguments.take_environment(module))
    sides = {name: side(module, name, pod, connector(module, name, len(names) == 1), polls, progress) for name in names}
    unfit = [f"{name} is left out: {each.unfit}" for name, each in sides.items() if each.unfit]
    if len(unfit) == len(sides):
        raise BadRequest(f"Nothing was rented: {' '.join(unfit)}")
    bad_hosts = BadHosts(params["bad_hosts_file"] or usual_path(), params["run_dir"])
    fleet = PodGroup(
        GroupNames(params["name"], params["count"]),
        sides,
        bad_hosts,
        most=params["attempts"],
        deadline=params["deadline"],
        strict=params["strict_providers"],
        check=module.check_mode,
        condemned=params["condemned"],
    )
    for line in unfit:
        fleet.note(line)
    try:
        return fleet.ensure(params["state"]), fleet.notes
    except BadRequest as error:
        error.add("".join(env_defaults.blame(name, params, error.message) for name in sides))
        raise
