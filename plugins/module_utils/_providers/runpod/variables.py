# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of RunPod's settings by environment. Private to this collection.

What reads them, what documents them (``examples/env.template``, ``docs/runpod.md``), and the tests that hold these
equal all start here.
"""

from __future__ import annotations

from ..settings import Setting
from .checks import LEAST_VOLUME

PROXY_ONLY_SHOWN = (
    "RunPod's SSH proxy is an interactive shell without commands and files, so it is only shown to people; connections "
    "always go to the pod's own address, whatever RUNPOD_NO_GATEWAY says."
)

TABLE: tuple[Setting, ...] = (
    Setting(
        "RUNPOD_API_KEY",
        "The API key of the account.",
        "rpa_…",
        option="api_key",
        secret=True,
    ),
    Setting(
        "RUNPOD_API_BASE_URL",
        "Scheme, host and port of the API; for tests, or for a proxy of your own.",
        "https://api.runpod.io",
        option="api_url",
    ),
    Setting(
        "RUNPOD_TEMPLATE_ID",
        "A template, by id or name, for what is not given otherwise.",
        "runpod-torch-v280",
        option="template",
        variable="train_template",
        beaten_by=("image", "train_image"),
    ),
    Setting(
        "RUNPOD_GPU_TYPE",
        "The GPU model; several with commas, the wanted one first.",
        "RTX 4090",
        kind="list",
        option="gpus",
        variable="train_gpus",
        beaten_by=("cpu",),
    ),
    Setting(
        "RUNPOD_WORKER_IMAGE",
        "The container image.",
        "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
        kind="word",
        option="image",
        variable="train_image",
        beaten_by=("template", "train_template"),
    ),
    Setting(
        "RUNPOD_STORAGE_NAME",
        "The network volume to attach, by name or id. The pod is then rented in the volume's data centre.",
        "datasets",
        option="network_volume",
        variable="train_network_volume",
        beaten_by=("volume", "train_volume_size"),
    ),
    Setting(
        "RUNPOD_VOLUME_MOUNT_PATH",
        "Where the network volume or the volume disk is mounted.",
        "/workspace",
        kind="word",
        option="volume.path",
        variable="train_mount_path",
    ),
    Setting(
        "RUNPOD_DISK_SIZE_GB",
        "The size of the volume disk, which outlives a stop of the pod. Means nothing beside a network volume.",
        "50",
        kind="int",
        unit="GB",
        least=LEAST_VOLUME,
        option="volume",
        variable="train_volume_size",
        beaten_by=("RUNPOD_STORAGE_NAME", "network_volume", "train_network_volume"),
    ),
    Setting(
        "RUNPOD_CONTAINER_DISK_GB",
        "The size of the container's own disk, which a stop wipes.",
        "20",
        kind="int",
        unit="GB",
        option="disk",
        variable="train_disk",
    ),
    Setting(
        "RUNPOD_SSH_PUBLIC_KEY_PATH",
        "A file with the public keys that may log in.",
        "~/.ssh/id_ed25519.pub",
        kind="file",
        option="public_keys",
        variable="train_ssh_public_keys",
    ),
    Setting(
        "RUNPOD_SSH_PRIVATE_KEY_PATH",
        "The private key to log in with. Without it a run makes a key of its own.",
        "~/.ssh/id_ed25519",
        kind="file",
        option="private_key_file",
        variable="train_ssh_private_key",
    ),
    Setting(
        "RUNPOD_DIRECT_SSH_USER",
        "The user to log in as. Without it the one that RunPod names, which is root in its own images.",
        "root",
        kind="word",
        option="ssh_user",
        variable="train_ssh_user",
    ),
    Setting(
        "RUNPOD_NO_GATEWAY",
        "Accepted, and true anyway: the SSH proxy is an interactive shell and is only shown to people.",
        "1",
        kind="flag",
        remark=PROXY_ONLY_SHOWN,
    ),
)
