# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name the providers there are, and answer from their rows whatever shared code asks before it has a driver.

The only place that knows which providers there are: another one needs a folder of its own and one row in PROVIDERS
(docs/adding-a-provider.md).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .._core.errors import BadRequest
from .._resources.resource import AccountApi
from .base import Capabilities, Provider, ProviderInfo
from .runpod.info import RUNPOD
from .settings import Setting, Sources
from .vastai.info import VASTAI

#: One row a provider, in the order in which they are listed. A key given without a provider's name is the first one's.
PROVIDERS: tuple[ProviderInfo, ...] = (RUNPOD, VASTAI)
#: The variables that hold an account's key: they never reach a pod.
ACCOUNT_KEYS = tuple(variable for each in PROVIDERS for variable in each.key_variables)


def names() -> list[str]:
    """Return the names of the providers, in the order in which they are listed."""
    return [each.name for each in PROVIDERS]


def default() -> str:
    """Return the only provider that a key or an address fits, where it is given without a name."""
    return PROVIDERS[0].name


def info(name: str) -> ProviderInfo:
    """Return the row of a provider.

    :raises BadRequest: for an unknown provider, naming those there are.
    """
    for each in PROVIDERS:
        if each.name == name:
            return each
    raise BadRequest(f"There is no provider {name!r}; there are: {', '.join(names())}.")


def capabilities(name: str) -> Capabilities:
    """Return what a provider declares of itself; that needs no key. :raises BadRequest: for an unknown provider."""
    return info(name).capabilities()


def connect(
    name: str,
    *,
    api_key: str | None = None,
    api_url: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Provider:
    """Return a driver that is ready to be asked; no request is made yet.

    :param api_key: the key from an option; else it is looked for where the vendor's own tools look.
    :param api_url: host of the API from an option; else from the environment, else the vendor's.
    :param environ: environment variables, by default this process's own.
    :raises AuthError: when there is no key, naming every place that was looked at.
    :raises BadRequest: for an unknown provider or an unusable URL.
    """
    return info(name).connect(api_key or None, api_url or None, os.environ if environ is None else environ)


def account_api(name: str, *, api_key: str | None = None, api_url: str | None = None) -> AccountApi:
    """Return the way to what an account holds beside pods; key and address as for ``connect``, and no request yet.

    :raises BadRequest: for an unknown provider, and for one whose account is not managed here.
    """
    found = info(name)
    if found.account_api is None:
        raise BadRequest(f"What an account of {found.title} holds beside pods is not managed by this collection.")
    return found.account_api(api_key or None, api_url or None, os.environ)


def settings(name: str) -> Sequence[Setting]:
    """Return the settings by environment of a provider. :raises BadRequest: for an unknown provider."""
    return info(name).settings


def key_origin(name: str, environ: Mapping[str, str], sources: Sources) -> tuple[str, str] | None:
    """Return where a key would be taken from that no option gives: its name there, and the place. None without one.

    :raises BadRequest: for an unknown provider.
    """
    return info(name).key_origin(environ, sources)


def every_key(environ: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the keys of accounts by provider, all that stand in any place in which one is looked for.

    :raises CloudError: for a file of settings that cannot be read.
    """
    sources = Sources(environ)
    return {each.name: each.every_key(environ, sources) for each in PROVIDERS}


def meant(
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    keyed: Collection[str] = (),
    sources: Sources | None = None,
) -> list[str]:
    """Return the providers that the options ``providers``, ``api_key`` and ``api_url`` ask for, each once.

    They are those that are named, else ``default()`` for a key or an address, which fits one only, else those with a
    key; none where there is no key at all.

    :param keyed: providers that are asked even where no key of theirs is found, for instance since an option gives it.
    :param sources: where keys are looked for, if that was opened already.
    :raises CloudError: for a file of settings that cannot be read.
    """
    if options.get("providers"):
        return list(dict.fromkeys(options["providers"]))
    if options.get("api_key") or options.get("api_url"):
        return [default()]
    sources = Sources(environ) if sources is None else sources
    return [each.name for each in PROVIDERS if each.name in keyed or each.key_origin(environ, sources) is not None]


def stand_ins(variable: str) -> list[str]:
    """Return the settings by environment that stand in for this variable of a job, of all providers."""
    return [setting.name for each in PROVIDERS for setting in each.settings if setting.variable == variable]


def each_one(text: str, *, option: str | None = None) -> list[str]:
    """Return a text for every provider, with its name in place of ``{}``.

    :param option: only those that have this option in the module ``pod``.
    """
    return [text.format(each.name) for each in PROVIDERS if option is None or option in each.own_options]


def pod_modules() -> list[str]:
    """Return the modules that change pods in place."""
    return [each.pod_module for each in PROVIDERS if each.pod_module is not None]
