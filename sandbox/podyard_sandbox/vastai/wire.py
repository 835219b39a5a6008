# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances as the API's JSON."""

from __future__ import annotations

import time
from typing import Any

from podyard_sandbox.pods import PodRuntime
from podyard_sandbox.vastai import gateway
from podyard_sandbox.vastai.instance import SSH_PORT, Instance
from podyard_sandbox.vastai.market import hardware, per_hour
from podyard_sandbox.vastai.volumes import number_at

# Columns that lists can filter and sort by: stored ones, not computed ones such as dph_total or num_gpus.
STORED = (
    "id", "label", "actual_status", "intended_status", "cur_state", "next_state", "gpu_name", "verification",
    "machine_id", "host_id", "image_uuid", "start_date", "end_date", "geolocation", "is_bid", "template_hash_id",
    "template_id", "status_msg", "ssh_host", "ssh_port",
)  # fmt: skip


def instance_json(instance: Instance, runtime: PodRuntime) -> dict[str, Any]:
    """Return an instance as show and the lists answer it."""
    now = time.time()
    return {
        "id": instance.id,
        **hardware(instance.machine, instance.size),
        "label": instance.config.label,
        **states(instance),
        **_launch(instance),
        **_address(instance),
        **_use(instance, runtime),
        **_price(instance),
        "start_date": instance.created_at,
        "end_date": instance.ends_at,
        "duration": max(0.0, instance.ends_at - now),
        "uptime_mins": round((now - instance.started_at) / 60, 2) if instance.started_at is not None else None,
        "country_code": None,
        "jupyter_token": instance.jupyter_token,
        "webpage": None,
        "external": False,
        "rentable": True,
        "bundle_id": 900_000 + instance.machine.id % 100_000,
        "time_remaining": "",
        "time_remaining_isbid": "",
        "client_run_time": 1.1,
        "host_run_time": 2_592_000.0,
    }


def _use(instance: Instance, runtime: PodRuntime) -> dict[str, Any]:
    """Return the usage of the rented hardware, mostly unknown while nothing runs."""
    machine = instance.machine
    answers = instance.running is not None and instance.lost is None and instance.gone_at is None
    use = runtime.utilisation(instance.pod_id) if answers else None
    return {
        "gpu_totalram": machine.gpu.memory * instance.size,
        "gpu_util": round(use.gpu_percent, 1) if use is not None else None,
        "gpu_temp": 38.0 if use is not None else None,
        "vmem_usage": None,
        "cpu_util": round(use.cpu_percent, 1) if use is not None else 0.0,
        "mem_limit": round(machine.ram * instance.size / machine.count / 1024, 1),
        "mem_usage": None,
        "disk_space": instance.config.disk,
        "disk_usage": 0.4 if instance.has_container else 0.0,
        "disk_util": -1,
    }


def _price(instance: Instance) -> dict[str, Any]:
    """Return the price while running, even for a stopped instance; only ``instance`` is what it costs now."""
    gpus, disk = instance.gpu_usd, round(instance.disk_usd, 6)
    return {
        "dph_base": gpus,
        "dph_total": instance.total_usd,
        "storage_total_cost": disk,
        "is_bid": instance.bid is not None,
        "credit_balance": None,
        "credit_discount": None,
        "search": per_hour(gpus, disk),
        "instance": per_hour(gpus if instance.cur == "running" else 0.0, disk),
    }


def states(instance: Instance) -> dict[str, Any]:
    """Return the instance's actual, intended and next states."""
    text = "Host is not responding" if instance.lost is not None else instance.status_msg
    return {
        "actual_status": instance.lost or instance.actual,
        "intended_status": instance.intended,
        "cur_state": instance.cur,
        "next_state": instance.next,
        "status_msg": text,
    }


def _launch(instance: Instance) -> dict[str, Any]:
    config = instance.config
    volumes = []
    if config.volume is not None:
        number = number_at(config.volume)
        volumes = [{"volume_id": number, "name": f"V.{number}", "mount_path": config.mount_path}]
    return {
        "image_uuid": config.image,
        "image_runtype": config.runtype,
        "image_args": config.args,
        "extra_env": [[name, value] for name, value in config.env.items()],
        "onstart": config.onstart or "",
        "template_id": config.template_id,
        "template_hash_id": config.template_hash,
        "template_name": config.template_name,
        "volume_info": volumes,
    }


def _address(instance: Instance) -> dict[str, Any]:
    """Return where SSH answers: at the machine's own address and mapped port, and at the gateway."""
    return {
        "ssh_idx": str(instance.id % 9 + 1),
        "ssh_host": gateway.HOST,
        "ssh_port": instance.gateway.port,
        "machine_dir_ssh_port": instance.gateway.unused_port,
        "public_ipaddr": "127.0.0.1\n" if instance.newline else "127.0.0.1",
        "local_ipaddrs": "10.2.0.7 172.17.0.1 \n",
        "ports": _ports(instance),
        "direct_port_start": -1,
        "direct_port_end": -1,
    }


def _ports(instance: Instance) -> dict[str, Any] | None:
    """Return the port map: null while nothing runs, empty if no port is mapped."""
    running = instance.running
    if running is None or instance.actual not in ("running", "frozen") or instance.ports_null:
        return None
    if instance.proxy_only:
        return {}
    found = {SSH_PORT: running.ports[SSH_PORT]} if instance.config.direct and SSH_PORT in running.ports else {}
    for port in instance.config.mapped:
        number = running.ports.get(port, int(port.split("/")[0]))
        # A number above 65535 asks for a port that is the same inside and outside.
        found[f"{number}/{port.split('/')[1]}" if int(port.split("/")[0]) > 65_535 else port] = number
    hosts = ("0.0.0.0", "::")
    return {port: [{"HostIp": host, "HostPort": str(number)} for host in hosts] for port, number in found.items()}
