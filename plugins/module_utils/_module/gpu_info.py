# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a measured pod is the one that was wished for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._core.gpus import is_amd, same_model
from .._core.units import version

# Without a wish for free memory: what a driver and a desktop use is less than a tenth, another job more.
MOST_USED = 0.1


def same_gpu(wanted: str, found: str, memory_mb: float | None = None) -> bool:
    """False when the names say that a GPU is another than the one that was rented, see ``_gpus.same_model``: for a name
    that leaves it open no good host is given back.
    """
    return same_model(wanted, found, memory_mb) is not False


def problems(wishes: Mapping[str, Any], found: Mapping[str, Any], nvidia_error: str | None) -> list[str]:
    """One sentence for every wish that is not met. `wishes` are the module's options, `found` its results."""
    if nvidia_error and is_amd(wishes["gpu"] or ""):
        told = _unseen(wishes, found["torch"])
    elif nvidia_error:
        told = [f"The pod has no usable GPU: {nvidia_error}."]
    else:
        told = [*_gpus(wishes, found["gpus"]), *_versions(wishes, found)]
    told += [*_disk(wishes, found["disk"]), *_directory(found.get("directory"))]
    return [*told, *_python(wishes, found["python"]), *_torch(found)]


def _unseen(wishes: Mapping[str, Any], torch: Mapping[str, Any] | None) -> list[str]:
    """Of GPUs that nvidia-smi knows nothing of only torch tells whether they are there."""
    count = wishes["gpu_count"]
    if torch is None or torch["error"] or count is None or torch["devices"] >= count:
        return []
    return [f"torch sees {torch['devices']} of {count} GPUs."]


def _gpus(wishes: Mapping[str, Any], gpus: list[dict[str, Any]]) -> Iterator[str]:
    count = wishes["gpu_count"]
    if count is not None and len(gpus) != count:
        yield f"{count} GPU(s) were rented and {len(gpus)} are there."
    for gpu in gpus:
        name = f"GPU {gpu['index']}" if gpu["index"] is not None else "A GPU"
        if gpu.get("faults"):
            yield f"nvidia-smi tells of a broken GPU: {', '.join(gpu['faults'])}."
        if wishes["gpu"] and not same_gpu(wishes["gpu"], gpu["name"], gpu["memory_total_mb"]):
            yield f"{name} is of the model {gpu['name']}, and {wishes['gpu']} was rented."
        total, free = gpu["memory_total_mb"], gpu["memory_free_mb"]
        least = wishes["min_free_gpu_memory_gb"]
        if total is None or free is None:
            continue
        if least is not None and free < least * 1024:
            yield f"{name} has {free / 1024:.1f} GiB of memory free, and {least:g} GiB are needed."
        elif least is None and total - free > MOST_USED * total:
            yield (
                f"{name} has {(total - free) / 1024:.1f} of {total / 1024:.1f} GiB of its memory in use before the "
                "training starts: somebody else's process holds it."
            )


def _versions(wishes: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for wish, key, title in (
        ("min_cuda_version", "cuda_version", "CUDA version that the driver supports"),
        ("min_driver_version", "driver_version", "NVIDIA driver"),
    ):
        least, have = wishes[wish], found[key]
        if least and not have:
            yield f"The {title} is unknown, and at least {least} is needed."
        elif least and (version(have) or ()) < (version(least) or ()):
            yield f"The {title} is {have}, and at least {least} is needed."


def _disk(wishes: Mapping[str, Any], disk: Mapping[str, Any]) -> Iterator[str]:
    least = wishes["min_disk_free_gb"]
    if not disk["exists"]:
        yield f"There is no directory {disk['path']} on the pod."
    elif not disk["writable"]:
        yield f"Nothing can be written to {disk['path']}: {disk['error']}."
    elif least is not None and not disk["network"] and disk["free_gb"] < least:
        yield f"{disk['path']} has {disk['free_gb']:.1f} GiB free, and {least:g} GiB are needed."


def _directory(directory: Mapping[str, Any] | None) -> Iterator[str]:
    if directory is not None and not directory["usable"]:
        yield (
            f"The user {directory['user']}, as whom SSH logs in, cannot write to {directory['path']} nor make it: "
            "choose a directory of that user's own (train_mount_path), or an image that lets root in (train_ssh_user)."
        )


def _python(wishes: Mapping[str, Any], python: Mapping[str, Any]) -> Iterator[str]:
    least = wishes["min_python_version"]
    if python["path"] is None:
        yield f"There is no {wishes['python']} on the pod."
    elif python["version"] is None:
        yield f"{python['path']} does not run: {python['error']}."
    elif least and (version(python["version"]) or ()) < (version(least) or ()):
        yield f"{python['path']} is Python {python['version']}, and at least {least} is needed."


def _torch(found: Mapping[str, Any]) -> Iterator[str]:
    torch = found["torch"]
    if torch and torch["error"]:
        yield f"torch {torch['version'] or ''} cannot compute on the GPU: {torch['error']}.".replace("  ", " ")
    elif torch and torch["devices"] < len(found["gpus"]):
        yield f"torch sees {torch['devices']} of {len(found['gpus'])} GPUs."
