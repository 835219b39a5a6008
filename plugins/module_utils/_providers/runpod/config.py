# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where RunPod's key and address come from: the same places as for the vendor's own tools. Private to this
collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..._core.errors import AuthError
from ..settings import Sources, checked_address, checked_key, find_address

KEY_VARIABLE = "RUNPOD_API_KEY"
URL_VARIABLE = "RUNPOD_API_BASE_URL"
DEFAULT_URL = "https://api.runpod.io"
#: The vendor's Python tools write ``api_key = "…"`` under a profile, its command line tool ``apikey = '…'``.
_TOML_KEY = re.compile(r"""^\s*api_?key\s*=\s*(["'])(?P<key>[^"']+)\1\s*(#.*)?$""", re.IGNORECASE)
_TOML_PROFILE = re.compile(r"""^\s*\[\s*["']?(?P<name>[^\]"']*?)["']?\s*\]\s*(#.*)?$""")


def find_key(option: str | None, environ: Mapping[str, str]) -> str:
    """The API key: option, environment, ``.env``, ``~/.runpod/config.toml``.

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
    """The keys that stand in any of the places in which one is looked for."""
    return [*sources.every(KEY_VARIABLE), *_config_keys(config_file(environ)).values()]


def config_file(environ: Mapping[str, str]) -> Path:
    """The configuration file of the vendor's own tools."""
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
    """The text under this name in the environment or a ``.env`` file."""
    found = Sources(environ).find(name)
    return found[0] if found is not None else None


def _from_config(path: Path) -> str | None:
    """The key in the vendor's configuration file; None when there is no such file or no key in it.

    Of several profiles ``default`` counts, else the one that stands before all profiles. Which of others is meant
    nobody can know; a single one is taken.
    """
    keys = _config_keys(path)
    single = next(iter(keys.values())) if len(keys) == 1 else None
    return keys.get("default") or keys.get("") or single


def _config_keys(path: Path) -> dict[str, str]:
    """The keys in the vendor's configuration file by profile."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    keys: dict[str, str] = {}
    profile = ""
    for line in lines:
        heading, entry = _TOML_PROFILE.match(line), _TOML_KEY.match(line)
        if heading:
            profile = heading["name"]
        elif entry:
            keys.setdefault(profile, entry["key"])
    return keys
