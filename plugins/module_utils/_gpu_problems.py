# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a measured pod is the one that was wished for. Private to this collection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# Words of a GPU's name that one side says and the other leaves out: makers, families, forms, kinds of memory.
_NOISE = frozenset(
    {"nvidia", "geforce", "quadro", "tesla", "gpu", "generation", "edition", "server", "workstation", "blackwell"}
    | {"sxm", "sxm2", "sxm3", "sxm4", "sxm5", "sxm6", "pcie", "nvl", "hbm2", "hbm2e", "hbm3", "hbm3e"}
)
# Words that make another model of it.
_VARIANTS = frozenset({"ti", "super", "d", "ada", "mobile", "laptop", "max", "mig"})
_MEMORY = re.compile(r"\d+gb")
# Without a wish for free memory: what a driver and a desktop use is less than a tenth, another job more.
MOST_USED = 0.1


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", name.lower()))


def same_gpu(wanted: str, found: str) -> bool:
    """Whether two names mean the same GPU: `RTX 4090` and `NVIDIA GeForce RTX 4090`, but not `RTX 4070` and its Ti."""
    wish, have = _words(wanted) - _NOISE, _words(found) - _NOISE
    sizes = [{word for word in words if _MEMORY.fullmatch(word)} for words in (wish, have)]
    if sizes[0] and sizes[1] and sizes[0] != sizes[1]:
        return False
    wish, have = wish - sizes[0], have - sizes[1]
    return wish <= have and wish & _VARIANTS == have & _VARIANTS


def version(text: str) -> tuple[int, ...]:
    """A version as numbers that can be compared: `12.8` and `12.8.0` are equal."""
    numbers = [int(part) for part in re.findall(r"\d+", text)]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def problems(wishes: Mapping[str, Any], found: Mapping[str, Any], nvidia_error: str | None) -> list[str]:
    """One sentence for every wish that is not met. `wishes` are the module's options, `found` its results."""
    if nvidia_error:
        told = [f"The pod has no usable GPU: {nvidia_error}."]
    else:
        told = [*_gpus(wishes, found["gpus"]), *_versions(wishes, found)]
    told += [*_disk(wishes, found["disk"]), *_directory(found.get("directory"))]
    return [*told, *_python(wishes, found["python"]), *_torch(found)]


def _gpus(wishes: Mapping[str, Any], gpus: list[dict[str, Any]]) -> Iterator[str]:
    count = wishes["gpu_count"]
    if count is not None and len(gpus) != count:
        yield f"{count} GPU(s) were rented and {len(gpus)} are there."
    for gpu in gpus:
        name = f"GPU {gpu['index']}"
        if wishes["gpu"] and not same_gpu(wishes["gpu"], gpu["name"]):
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
        elif least and version(have) < version(least):
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
    elif least and version(python["version"]) < version(least):
        yield f"{python['path']} is Python {python['version']}, and at least {least} is needed."


def _torch(found: Mapping[str, Any]) -> Iterator[str]:
    torch = found["torch"]
    if torch and torch["error"]:
        yield f"torch {torch['version'] or ''} cannot compute on the GPU: {torch['error']}.".replace("  ", " ")
    elif torch and torch["devices"] < len(found["gpus"]):
        yield f"torch sees {torch['devices']} of {len(found['gpus'])} GPUs."
