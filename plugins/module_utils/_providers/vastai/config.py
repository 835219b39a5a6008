# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find Vast.ai's key, address and other settings in the same places as the vendor's own tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..._core.errors import AuthError, BadRequest
from ..settings import Setting, Sources, checked_address, checked_key, find_address

TABLE: tuple[Setting, ...] = (
    Setting(
        "VAST_API_KEY",
        "The API key of the account.",
        "0123456789abcdef…",
        option="api_key",
        secret=True,
    ),
    Setting(
        "VAST_URL",
        "Scheme, host and port of the API; for tests, or for a proxy of your own.",
        "https://console.vast.ai",
        option="api_url",
    ),
)


KEY_VARIABLE = "VAST_API_KEY"
URL_VARIABLE = "VAST_URL"
#: A factor on the pauses between requests that Vast.ai documents, for stand-ins that scale theirs.
SCALE_VARIABLE = "PODYARD_VAST_THRESHOLD_SCALE"
DEFAULT_URL = "https://console.vast.ai"
#: Endings of the address that people copy along; paths are ours to append.
_PATHS = ("/api/v0", "/api/v1", "/api")


def find_key(option: str | None, environ: Mapping[str, str]) -> str:
    """Return the API key: option, environment, ``.env``, then the files in which the vendor's tool keeps it.

    :raises AuthError: when there is none, or when it cannot be one (blanks, control characters).
    """
    found = Sources(environ).find(KEY_VARIABLE)
    key = option or (found[0] if found is not None else None) or _from_files(environ)[0]
    if not key or not key.strip():
        files = ", ".join(str(path) for path in key_files(environ))
        raise AuthError(
            f"There is no API key for Vast.ai: set the option api_key, the environment variable {KEY_VARIABLE}, "
            f"{KEY_VARIABLE}=… in a .env file in the working directory, or write it to one of {files}."
        )
    return checked_key(key, "Vast.ai")


def key_origin(environ: Mapping[str, str], sources: Sources) -> tuple[str, str] | None:
    """Where a key would be taken from that no option gives: its name there, and the place. None without one."""
    found = sources.find(KEY_VARIABLE)
    if found is not None:
        return KEY_VARIABLE, found[1]
    key, path = _from_files(environ)
    return ("the key", str(path)) if key else None


def every_key(environ: Mapping[str, str], sources: Sources) -> list[str]:
    """Return the keys in all of the places in which one is looked for."""
    return [*sources.every(KEY_VARIABLE), *(key for key, _path in _keys_in_files(environ))]


def key_files(environ: Mapping[str, str]) -> list[Path]:
    """Return the files of the vendor's tool: a session with a second factor first, the old place last."""
    home = Path(environ.get("HOME") or "~").expanduser()
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "vastai"
    return [config / "vast_tfa_key", config / "vast_api_key", home / ".vast_api_key"]


def _from_files(environ: Mapping[str, str]) -> tuple[str | None, Path | None]:
    return next(_keys_in_files(environ), (None, None))


def _keys_in_files(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    for path in key_files(environ):
        try:
            key = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if key:
            yield key, path


def find_url(option: str | None, environ: Mapping[str, str], key: str | None = None) -> str:
    """Scheme, host and port of the API: option, environment, ``.env``, else the vendor's.

    :param key: the key that an option gives.
    :raises BadRequest: for what is no URL, would send the key unencrypted over a network, or stands in a file and would
        send away a key that stands elsewhere.
    """
    text = option or find_address(Sources(environ), URL_VARIABLE, KEY_VARIABLE, bool(key), DEFAULT_URL) or DEFAULT_URL
    return checked_address(text, "Vast.ai", _PATHS, DEFAULT_URL)


def find_scale(environ: Mapping[str, str]) -> float:
    """Return the factor on the pauses between requests; 1 is what Vast.ai documents.

    :raises BadRequest: for anything but a number from 0 on.
    """
    text = environ.get(SCALE_VARIABLE) or "1"
    try:
        scale = float(text)
    except ValueError:
        scale = -1.0
    if not 0 <= scale <= 100:
        raise BadRequest(f"{SCALE_VARIABLE} is {text!r}; it is a number from 0 to 100, and 1 is what Vast.ai asks for.")
    return scale
