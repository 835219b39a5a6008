# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fake pods: a large account for clients to list. Nothing runs behind them, and they cost nothing.

The same seed and number always give the same pods; only their uptime grows. All addresses are in 198.18.0.0/15, which
is reserved for benchmarks and leads nowhere.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from datetime import UTC, datetime

from podyard_sandbox.pods import RunningPod
from podyard_sandbox.runpod.gpus import GPUS, RACKS, Rack
from podyard_sandbox.runpod.pod import SSH_PORT, Config, Pod
from podyard_sandbox.runpod.stock import Machine

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
_MONTH = 30 * 86_400
_ID_LETTERS = string.ascii_lowercase + string.digits
# Most pods of such an account run; the others were forgotten, or are just starting.
_STATUSES = {"RUNNING": 88, "EXITED": 8, "STARTING": 2, "PROVISIONING": 1, "ERROR": 1}
_PROJECTS = ("digits", "bert-large", "llama-sft", "diffusion", "whisper", "rl_atari", "vit-224", "embeddings")
_IMAGES = (
    "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
    "runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04",
    "runpod/base:0.6.3-cuda11.8.0",
    "ghcr.io/example-org/trainer:2026.1",
)
# Names that people type in the console: several pods share one, and not all of them are valid host names.
_BY_HAND = ("jupyter", "test", "my pod", "Llama 3 (try 2)", "comfyui", "worker", "do not delete!", "débruitage")
# The most pods of one run, which are consecutive.
_MAX_OF_A_RUN = 16


def make_fake_pods(count: int, seed: int, first: int) -> Iterator[Pod]:
    """Generate fake pods, in order of creation.

    Args:
        first: the number of the first one; the others are consecutive.
    """
    rng = random.Random(f"{seed}/{count}")
    racks = [(gpu_id, rack) for gpu_id, racks in RACKS.items() for rack in racks]
    # A kind with more machines is rented more often.
    weights = [rack.machines * rack.gpus for _gpu_id, rack in racks]
    names = _names(rng)
    for number, name in zip(range(count), names, strict=False):
        gpu_id, rack = rng.choices(racks, weights)[0]
        yield _pod(rng, first + number, name, gpu_id, rack)


def _names(rng: random.Random) -> Iterator[str]:
    """Yield names: four of five belong to runs, the others were chosen by people."""
    while True:
        if rng.random() < 0.2:
            yield rng.choice(_BY_HAND)
            continue
        moment = datetime.fromtimestamp(_EPOCH - rng.random() * _MONTH, UTC)
        run = f"{moment:%Y%m%d_%H%M%S}_{rng.getrandbits(16):04x}"
        project = rng.choice(_PROJECTS)
        for index in range(rng.choice((1, 1, 1, 2, 4, 8, _MAX_OF_A_RUN))):
            yield f"podyard-{project}-{run}-{index}-{rng.choice((1, 1, 1, 2))}"


def _pod(rng: random.Random, seq: int, name: str, gpu_id: str, rack: Rack) -> Pod:
    status = rng.choices(list(_STATUSES), list(_STATUSES.values()))[0]
    gpus = min(rack.gpus, rng.choice((1, 1, 1, 1, 2, 4, 8)))
    created = _EPOCH - rng.random() * _MONTH
    started = created + 20 + rng.random() * 120 if status == "RUNNING" else None
    pod = Pod(
        seq=seq,
        config=_config(rng, name),
        cloud=rack.cloud,
        gpu_id=gpu_id,
        gpu_count=gpus,
        machine=Machine(gpu_id, rack.data_center, rack.cloud, rack.cuda, rack.gpus, 0),
        usd_per_hour=round(GPUS[gpu_id].price(rack.cloud) * gpus, 4),
        start_ssh=True,
        jupyter_password=None,
        id="".join(rng.choices(_ID_LETTERS, k=14)),
        host_suffix=f"{rng.getrandbits(32):08x}",
        status=status,
        holds_gpu=False,
        assigned=status != "PROVISIONING",
        created_at=created,
        started_at=started,
        is_fake=True,
        address=f"198.{rng.randint(18, 19)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}",
    )
    if started is not None:
        _run(rng, pod, started)
    return pod


def _run(rng: random.Random, pod: Pod, started: float) -> None:
    """Give the pod ports; one of thirty has no public SSH address."""
    ports = {entry: rng.randint(10_000, 60_000) for entry in pod.config.ports if entry.endswith("/tcp")}
    pod.running = RunningPod(pod.id, ports, datetime.fromtimestamp(started, UTC), 0)
    pod.direct_at = 0.0 if rng.random() > 1 / 30 else None


def _config(rng: random.Random, name: str) -> Config:
    size = rng.choice((0, 20, 50, 200))
    return Config(
        name=name,
        image=rng.choice(_IMAGES),
        args="",
        disk=rng.choice((20, 40, 80, 200)),
        ports=[SSH_PORT, *rng.choice(((), ("8888/http",), ("8888/http", "6006/http")))],
        env={"PUBLIC_KEY": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPaper paper", "STAGE": rng.choice(("a", "b"))},
        registry=None,
        mounts={"persistent": {"size": size, "path": "/workspace"}} if size else {},
    )
