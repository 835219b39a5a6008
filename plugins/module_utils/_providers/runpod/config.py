# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find RunPod's key, address and other settings in the same places as the vendor's own tools."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..._core.errors import AuthError
from ..settings import Setting, Sources, checked_address, checked_key, find_address

try:
    import tomllib
except ImportError:  # Python before 3.11, which a module may run under on a host other than the controller
    tomllib = None  # type: ignore[assignment]

#: GB of the smallest volume disk.
LEAST_VOLUME = 10
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
        "The GPU model; several, separated by commas, in order of preference.",
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
        "The size of the volume disk, which outlives a stop of the pod. Ignored with a network volume.",
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


KEY_VARIABLE = "RUNPOD_API_KEY"
URL_VARIABLE = "RUNPOD_API_BASE_URL"
DEFAULT_URL = "https://api.runpod.io"
#: The vendor's Python tools write ``api_key = "…"`` under a profile, its command line tool ``apikey = '…'``.
_KEY_NAME = re.compile(r"api_?key", re.IGNORECASE)
#: The same in a line, and a profile's heading, of a file that is damaged or cannot be parsed here.
_KEY_LINE = re.compile(r"""^\s*api_?key\s*=\s*(["'])(?P<key>[^"']+)\1\s*(#.*)?$""", re.IGNORECASE)
_PROFILE_LINE = re.compile(r"""^\s*\[\s*["']?(?P<name>[^\]"']*?)["']?\s*\]\s*(#.*)?$""")


def find_key(option: str | None, environ: Mapping[str, str]) -> str:
    """Return the API key: option, environment, ``.env``, ``~/.runpod/config.toml``.

    :raises AuthError: when there is none, or when it cannot be one (blanks, control characters).
    """
    config = config_file(environ)
    key = option or _found(KEY_VARIABLE, environ) or _from_config(config)
    if not key or not key.strip():
        raise AuthError(
            f"There is no API key for RunPod: set the option api_key, the environment variable {KEY_VARIABLE}, "
            f"{KEY_VARIABLE}=… in a .env file in the working directory, or api_key in {config}."
        )
    return checked_key(key, "RunPod")


def key_origin(environ: Mapping[str, str], sources: Sources) -> tuple[str, str] | None:
    """Where a key would be taken from that no option gives: its name there, and the place. None without one."""
    found = sources.find(KEY_VARIABLE)
    if found is not None:
        return KEY_VARIABLE, found[1]
    config = config_file(environ)
    return ("api_key", str(config)) if _from_config(config) else None


def every_key(environ: Mapping[str, str], sources: Sources) -> list[str]:
    """Return the keys in all of the places in which one is looked for."""
    return [*sources.every(KEY_VARIABLE), *_config_keys(config_file(environ)).values()]


def config_file(environ: Mapping[str, str]) -> Path:
    """Return the configuration file of the vendor's own tools."""
    return Path(environ.get("HOME") or "~").expanduser() / ".runpod" / "config.toml"


def find_url(option: str | None, environ: Mapping[str, str], key: str | None = None) -> str:
    """Scheme, host and port of the API: option, environment, ``.env``, else the vendor's.

    :param key: the key that an option gives.
    :raises BadRequest: for what is no URL, would send the key unencrypted over a network, or stands in a file and would
        send away a key that stands elsewhere.
    """
    text = option or find_address(Sources(environ), URL_VARIABLE, KEY_VARIABLE, bool(key), DEFAULT_URL) or DEFAULT_URL
    return checked_address(text, "RunPod", ("/v2", "/graphql"), DEFAULT_URL)


def _found(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the text under this name in the environment or a ``.env`` file."""
    found = Sources(environ).find(name)
    return found[0] if found is not None else None


def _from_config(path: Path) -> str | None:
    """Return the key in the vendor's configuration file; None when there is no such file or no key in it.

    Of several profiles ``default`` counts, else the one that stands before all profiles. A single other profile is
    used; of several others none is, since the choice would be a guess.
    """
    keys = _config_keys(path)
    single = next(iter(keys.values())) if len(keys) == 1 else None
    return keys.get("default") or keys.get("") or single


def _config_keys(path: Path) -> dict[str, str]:
    """Return the keys in the vendor's configuration file by profile; of each profile the first.

    A file that is not TOML is read line by line: a key in it must not be taken for a harmless text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    try:
        found = [*_in_tables("", tomllib.loads(text))] if tomllib is not None else [*_in_lines(text)]
    except (ValueError, RecursionError):
        found = [*_in_lines(text)]
    return dict(reversed(found))


def _in_tables(profile: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each profile that has a key, and the key; the profile of the top level is empty."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _in_tables(f"{profile}.{name}" if profile else name, value)
        elif isinstance(value, str) and value and _KEY_NAME.fullmatch(name):
            yield profile, value


def _in_lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield the same from the lines that have the form in which the vendor's tools write them."""
    profile = ""
    for line in text.splitlines():
        heading, entry = _PROFILE_LINE.match(line), _KEY_LINE.match(line)
        if heading:
            profile = heading["name"]
        elif entry:
            yield profile, entry["key"]
