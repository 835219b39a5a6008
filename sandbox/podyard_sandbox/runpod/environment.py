# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment and the spec with which a pod's container starts."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import replace

from podyard_sandbox.pods import PodSpec, profile_for_image
from podyard_sandbox.runpod.gpus import DRIVERS, GPUS
from podyard_sandbox.runpod.pod import Pod

_NEVER = 86_400.0  # seconds; no sandbox lives this long
_TAG_CUDA = re.compile(r"(?:^|[^a-z])cu(?:da)?(\d{2})\.?(\d)\.?(\d)?")
_TAG_TORCH = re.compile(r"-torch(\d)(\d{1,2})(\d)(?!\d)|pytorch/pytorch:(\d+)\.(\d+)\.(\d+)")


def image_versions(image: str) -> dict[str, str]:
    """Return CUDA_VERSION and PYTORCH_VERSION, as far as the image's name reveals them."""
    found = {}
    if cuda := _TAG_CUDA.search(image):
        found["CUDA_VERSION"] = ".".join(part for part in cuda.groups() if part)
    if torch := _TAG_TORCH.search(image):
        found["PYTORCH_VERSION"] = ".".join(part for part in torch.groups() if part)
    return found


def vcpus(pod: Pod) -> int:
    """Return the vCPUs of the whole pod."""
    return pod.cpu.vcpus if pod.cpu is not None else GPUS[pod.gpu_id].host_vcpus * pod.gpu_count


def container_env(pod: Pod, account_keys: Sequence[str], literal_null: bool) -> dict[str, str]:
    """Return the environment that the platform and the user set for this start.

    Args:
        account_keys: the account's SSH keys; they reach a pod only at its start, and only with startSsh.
        literal_null: with startSsh and no key in the account, set PUBLIC_KEY to the text null.
    """
    injected: dict[str, str] = {}
    if pod.start_ssh and account_keys:
        injected["PUBLIC_KEY"] = "\n".join(account_keys)
    elif pod.start_ssh and literal_null:
        injected["PUBLIC_KEY"] = "null"
    if pod.jupyter_password is not None:
        injected["JUPYTER_PASSWORD"] = pod.jupyter_password
    platform = {
        "RUNPOD_POD_ID": pod.id,
        "RUNPOD_DC_ID": pod.machine.data_center,
        "RUNPOD_POD_HOSTNAME": f"{pod.id}-{pod.host_suffix}",
        "RUNPOD_GPU_COUNT": str(pod.gpu_count),
        "RUNPOD_CPU_COUNT": str(vcpus(pod)),
        "RUNPOD_API_KEY": pod.key,
    }
    if pod.config.network_volume is not None:
        platform["RUNPOD_VOLUME_ID"] = pod.config.network_volume
    return {**image_versions(pod.config.image), **injected, **pod.config.env, **platform}


def ending(spec: PodSpec) -> PodSpec:
    """Return the spec with a command that exits at once, so that nothing in the pod ever answers."""
    return replace(spec, args="sh -c 'echo starting; exit 1'", sshd_delay=_NEVER)


def pod_spec(
    pod: Pod, env: dict[str, str], sshd_delay: float, find_links: str | None, packages: bool = True
) -> PodSpec:
    """Return the spec for the pod runtime; the host name is new at each start.

    Raises:
        PodError: a value of the user's is invalid.
    """
    cuda = pod.machine.cuda or "12.8"
    return PodSpec(
        id=pod.id,
        hostname=secrets.token_hex(6),
        profile=profile_for_image(pod.config.image),
        env=env,
        args=pod.config.args or None,
        ports=tuple(pod.config.ports),
        mount_path=pod.config.mount_path,
        network_volume=pod.config.network_volume,
        gpu_name=" ".join(pod.gpu_id.split()),
        gpu_count=pod.gpu_count,
        gpu_memory_gb=GPUS[pod.gpu_id].memory if pod.gpu_id else 0,
        cuda_version=cuda,
        driver_version=DRIVERS[cuda],
        sshd_delay=sshd_delay,
        find_links=find_links,
        packages=packages,
    )
