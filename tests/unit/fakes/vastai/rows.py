# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of Vast.ai as its description and its users show them."""

from __future__ import annotations

from typing import Any

KEY_LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeFakeFakeFakeFakeFakeFakeFakeFakeFakeFake run"


def instance(**changes: Any) -> dict[str, Any]:
    """An instance that runs, direct and by the gateway."""
    row = {
        "id": 12345678,
        "machine_id": 18422,
        "host_id": 61234,
        "label": "podyard-digits-r1-0-1",
        "actual_status": "running",
        "intended_status": "running",
        "cur_state": "running",
        "next_state": "running",
        "status_msg": "success, running pytorch/pytorch/ssh",
        "image_uuid": "pytorch/pytorch:2.4.0",
        "image_runtype": "ssh_direc ssh_proxy",
        "image_args": [],
        "extra_env": [["RUN_ID", "7f3a"], ["-p 8080:8080", "1"]],
        "onstart": "touch ~/.no_auto_tmux",
        "ssh_host": "ssh5.example.com",
        "ssh_port": 15678,
        "machine_dir_ssh_port": 40000,
        "public_ipaddr": "203.0.113.42\n",
        "ports": {"22/tcp": [{"HostIp": "0.0.0.0", "HostPort": "40022"}, {"HostIp": "::", "HostPort": "40022"}]},
        "num_gpus": 1,
        "gpu_name": "RTX 4090",
        "gpu_util": 12.0,
        "cpu_util": 3.0,
        "mem_limit": 60.0,
        "mem_usage": 6.0,
        "disk_space": 60.0,
        "cuda_max_good": 12.8,
        "dph_base": 0.36,
        "dph_total": 0.3725,
        "storage_cost": 0.15,
        "storage_total_cost": 0.0125,
        "is_bid": False,
        "min_bid": 0.21,
        "start_date": 1790000000.12,
        "end_date": 4102444800.0,
        "uptime_mins": 2,
        "geolocation": "Texas, US",
        "verification": "verified",
        "template_hash_id": None,
        "volume_info": [],
    }
    return {**row, **changes}


def provisioning(**changes: Any) -> dict[str, Any]:
    """One that was made a moment ago."""
    return instance(**{"actual_status": None, "status_msg": None, "ports": None, "public_ipaddr": "", **changes})


def stopped(**changes: Any) -> dict[str, Any]:
    """One that is stopped in every respect."""
    states = dict.fromkeys(("intended_status", "cur_state", "next_state"), "stopped")
    return instance(**{"actual_status": "exited", "ports": None, **states, **changes})


def offer(**changes: Any) -> dict[str, Any]:
    """A part of one machine."""
    row = {
        "id": 21530011,
        "ask_contract_id": 21530011,
        "machine_id": 18422,
        "host_id": 61234,
        "gpu_name": "RTX 4090",
        "num_gpus": 1,
        "gpu_ram": 24564,
        "gpu_total_ram": 24564,
        "compute_cap": 890,
        "cuda_max_good": 12.8,
        "driver_version": "570.86.15",
        "cpu_name": "EPYC 7543",
        "cpu_cores": 64,
        "cpu_cores_effective": 16.0,
        "cpu_ram": 256000,
        "disk_space": 412.5,
        "inet_up": 812.4,
        "inet_down": 905.2,
        "inet_up_cost": 0.002,
        "inet_down_cost": 0.001,
        "storage_cost": 0.18,
        "dph_base": 0.36,
        "dph_total": 0.3615,
        "min_bid": 0.21,
        "reliability2": 0.9975,
        "verification": "verified",
        "hosting_type": 0,
        "geolocation": "Texas, US",
        "static_ip": True,
        "direct_port_count": 124,
        "rentable": True,
        "rented": False,
        "duration": 2592000.0,
        "end_date": 1798761600.0,
    }
    return {**row, **changes}
