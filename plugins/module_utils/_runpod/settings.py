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
from urllib.parse import urlsplit

from ansible_collections.podyard.gpu.plugins.module_utils._errors import AuthError, BadRequest

KEY_VARIABLE = "RUNPOD_API_KEY"
URL_VARIABLE = "RUNPOD_API_BASE_URL"
DEFAULT_URL = "https://api.runpod.io"
#: The vendor's Python tools write ``api_key = "…"`` under a profile, its command line tool ``apikey = '…'``.
_TOML_KEY = re.compile(r"""^\s*api_?key\s*=\s*(["'])(?P<key>[^"']+)\1\s*(#.*)?$""", re.IGNORECASE | re.MULTILINE)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def find_key(option: str | None, environ: Mapping[str, str]) -> str:
    """The API key: option, environment, ``.env`` in the working directory, ``~/.runpod/config.toml``.

    :raises AuthError: when there is none, or when it cannot be one (blanks, control characters).
    """
    config = Path(environ.get("HOME") or "~").expanduser() / ".runpod" / "config.toml"
    key = option or environ.get(KEY_VARIABLE) or dotenv(KEY_VARIABLE) or _from_config(config)
    if not key or not key.strip():
        raise AuthError(
            f"There is no API key for RunPod: set the option api_key, the environment variable {KEY_VARIABLE}, "
            f"{KEY_VARIABLE}=… in a .env file in the working directory, or api_key in {config}."
        )
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise AuthError(
            "The API key for RunPod holds a blank or an unprintable character: it was not copied completely."
        )
    return key


def find_url(option: str | None, environ: Mapping[str, str]) -> str:
    """Scheme, host and port of the API: option, environment, ``.env``, else the vendor's.

    :raises BadRequest: for what is no URL, or would send the key unencrypted over a network.
    """
    text = (option or environ.get(URL_VARIABLE) or dotenv(URL_VARIABLE) or DEFAULT_URL).strip().rstrip("/")
    for path in ("/v2", "/graphql"):
        text = text[: -len(path)] if text.endswith(path) else text
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadRequest(
            f"The address of RunPod's API, {text!r}, is no http or https URL; the vendor's is {DEFAULT_URL}."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadRequest("The address of RunPod's API may hold nothing but scheme, host, port and path.")
    if parts.scheme == "http" and not (parts.hostname in _LOOPBACK or parts.hostname.startswith("127.")):
        raise BadRequest(
            f"The address of RunPod's API, {text}, would send the API key unencrypted; use https, or http to "
            "this machine's loopback."
        )
    return text


def dotenv(name: str, directory: Path | None = None) -> str | None:
    """The value of ``name`` in the ``.env`` file of the working directory (``NAME=value``, quotes and ``export``
    allowed).
    """
    try:
        text = ((directory or Path.cwd()) / ".env").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    match = re.search(rf"^\s*(?:export\s+)?{re.escape(name)}\s*=\s*(.*?)\s*$", text, re.MULTILINE)
    if match is None:
        return None
    value = match[1]
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1] or None
    return value.split(" #", 1)[0].rstrip() or None


def _from_config(path: Path) -> str | None:
    """The key in the vendor's configuration file; None when there is no such file or no key in it."""
    try:
        match = _TOML_KEY.search(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return match["key"] if match else None
