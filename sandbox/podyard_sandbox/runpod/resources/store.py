# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of one kind, in the order in which they were made."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from podyard_sandbox.runpod.problems import not_found

_ID_LETTERS = string.ascii_lowercase + string.digits


class Numbered(Protocol):
    """What a list of the API can page through.

    Attributes:
        seq: the how-manieth object of its kind it is; lists are in this order.
    """

    id: str
    seq: int


Thing = TypeVar("Thing", bound=Numbered)


def short_id() -> str:
    """An id like agv6w2qcg7."""
    return "".join(secrets.choice(_ID_LETTERS) for _letter in range(10))


class Shelf(Generic[Thing]):
    """The account's objects of one kind, by id."""

    def __init__(self) -> None:
        self._things: dict[str, Thing] = {}
        self._made = 0

    def __iter__(self) -> Iterator[Thing]:
        return iter(list(self._things.values()))

    def find(self, thing_id: str) -> Thing:
        """The object with this id.

        Raises:
            Problem: 404.
        """
        if thing_id not in self._things:
            raise not_found()
        return self._things[thing_id]

    def _next(self) -> int:
        self._made += 1
        return self._made

    def _put(self, thing: Thing) -> Thing:
        self._things[thing.id] = thing
        return thing

    def _drop(self, thing: Thing) -> None:
        self._things.pop(thing.id, None)
