# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods and GPUs as RunPod's REST v2 writes them, composed from its description."""

from __future__ import annotations

import copy
from typing import Any

RUNNING: dict[str, Any] = {
    "id": "7h9k2m4n6p",
    "name": "train-a1b2c3",
    "status": "RUNNING",
    "actions": ["stop", "restart", "terminate"],
    "image": "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
    "args": "",
    "disk": 40,
    "mounts": {"network": [{"volumeId": "agv6w2qcg7", "path": "/workspace"}]},
    "ports": ["22/tcp"],
    "env": {"RUN_ID": "a1b2c3"},
    "registry": None,
    "cloud": "SECURE",
    "dataCenterId": "EU-RO-1",
    "cudaVersion": "12.8",
    "gpu": {"id": "NVIDIA GeForce RTX 4090", "count": 1},
    "ssh": {
        "proxy": {"host": "ssh.runpod.io", "port": 22, "username": "7h9k2m4n6p-64411eb2", "command": "ssh …"},
        "direct": {"host": "203.0.113.9", "port": 34446, "username": "root", "command": "ssh …"},
    },
    "template": None,
    "cost": 0.69,
    "locked": False,
    "runtime": {
        "uptime": 95,
        "gpus": [{"util": 7, "memoryUtil": 5}],
        "cpu": {"util": 3},
        "memory": {"util": 2},
        "ports": [{"private": 22, "public": 34446, "type": "tcp", "ip": "203.0.113.9"}],
    },
    "createdAt": "2026-10-01T10:00:00Z",
    "startedAt": "2026-10-01T10:02:10Z",
    "globalNetworking": {"enabled": False},
}
RTX_4090: dict[str, Any] = {
    "id": "NVIDIA GeForce RTX 4090",
    "name": "RTX 4090",
    "pool": "ADA_24",
    "manufacturer": "NVIDIA",
    "memory": 24,
    "secure": True,
    "community": True,
    "price": {"secure": 0.69, "community": 0.34},
    "maxCount": {"secure": 8, "community": 4},
    "availability": "LOW",
    "dataCenters": [
        {"id": "EU-RO-1", "name": "EU Romania 1", "availability": "LOW"},
        {"id": "US-IL-1", "name": "US Illinois 1", "availability": "HIGH"},
    ],
    "cudaVersions": [{"version": "12.8", "available": True}, {"version": "12.4", "available": False}],
}
A100_PCIE: dict[str, Any] = {
    "id": "NVIDIA A100 80GB PCIe",
    "name": "A100 PCIe",
    "memory": 80,
    "secure": True,
    "community": False,
    "price": {"secure": 1.64, "community": 1.19},
    "maxCount": {"secure": 8, "community": 8},
    "availability": "HIGH",
}


def pod(**changes: Any) -> dict[str, Any]:
    """A running pod with these fields changed; a change to ``...`` takes the field away."""
    made = copy.deepcopy(RUNNING)
    for name, value in changes.items():
        if value is ...:
            del made[name]
        else:
            made[name] = value
    return made


def fresh(**changes: Any) -> dict[str, Any]:
    """A pod as a create answers it."""
    start = {
        "status": "PROVISIONING",
        "ssh": {"proxy": None, "direct": None},
        "runtime": None,
        "dataCenterId": None,
        "startedAt": None,
        "actions": ["stop", "terminate"],
    }
    return pod(**{**start, **changes})


def gpu(**changes: Any) -> dict[str, Any]:
    """The RTX 4090 with these fields changed; a change to ``...`` takes the field away."""
    made = {**copy.deepcopy(RTX_4090), **changes}
    return {name: value for name, value in made.items() if value is not ...}
