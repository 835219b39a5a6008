# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that are on, and when each triggers."""

from __future__ import annotations

import difflib
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from podyard_sandbox.faults.kinds import KINDS, OPERATIONS, SKIP, FaultKind, Param

# What a filter is matched against: a pod's name, a GPU's id and display name, ...; of several words, any may match.
Fact = str | tuple[str, ...]


class FaultError(ValueError):
    """A fault cannot be switched on as asked; the message is for the user."""


@dataclass
class Fault:
    """A fault that was switched on.

    It triggers in every matching case, or ``times`` times, or in a ``share`` (0 to 1) of them. Which cases a share
    hits is the same in every session, so that a failed test can be repeated.
    """

    number: int
    kind: FaultKind
    params: dict[str, Any]
    times: int | None
    share: float | None
    hits: int = 0
    matches: int = 0
    rng: random.Random = field(default_factory=lambda: random.Random(1), repr=False)

    @property
    def spent(self) -> bool:
        """Whether the fault has triggered as often as it may."""
        return self.times is not None and self.hits >= self.times

    def fits(self, facts: Mapping[str, Fact]) -> bool:
        """Return whether every filter of the fault matches the facts, ignoring case."""
        return all(
            _matches(self.params[name], facts[name])
            for name, param in self.kind.params.items()
            if param.filter and name in facts
        )

    def triggers(self) -> bool:
        """Count this match, and return whether the fault triggers now."""
        self.matches += 1
        if self.spent or self.matches <= self.params["skip"]:
            return False
        if self.share is not None and self.rng.random() >= self.share:
            return False
        self.hits += 1
        return True

    def triggers_on_host(self, host: str) -> random.Random | None:
        """Do the same for a host.

        The seed alone decides whether the fault's share includes the host, and what happens there.

        Returns:
            The host's random generator, or None if the fault does not trigger.
        """
        self.matches += 1
        if self.spent or self.matches <= self.params["skip"]:
            return None
        rng = random.Random(f"{self.params['seed']} {host}")
        if self.share is not None and rng.random() >= self.share:
            return None
        self.hits += 1
        return rng

    def to_json(self) -> dict[str, Any]:
        """Return the fault as the control API shows it."""
        return {
            "number": self.number,
            "name": self.kind.name,
            "params": self.params,
            "times": self.times,
            "share": self.share,
            "hits": self.hits,
            "spent": self.spent,
        }


def _matches(patterns: str, fact: Fact) -> bool:
    """Return whether one of the comma-separated patterns matches one of the words, ignoring case."""
    words = (fact,) if isinstance(fact, str) else fact
    return any(fnmatchcase(word.lower(), pattern.strip().lower()) for pattern in patterns.split(",") for word in words)


class Faults:
    """All faults of a sandbox, in the order in which they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._count = 0

    def add(self, name: str, params: Mapping[str, str], times: int | None = None, share: float | None = None) -> Fault:
        """Switch a fault on; its parameters come as text.

        Raises:
            FaultError: there is no such fault or parameter, or a value is invalid.
        """
        kind = _kind(name)
        if times is not None and share is not None:
            raise FaultError("times and share exclude each other: give one of them.")
        if times is not None and times < 1:
            raise FaultError(f"times must be 1 or more, not {times}.")
        if share is not None and not 0 < share <= 1:
            raise FaultError(f"share must be above 0 and at most 1, not {share}.")
        values = _values(kind, params)
        self._count += 1
        fault = Fault(self._count, kind, values, times, share)
        if "seed" in values:
            fault.rng = random.Random(values["seed"])
        self._faults.append(fault)
        return fault

    def clear(self, name: str | None = None) -> int:
        """Switch off one kind of fault, or all of them, and return how many were cleared.

        Raises:
            FaultError: there is no such fault.
        """
        kind = _kind(name) if name is not None else None
        keep = [fault for fault in self._faults if kind is not None and fault.kind is not kind]
        cleared = len(self._faults) - len(keep)
        self._faults = keep
        return cleared

    def peek(self, name: str, /, **facts: Fact) -> Fault | None:
        """Return the first matching fault of that name that is not used up, without counting the match."""
        return next((fault for fault in self.on(name) if fault.fits(facts)), None)

    def on(self, name: str) -> list[Fault]:
        """Return all faults of that name that are not used up, without counting a match."""
        return [fault for fault in self._faults if fault.kind.name == name and not fault.spent]

    def trigger(self, name: str, /, **facts: Fact) -> Fault | None:
        """Return the first matching fault of that name that triggers now; every matching one counts the match."""
        return next((fault for fault in self.on(name) if fault.fits(facts) and fault.triggers()), None)

    def to_json(self) -> list[dict[str, Any]]:
        """Return all faults as the control API shows them, used-up ones included."""
        return [fault.to_json() for fault in self._faults]


def _kind(name: str) -> FaultKind:
    if name in KINDS:
        return KINDS[name]
    listing = "`podyard-sandbox fault list --available` lists them all."
    raise FaultError(f"There is no fault {name!r}.{_hint(name, KINDS)} {listing}")


def _values(kind: FaultKind, given: Mapping[str, str]) -> dict[str, Any]:
    known = {**kind.params, "skip": SKIP}
    for name in given:
        if name not in known:
            raise FaultError(
                f"The fault {kind.name} has no parameter {name!r}.{_hint(name, known)} It has: {', '.join(known)}."
            )
    values = {
        name: _convert(kind, name, param, given[name]) if name in given else param.default
        for name, param in known.items()
    }
    if "operation" in values:
        _check_operations(kind, values["operation"])
    return values


def _convert(kind: FaultKind, name: str, param: Param, text: str) -> Any:
    convert: Callable[[str], Any] = _truth if param.type is bool else param.type
    try:
        value = convert(str(text))
    except ValueError:
        words = {int: "a whole number", float: "a number", bool: "true or false"}
        raise FaultError(f"{kind.name}: {name} must be {words[param.type]}, not {text!r}.") from None
    if param.choices and value not in param.choices:
        choices = [str(choice) for choice in param.choices]
        raise FaultError(
            f"{kind.name}: {name} must be one of {', '.join(choices)}, not {text!r}.{_hint(text, choices)}"
        )
    if param.among:
        _check_words(kind, name, param, value)
    if param.type in (int, float) and not 0 <= value < math.inf:
        raise FaultError(f"{kind.name}: {name} must be zero or more, not {text!r}.")
    return value


def _check_words(kind: FaultKind, name: str, param: Param, value: str) -> None:
    for word in value.split(","):
        if word.strip() not in param.among:
            raise FaultError(
                f"{kind.name}: {name} must be a comma-separated list of {', '.join(param.among)}, not {word.strip()!r}."
                f"{_hint(word.strip(), param.among)}"
            )


def _truth(text: str) -> bool:
    if text.lower() in ("true", "yes", "1", "on"):
        return True
    if text.lower() in ("false", "no", "0", "off"):
        return False
    raise ValueError(text)


def _check_operations(kind: FaultKind, patterns: str) -> None:
    for pattern in patterns.split(","):
        if not any(_matches(pattern, operation) for operation in OPERATIONS):
            raise FaultError(
                f"{kind.name}: there is no operation {pattern.strip()!r}.{_hint(pattern.strip(), OPERATIONS)}"
                f" Operations: {', '.join(OPERATIONS)}."
            )


def _hint(text: str, known: Any) -> str:
    close = difflib.get_close_matches(str(text), list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
