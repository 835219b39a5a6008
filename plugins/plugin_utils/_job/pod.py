# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module pod as one mapping: how a job fills them in, and how a caller's are read.

Roles and actions hand such a mapping on as it is, so that an option is declared by the module alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ...module_utils._module.pod import ARGUMENTS
from ...module_utils._providers import registry
from .spec import suggestion

#: What says how the module is called, and nothing of a pod; it cannot be part of such a mapping.
NOT_OF_A_POD = ("spec", "progress_file")
#: Options of the module pod that a job has under its own name.
RENAMED = {"max_hours": "hours", "lease_hours": "lease", "identity": "name"}
#: What a plan says of a pod too, under the same name.
PLANNED = (
    "providers", "image", "template", "registry", "gpus", "min_gpu_memory", "min_compute_capability", "min_memory",
    "min_vcpus", "min_cuda_version", "bid", "max_price", "rank_by", "attempts", "deadline",
)  # fmt: skip
#: Options that a job and the module pod call the same.
SAME = (
    *PLANNED, "gpu_count", "regions", "clouds", "interruptible", "disk", "ssh_user", "ssh_users", "bootstrap_ssh",
    "timeouts", "poll_interval", "consistency_grace",
)  # fmt: skip


class BadOptions(Exception):
    """A mapping is not one of the module pod's options; the text is a sentence for people."""


def of_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the module pod's options for the pod of a job, by their own names.

    `job` is a good one with what follows from it (see `job.derived`). What the job does not say is left out, so that
    the module's defaults count; 0 and false are said. The keys of the login and the run's directory are not known yet.
    """
    pod = {name: job[name] for name in SAME}
    pod.update({option: job[name] for name, option in RENAMED.items()})
    path = job["mount_path"]
    if job["volume_size"] is not None:
        pod["volume"] = {"size": job["volume_size"], "path": path}
    if job["network_volume"]:
        # An id does as well.
        pod["network_volume"] = {"name": job["network_volume"], "path": path}
    if job["search"]:
        market = [name for name in registry.names() if registry.capabilities(name).query]
        pod.update({name: {"search": job["search"]} for name in market})
    # SSH is the way to it. The job has read the settings already, and the plan shows what they said.
    pod.update(ports=["22/tcp"], settings=False)
    return {name: value for name, value in pod.items() if value is not None and value not in ("", [], {})}


def given(options: Any, called: str) -> dict[str, Any]:
    """Return the options of the module pod that a caller's mapping gives. What is null is not given.

    :param called: what the caller calls the mapping, for messages.
    :raises BadOptions: when it is no mapping, or names what the module does not have.
    """
    if not isinstance(options, Mapping):
        raise BadOptions(f"{called} must be a mapping of options of podyard.gpu.pod, not a {type(options).__name__}.")
    known = [name for name in ARGUMENTS if name not in NOT_OF_A_POD]
    foreign = sorted(str(name) for name in options if name not in known)
    if foreign:
        raise BadOptions(f"{called}: {foreign[0]} is not an option of podyard.gpu.pod{suggestion(foreign[0], known)}")
    return {name: value for name, value in options.items() if value is not None}


def complete(options: Any, called: str) -> dict[str, Any]:
    """Return all options of the module pod: those that are given, in the declared types, and the defaults.

    The name may be left out.

    :param called: what the caller calls the mapping, for messages.
    :raises BadOptions: as `given`, and for a value that the module would refuse.
    """
    declared = {name: option for name, option in ARGUMENTS.items() if name not in NOT_OF_A_POD}
    declared["name"] = {"type": "str"}
    result = ArgumentSpecValidator(declared).validate(given(options, called))
    if result.error_messages:
        raise BadOptions(f"{called}: {result.error_messages[0].rstrip('.')}.")
    return dict(result.validated_parameters)
