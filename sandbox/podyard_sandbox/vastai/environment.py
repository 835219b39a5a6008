# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment and the spec with which a container starts."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping

from podyard_sandbox.pods import PodSpec
from podyard_sandbox.pods.launch import Launch
from podyard_sandbox.vastai.instance import SSH_PORT, Instance

_TAG_TORCH = re.compile(r"pytorch[^:]*:v?(\d+)\.(\d+)\.(\d+)")
_TCP = re.compile(r"[0-9]{1,5}/tcp")


def profile_for_image(image: str, launched: bool) -> str:
    """Return the profile that stands for an image's name; the platform's start script adds an SSH server to any."""
    name = image.strip().lower().split("@")[0]
    if "nopython" in name:
        return "nopython"
    if name.endswith("slim"):
        return "slim"
    plain = not name.removeprefix("docker.io/").startswith("vastai/")
    return "nosshd" if plain and not launched else "vast"


def container_env(instance: Instance, account: Mapping[str, str]) -> dict[str, str]:
    """Return the environment: the account's, overridden by the user's, overridden by the platform's."""
    platform = {
        "CONTAINER_ID": instance.pod_id,
        "CONTAINER_API_KEY": instance.key,
        "VAST_CONTAINERLABEL": f"C.{instance.id}",
        "PUBLIC_IPADDR": "127.0.0.1",
        "SSH_PUBLIC_KEY": "\n".join(instance.key_lines()),
        "GPU_COUNT": str(instance.size),
        "DATA_DIRECTORY": "/workspace",
    }
    if instance.config.jupyter:
        platform["JUPYTER_TOKEN"] = instance.jupyter_token
    if found := _TAG_TORCH.search(instance.config.image):
        platform["PYTORCH_VERSION"] = ".".join(found.groups())
    udp = {f"VAST_UDP_PORT_{port.split('/')[0]}": port.split("/")[0] for port in _udp(instance)}
    return {**account, **instance.config.variables, **udp, **platform}


def _udp(instance: Instance) -> list[str]:
    return [port for port in instance.config.mapped if port.endswith("/udp")]


def pod_spec(
    instance: Instance, env: dict[str, str], delay: float, find_links: str | None, keys: tuple[str, ...], spoiled: bool
) -> PodSpec:
    """Return the spec for the pod runtime.

    Args:
        delay: seconds from the container's start to sshd's.
        keys: those that may log in from the start; ``spoiled`` says that sshd refuses the file with them.

    Raises:
        PodError: a value of the user's is invalid.
    """
    config, machine = instance.config, instance.machine
    ports = [SSH_PORT] if config.direct else []
    ports += [port for port in config.mapped if _TCP.fullmatch(port) and port != SSH_PORT]
    launch = Launch(config.launched, (config.onstart or "") if config.launched else "", keys, spoiled)
    return PodSpec(
        id=instance.pod_id,
        hostname=config.env.get("-h", "").strip() or f"vast{instance.id:x}",
        profile=profile_for_image(config.image, config.launched),
        env=env,
        args=_command(instance),
        ports=tuple(ports),
        mount_path=config.mount_path if config.volume else None,
        network_volume=config.volume,
        gpu_name=machine.gpu.driver_name,
        gpu_count=instance.size,
        gpu_memory_gb=round(machine.gpu.memory / 1024),
        cuda_version=str(machine.cuda),
        driver_version=machine.driver,
        sshd_delay=delay,
        find_links=find_links,
        launch=launch,
    )


def _command(instance: Instance) -> str | None:
    """Return what replaces the image's command in a launch without SSH: onstart is the entry point there."""
    config = instance.config
    if config.launched or not (config.args or config.onstart):
        return None
    return json.dumps({"entrypoint": shlex.split(config.onstart or ""), "cmd": config.args})
