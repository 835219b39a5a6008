# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store of one kind of resource, in order of creation."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from podyard_sandbox.runpod.problems import not_found

_ID_LETTERS = string.ascii_lowercase + string.digits


class Pageable(Protocol):
    """An object in a list that the API can page through.

    Attributes:
        seq: its number within its kind; lists are in this order.
    """

    id: str
    seq: int


Item = TypeVar("Item", bound=Pageable)


def short_id() -> str:
    """Return an id like agv6w2qcg7."""
    return "".join(secrets.choice(_ID_LETTERS) for _letter in range(10))


class ResourceStore(Generic[Item]):
    """The account's objects of one kind, by id."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._made = 0

    def __iter__(self) -> Iterator[Item]:
        return iter(list(self._items.values()))

    def find(self, item_id: str) -> Item:
        """Return the object with this id.

        Raises:
            Problem: 404.
        """
        if item_id not in self._items:
            raise not_found()
        return self._items[item_id]

    def _next(self) -> int:
        self._made += 1
        return self._made

    def _put(self, item: Item) -> Item:
        self._items[item.id] = item
        return item

    def _drop(self, item: Item) -> None:
        self._items.pop(item.id, None)
