# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare what was measured on a pod with what was rented and required."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._core.gpus import is_amd, same_model
from .._core.units import version

# When no minimum is given: a driver and a desktop use less than a tenth of the memory, another job uses more.
MOST_USED = 0.1


def same_gpu(wanted: str, found: str, memory_mb: float | None = None) -> bool:
    """Return False only when the names prove that a GPU is not the one that was rented.

    Where the names leave it open (see ``gpus.same_model``) the answer is True, so that no good host is given back.
    """
    return same_model(wanted, found, memory_mb) is not False


def problems(required: Mapping[str, Any], found: Mapping[str, Any], nvidia_error: str | None) -> list[str]:
    """Return one sentence for each requirement that is not met.

    :param required: the module's options.
    :param found: the module's results.
    :param nvidia_error: why nvidia-smi could not be used, if it could not.
    """
    if nvidia_error and is_amd(required["gpu"] or ""):
        sentences = _unseen(required, found["torch"])
    elif nvidia_error:
        sentences = [f"The pod has no usable GPU: {nvidia_error}."]
    else:
        sentences = [*_gpus(required, found["gpus"]), *_versions(required, found)]
    sentences += [*_disk(required, found["disk"]), *_directory(found.get("directory"))]
    return [*sentences, *_python(required, found["python"]), *_torch(found)]


def _unseen(required: Mapping[str, Any], torch: Mapping[str, Any] | None) -> list[str]:
    """Judge GPUs that nvidia-smi does not show by what torch sees."""
    count = required["gpu_count"]
    if torch is None or torch["error"] or count is None or torch["devices"] >= count:
        return []
    return [f"torch sees {torch['devices']} of {count} GPUs."]


def _gpus(required: Mapping[str, Any], gpus: list[dict[str, Any]]) -> Iterator[str]:
    count = required["gpu_count"]
    if count is not None and len(gpus) != count:
        yield f"{count} {'GPU was' if count == 1 else 'GPUs were'} rented, but the pod has {len(gpus)}."
    for gpu in gpus:
        name = f"GPU {gpu['index']}" if gpu["index"] is not None else "A GPU"
        if gpu.get("faults"):
            yield f"nvidia-smi reports a broken GPU: {', '.join(gpu['faults'])}."
        if required["gpu"] and not same_gpu(required["gpu"], gpu["name"], gpu["memory_total_mb"]):
            yield f"{name} is of the model {gpu['name']}, but {required['gpu']} was rented."
        total, free = gpu["memory_total_mb"], gpu["memory_free_mb"]
        least = required["min_free_gpu_memory_gb"]
        if total is None or free is None:
            continue
        if least is not None and free < least * 1024:
            yield f"{name} has {free / 1024:.1f} GiB of free memory, but {least:g} GiB are needed."
        elif least is None and total - free > MOST_USED * total:
            yield (
                f"{(total - free) / 1024:.1f} of the {total / 1024:.1f} GiB of memory of {name} are in use before the "
                "training starts: another process holds them."
            )


def _versions(required: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for option, key, title in (
        ("min_cuda_version", "cuda_version", "CUDA version that the driver supports"),
        ("min_driver_version", "driver_version", "NVIDIA driver version"),
    ):
        least, have = required[option], found[key]
        if least and not have:
            yield f"The {title} is unknown, but at least {least} is needed."
        elif least and (version(have) or ()) < (version(least) or ()):
            yield f"The {title} is {have}, but at least {least} is needed."


def _disk(required: Mapping[str, Any], disk: Mapping[str, Any]) -> Iterator[str]:
    least = required["min_disk_free_gb"]
    if not disk["exists"]:
        yield f"There is no directory {disk['path']} on the pod."
    elif not disk["writable"]:
        yield f"{disk['path']} is not writable: {disk['error']}."
    elif least is not None and not disk["network"] and disk["free_gb"] < least:
        yield f"{disk['path']} has {disk['free_gb']:.1f} GiB of free space, but {least:g} GiB are needed."


def _directory(directory: Mapping[str, Any] | None) -> Iterator[str]:
    if directory is not None and not directory["usable"]:
        yield (
            f"SSH logs in as the user {directory['user']}, who can neither write to {directory['path']} nor create it: "
            "choose a directory that this user owns (train_mount_path), or an image that lets root log in "
            "(train_ssh_user)."
        )


def _python(required: Mapping[str, Any], python: Mapping[str, Any]) -> Iterator[str]:
    least = required["min_python_version"]
    if python["path"] is None:
        yield f"There is no {required['python']} on the pod."
    elif python["version"] is None:
        yield f"{python['path']} does not run: {python['error']}."
    elif least and (version(python["version"]) or ()) < (version(least) or ()):
        yield f"{python['path']} is Python {python['version']}, but at least {least} is needed."


def _torch(found: Mapping[str, Any]) -> Iterator[str]:
    torch = found["torch"]
    if torch and torch["error"]:
        yield f"torch {torch['version'] or ''} cannot compute on the GPU: {torch['error']}.".replace("  ", " ")
    elif torch and torch["devices"] < len(found["gpus"]):
        yield f"torch sees {torch['devices']} of {len(found['gpus'])} GPUs."
