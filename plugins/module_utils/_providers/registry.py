# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name of a provider -> its driver, and where each one's credentials come from.

The only place that knows which providers there are: a third one needs a folder of its own and one line here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional

from .._core.errors import BadRequest
from .._resources.resource import AccountApi
from .base import Capabilities, Provider
from .settings import Setting, Sources

#: The variables that hold an account's key: they never reach a pod.
ACCOUNT_KEYS = ("RUNPOD_API_KEY", "VAST_API_KEY")

Connect = Callable[[Optional[str], Optional[str], Mapping[str, str]], Provider]
OpenShelf = Callable[[Optional[str], Optional[str], Mapping[str, str]], AccountApi]


def _runpod(api_key: str | None, api_url: str | None, environ: Mapping[str, str]) -> Provider:
    # Imported late: a task that talks to one provider should not load the drivers of the others.
    from .runpod.config import find_key, find_url
    from .runpod.provider import RunPod

    return RunPod(find_key(api_key, environ), find_url(api_url, environ, api_key))


def _runpod_shelf(api_key: str | None, api_url: str | None, environ: Mapping[str, str]) -> AccountApi:
    from .runpod.account import RunPodShelf
    from .runpod.config import find_key, find_url

    return RunPodShelf(find_key(api_key, environ), find_url(api_url, environ, api_key))


def _runpod_capabilities() -> Capabilities:
    from .runpod.provider import RunPod

    return RunPod.capabilities


def _vastai(api_key: str | None, api_url: str | None, environ: Mapping[str, str]) -> Provider:
    from .vastai.config import find_key, find_scale, find_url
    from .vastai.provider import Vast

    return Vast(find_key(api_key, environ), find_url(api_url, environ, api_key), scale=find_scale(environ))


def _vastai_shelf(api_key: str | None, api_url: str | None, environ: Mapping[str, str]) -> AccountApi:
    from .vastai.account import VastShelf
    from .vastai.config import find_key, find_scale, find_url

    return VastShelf(find_key(api_key, environ), find_url(api_url, environ, api_key), scale=find_scale(environ))


def _vastai_capabilities() -> Capabilities:
    from .vastai.provider import Vast

    return Vast.capabilities


_DRIVERS: dict[str, Connect] = {"runpod": _runpod, "vastai": _vastai}
_SHELVES: dict[str, OpenShelf] = {"runpod": _runpod_shelf, "vastai": _vastai_shelf}
_CAPABILITIES: dict[str, Callable[[], Capabilities]] = {
    "runpod": _runpod_capabilities,
    "vastai": _vastai_capabilities,
}


def names() -> list[str]:
    """The providers there are, in the order of their listing."""
    return list(_DRIVERS)


def capabilities(name: str) -> Capabilities:
    """What a provider declares of itself; that needs no key."""
    return _CAPABILITIES[name]()


def connect(
    name: str,
    *,
    api_key: str | None = None,
    api_url: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Provider:
    """A driver that is ready to be asked; no request is made yet.

    :param api_key: the key from an option; else it is looked for where the vendor's own tools look (runpod:
        ``RUNPOD_API_KEY``, ``.env`` in the working directory, ``~/.runpod/config.toml``).
    :param api_url: host of the API from an option; else from the environment (runpod: ``RUNPOD_API_BASE_URL``), else
        the vendor's.
    :param environ: environment variables, by default this process's own.
    :raises AuthError: when there is no key, naming every place that was looked at.
    :raises BadRequest: for an unknown provider or an unusable URL.
    """
    if name not in _DRIVERS:
        raise BadRequest(f"There is no provider {name!r}; there are: {', '.join(names())}.")
    return _DRIVERS[name](api_key or None, api_url or None, os.environ if environ is None else environ)


def shelf(name: str, *, api_key: str | None = None, api_url: str | None = None) -> AccountApi:
    """What the account holds beside pods; key and address as for ``connect``, and no request is made yet."""
    return _SHELVES[name](api_key or None, api_url or None, os.environ)


def settings(name: str) -> Sequence[Setting]:
    """The settings by environment of a provider.

    :raises BadRequest: for an unknown provider.
    """
    if name not in _DRIVERS:
        raise BadRequest(f"There is no provider {name!r}; there are: {', '.join(names())}.")
    from .runpod import config as runpod
    from .vastai import config as vastai

    return {"runpod": runpod.TABLE, "vastai": vastai.TABLE}[name]


def key_origin(name: str, environ: Mapping[str, str], sources: Sources) -> tuple[str, str] | None:
    """Where the key of an account would be taken from when no option gives it: its name there, and the place."""
    from .runpod import config as runpod
    from .vastai import config as vastai

    return {"runpod": runpod.key_origin, "vastai": vastai.key_origin}[name](environ, sources)


def every_key(environ: Mapping[str, str]) -> dict[str, list[str]]:
    """The keys of accounts by provider, all that stand in any place in which one is looked for.

    :raises CloudError: for a file of settings that cannot be read.
    """
    from .runpod import config as runpod
    from .vastai import config as vastai

    sources = Sources(environ)
    return {name: each.every_key(environ, sources) for name, each in (("runpod", runpod), ("vastai", vastai))}


def with_a_key(environ: Mapping[str, str], sources: Sources | None = None) -> list[str]:
    """The providers for which a key is found. :raises CloudError: for a file of settings that cannot be read."""
    sources = Sources(environ) if sources is None else sources
    return [name for name in names() if key_origin(name, environ, sources) is not None]


def meant(options: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """The providers that the options ``providers``, ``api_key`` and ``api_url`` mean, each once: those that are named,
    else RunPod for a key or an address that is given, which fits one only, else those for which a key is found.
    """
    if options["providers"]:
        return list(dict.fromkeys(options["providers"]))
    return names()[:1] if options["api_key"] or options["api_url"] else with_a_key(environ)
