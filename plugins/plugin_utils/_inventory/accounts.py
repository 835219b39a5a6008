# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which accounts an inventory asks, and their answers: new, remembered, or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...module_utils._core.errors import AuthError, BadRequest, CloudError
from ...module_utils._core.units import age
from ...module_utils._providers import registry
from ...module_utils._providers.base import Provider
from .._common.pod_lists import lists
from .cache import Memory, Pods

Say = Callable[[str], None]


def by_provider(option: str, value: Any, named: Sequence[str]) -> dict[str, Any]:
    """Return the value of an option for each provider: one text for the only one that is named, or a table.

    :raises BadRequest: when it is unclear which provider a value is for.
    """
    if not value:
        return {}
    if not isinstance(value, Mapping):
        if len(named) != 1:
            raise BadRequest(
                f"The option {option} is one text, so providers must name the one that it is for; for several give a "
                f"table by provider ({option}: {{{', '.join(registry.each_one('{}: …'))}}}), or use the environment."
            )
        return {named[0]: value}
    strange = [str(name) for name in value if name not in (named or registry.names())]
    if strange:
        raise BadRequest(f"The option {option} names {', '.join(strange)}, which is not among the providers.")
    return {name: each for name, each in value.items() if each}


def connected(named: Sequence[str], keys: Mapping[str, str], urls: Mapping[str, str]) -> dict[str, Provider]:
    """Return the providers to ask. One that is not named is left out when there is no key for it.

    :raises CloudError: for a provider that is named and has no key; when there is no key at all, saying for each
        provider where it would have been found.
    """
    chosen = registry.meant({"providers": named}, os.environ, keyed=keys)
    if not chosen:
        raise AuthError(" ".join(_without_key(name) for name in registry.names()))
    return {name: registry.connect(name, api_key=keys.get(name), api_url=urls.get(name)) for name in chosen}


def _without_key(name: str) -> str:
    """Where a key would have been found."""
    try:
        registry.connect(name)
    except CloudError as error:
        return error.message
    return ""


class Accounts:
    """The accounts to ask, together, in so many seconds.

    :param memory: what was remembered of their answers, under ``prefix``; None for nothing.
    :param strict: one that fails makes all fail.
    :param warn: shows a line to people.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        seconds: float,
        *,
        strict: bool,
        warn: Say,
        memory: Memory | None = None,
        prefix: str = "",
    ) -> None:
        self._providers = providers
        self._seconds = seconds
        self._strict = strict
        self._warn = warn
        self._memory = memory
        # Each account has its own answers, whose key comes from the environment as well.
        self._keys = {name: f"{prefix}_{name}_{each.account_mark}" for name, each in providers.items()}

    def pods(self, *, ask_all: bool) -> Pods:
        """Return the pods of all accounts; unless all must be asked, a fresh answer from the cache will do.

        :raises CloudError: when one of them cannot be listed, or, not strictly, none.
        """
        known: dict[str, Pods] = {}
        if self._memory is not None and not ask_all:
            remembered = {name: self._memory.fresh(key) for name, key in self._keys.items()}
            known = {name: pods for name, pods in remembered.items() if pods is not None}
        asked = [name for name in self._providers if name not in known]
        problems = self._ask(asked, known)
        for name in asked:
            if self._memory is not None and name in known:
                self._memory.keep(self._keys[name], known[name])
        if problems:
            self._do_without(problems, known)
        return [pod for name in self._providers for pod in known.get(name, ())]

    def _ask(self, names: Sequence[str], known: dict[str, Pods]) -> dict[str, str]:
        """Add the pods of each to what is known; returns why there are none of some."""
        waiting = True

        def connect(name: str) -> Provider:
            # One that is late says nothing more.
            self._providers[name].tell(lambda line: self._warn(line) if waiting else None)
            return self._providers[name]

        found = lists(names, os.environ, self._seconds, connect)
        waiting = False
        known.update((each.provider, [*each.pods]) for each in found if each.error is None)
        return {each.provider: each.error for each in found if each.error is not None}

    def _do_without(self, problems: Mapping[str, str], known: dict[str, Pods]) -> None:
        """Fail, or take the old answers of those that gave none, where the user wants that."""
        said = " ".join(problems.values())
        if self._strict:
            hint = " With strict_providers: false the pods of the other providers are listed." if known else ""
            raise CloudError(said + hint)
        warnings = []
        for name, problem in problems.items():
            old = self._memory.any(self._keys[name]) if self._memory is not None else None
            if old is None:
                warnings.append(f"{problem} The pods of {name} are missing from this inventory.")
            else:
                known[name] = old[0]
                warnings.append(f"{problem} The answer of {name} from {age(max(0.0, old[1]))} ago is used.")
        if not known:
            raise CloudError(f"{said} No provider is left to list, and an error is not an empty list.")
        for warning in warnings:
            self._warn(warning)
