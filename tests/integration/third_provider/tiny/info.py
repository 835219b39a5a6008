# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say of Tiny what the registry asks; the driver is loaded when it is needed."""

from __future__ import annotations

from collections.abc import Mapping

from ..._core.errors import AuthError
from ..base import Capabilities, Provider, ProviderInfo
from ..settings import Setting, Sources, checked_address, checked_key, find_address

KEY, URL, DEFAULT_URL = "TINY_API_KEY", "TINY_URL", "https://api.tiny.invalid"


def _connect(api_key: str | None, api_url: str | None, environ: Mapping[str, str]) -> Provider:
    from .provider import Tiny

    sources = Sources(environ)
    key = api_key or (sources.find(KEY) or ("", ""))[0]
    if not key:
        raise AuthError(f"There is no API key for Tiny: set the option api_key or the environment variable {KEY}.")
    url = api_url or find_address(sources, URL, KEY, bool(api_key), DEFAULT_URL) or DEFAULT_URL
    return Tiny(checked_key(key, "Tiny"), checked_address(url, "Tiny", (), DEFAULT_URL))


def _capabilities() -> Capabilities:
    from .provider import Tiny

    return Tiny.capabilities


def _key_origin(environ: Mapping[str, str], sources: Sources) -> tuple[str, str] | None:
    found = sources.find(KEY)
    return (KEY, found[1]) if found is not None else None


TINY = ProviderInfo(
    name="tiny",
    title="Tiny",
    connect=_connect,
    capabilities=_capabilities,
    settings=(
        Setting(KEY, "The API key of the account.", "t_…", option="api_key", secret=True),
        Setting(URL, "Scheme, host and port of the API.", DEFAULT_URL, option="api_url"),
    ),
    key_origin=_key_origin,
    every_key=lambda environ, sources: sources.every(KEY),
    extra_options={"colour": {"type": "str", "choices": ["blue", "green"]}},
)
