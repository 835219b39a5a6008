# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Know the providers, and answer from their rows what shared code asks before it has a driver.

No other code knows which providers exist: a new one needs its own folder and one row in PROVIDERS
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

#: One row per provider, in the order of all lists. A key without a provider's name belongs to the first one.
PROVIDERS: tuple[ProviderInfo, ...] = (RUNPOD, VASTAI)
#: The environment variables that hold an account's key: they never reach a pod.
ACCOUNT_KEYS = tuple(variable for each in PROVIDERS for variable in each.key_variables)


def names() -> list[str]:
    """Return the names of the providers, in the order of all lists."""
    return [each.name for each in PROVIDERS]


def default() -> str:
    """Return the provider to which a key or an address without a provider's name belongs."""
    return PROVIDERS[0].name


def info(name: str) -> ProviderInfo:
    """Return the row of a provider.

    :raises BadRequest: for an unknown provider; it lists the known ones.
    """
    for each in PROVIDERS:
        if each.name == name:
            return each
    raise BadRequest(f"There is no provider {name!r}; the providers are: {', '.join(names())}.")


def capabilities(name: str) -> Capabilities:
    """Return what a provider can do, which needs no key.

    :raises BadRequest: for an unknown provider.
    """
    return info(name).capabilities()


def connect(
    name: str,
    *,
    api_key: str | None = None,
    api_url: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Provider:
    """Return a provider's driver, without sending a request.

    :param api_key: the key from an option; None looks for it where the vendor's own tools do.
    :param api_url: the address of the API from an option; None takes it from the environment, else the vendor's.
    :param environ: environment variables, by default those of this process.
    :raises AuthError: when there is no key; it names every place where one was looked for.
    :raises BadRequest: for an unknown provider or an unusable URL.
    """
    return info(name).connect(api_key or None, api_url or None, os.environ if environ is None else environ)


def account_api(name: str, *, api_key: str | None = None, api_url: str | None = None) -> AccountApi:
    """Open what an account holds besides pods, without sending a request; key and address are those of ``connect``.

    :raises AuthError: when there is no key.
    :raises BadRequest: for an unknown provider, and for one whose accounts this collection does not manage.
    """
    found = info(name)
    if found.account_api is None:
        raise BadRequest(f"This collection manages only the pods of an account on {found.title}.")
    return found.account_api(api_key or None, api_url or None, os.environ)


def settings(name: str) -> Sequence[Setting]:
    """Return the settings that a provider takes from the environment.

    :raises BadRequest: for an unknown provider.
    """
    return info(name).settings


def key_origin(name: str, environ: Mapping[str, str], sources: Sources) -> tuple[str, str] | None:
    """Return where a provider's key comes from when no option gives it: its name there, and the place.

    :returns: None when there is no key.
    :raises BadRequest: for an unknown provider.
    """
    return info(name).key_origin(environ, sources)


def every_key(environ: Mapping[str, str]) -> dict[str, list[str]]:
    """Return all keys by provider, from every place where one is looked for.

    :raises CloudError: for a settings file that cannot be read.
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
    """Return the providers that the options ``providers``, ``api_key`` and ``api_url`` select, each once.

    They are the named ones; else ``default()`` when a key or an address is given, which fits only one provider; else
    those with a key, which may be none.

    :param keyed: providers that count as having a key, for instance because an option gives it.
    :param sources: where keys are looked for, if the caller has opened it already.
    :raises CloudError: for a settings file that cannot be read.
    """
    if options.get("providers"):
        return list(dict.fromkeys(options["providers"]))
    if options.get("api_key") or options.get("api_url"):
        return [default()]
    sources = Sources(environ) if sources is None else sources
    return [each.name for each in PROVIDERS if each.name in keyed or each.key_origin(environ, sources) is not None]


def stand_ins(variable: str) -> list[str]:
    """Return the names of all providers' settings that stand in for this variable of a job."""
    return [setting.name for each in PROVIDERS for setting in each.settings if setting.variable == variable]


def each_one(text: str, *, option: str | None = None) -> list[str]:
    """Return a text once per provider, with the provider's name in place of ``{}``.

    :param option: only for the providers that have this option in the module ``pod``.
    """
    return [text.format(each.name) for each in PROVIDERS if option is None or option in each.own_options]


def pod_modules() -> list[str]:
    """Return the modules that change pods in place."""
    return [each.pod_module for each in PROVIDERS if each.pod_module is not None]
