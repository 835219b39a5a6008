# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declare the options that every module for pods has, and turn a module's options into a PodSpec.

An option is one row: its entry in the argument_spec, and the field of a PodSpec that it becomes. The modules add their
own rows to BASE, so that a new option of all of them is one row here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable

from .._core.clock import PollInterval
from .._core.errors import BadRequest
from .._core.pod import STAGES, Mount
from .._pods import ssh
from .._pods.context import PodContext
from .._pods.progress import Progress
from .._pods.readiness import Readiness
from .._pods.spec import PodSpec, refuse_no_keys
from .._providers.base import Provider
from . import common as arguments

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

TEXT: dict[str, Any] = {"type": "str"}
WHOLE: dict[str, Any] = {"type": "int"}
NUMBER: dict[str, Any] = {"type": "float"}
YES_NO: dict[str, Any] = {"type": "bool"}
TEXTS: dict[str, Any] = {"type": "list", "elements": "str"}
#: A list that is empty when it is not given, for options that are not compared with an existing pod.
ANY_TEXTS: dict[str, Any] = {**TEXTS, "default": []}
CLOUDS: dict[str, Any] = {**TEXTS, "choices": ["SECURE", "COMMUNITY"]}
VOLUME = {"size": {"type": "int", "required": True}, "path": TEXT}
NETWORK = dict.fromkeys(("id", "name", "path"), TEXT)


def _as_given(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Option:
    """One option of a module for pods.

    :param declared: its entry in the argument_spec.
    :param field: the field of a PodSpec that it becomes; None where it does not describe the pod itself.
    :param read: turns the option's value into the field; it may raise BadRequest.
    """

    declared: Mapping[str, Any]
    field: str | None = None
    read: Callable[[Any], Any] = _as_given


def _keys(lines: list[str]) -> tuple[str, ...]:
    return tuple(line.strip() for line in lines if line.strip())


def or_none(value: Any) -> Any:
    """Return the value, or None for 0, which switches the option off."""
    return value or None


def disk_volume(option: Mapping[str, Any] | None) -> Mount | None:
    """Return the volume disk that the option asks for, or None."""
    return Mount("disk", option["path"], size_gb=option["size"]) if option else None


def network_volume(option: Mapping[str, Any] | None) -> Mount | None:
    """Return the volume by id or name, or None. :raises BadRequest: when neither or both are given."""
    if option is None:
        return None
    if bool(option["id"]) == bool(option["name"]):
        raise BadRequest(
            f"The option network_volume has id {option['id']!r} and name {option['name']!r}: give exactly one of them. "
            "Nothing was rented or changed."
        )
    return Mount("network", option["path"], volume_id=option["id"] or option["name"])


BASE: dict[str, Option] = {
    "image": Option(TEXT, "image"),
    "template": Option(TEXT, "template_id"),
    "gpus": Option(ANY_TEXTS, "gpus", tuple),
    "gpu_count": Option(WHOLE, "gpu_count"),
    "min_cuda_version": Option(TEXT, "min_cuda_version"),
    "disk": Option(WHOLE, "disk_gb"),
    "max_price": Option(NUMBER, "max_price"),
    "ports": Option(TEXTS, "ports", arguments.tuple_of),
    # common.take_environment takes it out of the module's parameters, which a verbose run shows.
    "env": Option({"type": "dict", "no_log": True}),
    "args": Option(TEXT, "args"),
    "public_keys": Option({**ANY_TEXTS, "no_log": False}, "public_keys", _keys),
    "lease": Option(NUMBER, "lease"),
    "wait": Option({**YES_NO, "default": True}),
    "wait_for": Option({**TEXT, "choices": list(STAGES), "default": "ready"}),
    "timeouts": Option({"type": "dict", "options": dict.fromkeys(STAGES, NUMBER)}),
    "poll_interval": Option(NUMBER),
    "private_key_file": Option({"type": "path", "no_log": False}),
    "ssh_user": Option(TEXT),
    "ssh_users": Option(ANY_TEXTS),
    "known_hosts_file": Option({"type": "path"}),
    "run_dir": Option({"type": "path"}),
    "consistency_grace": Option({**NUMBER, "default": 60}),
    "progress_file": Option({"type": "path"}),
    **{name: Option(declared) for name, declared in arguments.API.items()},
}
#: The options of a module for one pod, which may also be named by its id.
ONE: dict[str, Option] = {
    **BASE,
    "name": Option(TEXT, "name"),
    "id": Option(TEXT, "id"),
    "attempts": Option({**WHOLE, "default": 1}),
    "allow_reset": Option({**YES_NO, "default": False}, "allow_reset"),
}


def declared(options: Mapping[str, Option]) -> dict[str, Any]:
    """Return the argument_spec of a module with these options."""
    return {name: dict(option.declared) for name, option in options.items()}


def to_spec(options: Mapping[str, Option], params: Mapping[str, Any], **fields: Any) -> PodSpec:
    """Return the pod that a module's parameters describe.

    :param fields: fields of the PodSpec that come from more than one option, or from none.
    :raises BadRequest: when the value of an option is not valid.
    """
    read = {option.field: option.read(params[name]) for name, option in options.items() if option.field is not None}
    return PodSpec(**{**read, **fields})


def context(params: Mapping[str, Any], provider: Provider) -> PodContext:
    """Return the context of a module for one pod, from its parameters."""
    return PodContext(
        provider=provider,
        polls=PollInterval(interval=params["poll_interval"]),
        progress=Progress(params["progress_file"]),
        run_dir=params["run_dir"],
        grace=params["consistency_grace"],
    )


def started(pod: PodSpec, params: Mapping[str, Any], provider: Provider) -> PodSpec:
    """Return the pod with its entrypoint and cmd as args. :raises BadRequest: when args are given too."""
    entrypoint, cmd = params["entrypoint"], params["cmd"]
    if entrypoint is None and cmd is None:
        return pod
    if pod.args is not None:
        raise BadRequest(
            f"The options args and {'cmd' if entrypoint is None else 'entrypoint'} were both given for the pod "
            f"{pod.name or pod.id}, but each of them says how the container starts. Leave one of them out. Nothing was "
            "rented or changed."
        )
    return replace(pod, args=provider.start_command(entrypoint, cmd))


def refuse_numbers(params: Mapping[str, Any]) -> None:
    """Refuse numbers that make no sense, before a pod is rented. :raises BadRequest: for the first."""
    waits = {f"timeouts.{stage}": seconds for stage, seconds in (params["timeouts"] or {}).items()}
    above_zero = {**waits, "max_price": params["max_price"], "poll_interval": params["poll_interval"]}
    for option, value in above_zero.items():
        if value is not None and not value > 0:
            raise BadRequest(f"The option {option} is {value:g}; give a number above 0, or leave it out.")
    if params["attempts"] < 1:
        raise BadRequest(f"The option attempts is {params['attempts']}; allow at least 1.")
    if not params["consistency_grace"] >= 0:
        raise BadRequest(f"The option consistency_grace is {params['consistency_grace']:g}; give at least 0 s.")


def readiness(module: AnsibleModule, pod: PodSpec, settings: Mapping[str, Any]) -> Readiness | None:
    """Return how to wait for the pod, or None when there is no wait.

    Everything that the wait needs on the controller is checked now, before anything is rented.

    :raises CloudError: for whatever is missing.
    """
    params = module.params
    if not params["wait"] or params["state"] in ("stopped", "absent"):
        return None
    key = arguments.existing_file(params["private_key_file"] or settings.get("private_key_file"), "private key")
    keys = pod.completed().public_keys
    if STAGES.index(params["wait_for"]) >= STAGES.index("authenticated"):
        arguments.require_programs(module, ("ssh", "ssh-keyscan", "ssh-keygen"))
        if key is not None and keys:
            # A path given instead of a key would be reported as a key that does not fit the private one.
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
