# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods, GPUs and data centres as the API's JSON."""

from __future__ import annotations

import time
from typing import Any

from podyard_sandbox.pods import PodRuntime
from podyard_sandbox.runpod.bodies import NEWER_FIELDS
from podyard_sandbox.runpod.commands import shown as command_shown
from podyard_sandbox.runpod.environment import vcpus
from podyard_sandbox.runpod.gpus import GPUS
from podyard_sandbox.runpod.pod import Pod
from podyard_sandbox.timestamps import api_time

_PROXY_HOST = "ssh.runpod.io"


def example_json(shown: dict[str, Any], pod: Pod) -> dict[str, Any]:
    """Show a PROVISIONING pod like the API description's example, which contradicts its prose."""
    return {
        **shown,
        "actions": ["start", "terminate"],
        "dataCenterId": pod.machine.data_center,
        "cudaVersion": pod.machine.cuda,
        "ssh": {"proxy": _proxy(pod), "direct": None},
        "runtime": {},
    }


def older_json(shown: dict[str, Any]) -> dict[str, Any]:
    """Show a pod or template without the fields that came later."""
    shown = {name: value for name, value in shown.items() if name not in NEWER_FIELDS["$"]}
    if "gpu" not in shown:
        return shown
    return {**shown, "gpu": {name: shown["gpu"][name] for name in ("id", "count")}}


def pod_json(pod: Pod, runtime: PodRuntime) -> dict[str, Any]:
    """Show a pod as get, list, create, patch and action answer it."""
    if pod.leaving is not None and pod.last_shown is not None:
        return pod.last_shown
    config = pod.config
    shown = {
        "id": pod.id,
        "name": config.name,
        "status": pod.status,
        "actions": list(pod.actions),
        "image": config.image,
        **command_shown(config.args),
        "disk": config.disk,
        "mounts": config.mounts,
        "ports": config.ports,
        "env": config.env,
        "registry": config.registry,
        "cloud": pod.cloud,
        "dataCenterId": pod.machine.data_center if pod.assigned else None,
        "cudaVersion": pod.machine.cuda if pod.assigned else None,
        "ssh": {"proxy": _proxy(pod) if pod.assigned else None, "direct": _direct(pod)},
        "template": None,
        "cost": 0.0 if pod.status in ("EXITED", "TERMINATED") else pod.usd_per_hour,
        "locked": config.locked,
        "runtime": _runtime(pod, runtime) if pod.status == "RUNNING" else None,
        "createdAt": api_time(pod.created_at),
        "startedAt": api_time(pod.started_at) if pod.started_at is not None else None,
        "globalNetworking": _networking(pod),
    }
    if pod.cpu is not None:
        shown["cpu"] = {"id": pod.cpu.id, "vcpuCount": pod.cpu.vcpus, "memory": pod.cpu.memory}
    else:
        memory = GPUS[pod.gpu_id].host_ram * pod.gpu_count
        shown["gpu"] = {"id": pod.gpu_id, "count": pod.gpu_count, "vcpuCount": vcpus(pod), "memory": memory}
    return shown


def _proxy(pod: Pod) -> dict[str, Any]:
    user = f"{pod.id}-{pod.host_suffix}"
    return {"host": _PROXY_HOST, "port": 22, "username": user, "command": f"ssh {user}@{_PROXY_HOST}"}


def _direct(pod: Pod) -> dict[str, Any] | None:
    port = pod.ssh_port()
    if port is None:
        return None
    whom = pod.address if pod.ssh_user is None else f"{pod.ssh_user}@{pod.address}"
    return {"host": pod.address, "port": port, "username": pod.ssh_user, "command": f"ssh {whom} -p {port}"}


def _runtime(pod: Pod, runtime: PodRuntime) -> dict[str, Any] | None:
    if pod.running is None or pod.started_at is None:
        return None
    use = None if pod.lost or pod.is_fake else runtime.utilisation(pod.id)
    gpus = use.gpus if use is not None else ()
    return {
        "uptime": int(time.time() - pod.started_at),
        "gpus": [{"util": round(gpu.gpu_percent), "memoryUtil": round(gpu.memory_percent)} for gpu in gpus]
        or [{"util": 0, "memoryUtil": 0}] * pod.gpu_count,
        "cpu": {"util": round(use.cpu_percent) if use is not None else 0},
        "memory": {"util": round(use.memory_percent) if use is not None else 0},
        "ports": [_port(pod, entry) for entry in pod.config.ports],
    }


def _port(pod: Pod, entry: str) -> dict[str, Any]:
    private, kind = entry.split("/")
    public = None
    if kind == "tcp" and pod.running is not None:
        public = pod.ssh_port() if private == "22" else pod.running.ports.get(entry)
    return {
        "private": int(private),
        "public": public,
        "type": kind,
        "ip": pod.address if public is not None else None,
    }


def _networking(pod: Pod) -> dict[str, Any]:
    if not pod.network_at_start:
        return {"enabled": False}
    return {
        "enabled": True,
        "ip": f"10.65.{pod.seq // 250 % 250}.{pod.seq % 250 + 1}",
        "internalDns": f"{pod.id}.runpod.internal",
    }
