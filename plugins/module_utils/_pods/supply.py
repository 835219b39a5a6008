# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The offers of a call, best first, for one pod or for several that are rented at the same time. Private to this
collection.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Callable

from .._core.offer import Offer

#: Offers of single machines that may be refused since the search: what was listed minutes ago is mostly gone by then.
MOST_REFUSED = 10


class Supply:
    """Offers that several threads take from.

    The offer of a single machine is taken once; one that stands for many machines stays until it is refused.

    :param more: searches the market again once there is nothing left, but at these providers; None: nobody does.
    :param remember: told of the machine (or the kind of GPU in a region) whose pod did not get ready, and why.
    :param pods: how many are rented at the same time.
    """

    def __init__(
        self,
        offers: Sequence[Offer],
        more: Callable[[frozenset[str]], Sequence[Offer]] | None = None,
        remember: Callable[[Offer, str | None, str], None] = lambda offer, region, reason: None,
        pods: int = 1,
    ) -> None:
        self._offers = list(offers)
        self._more = more
        self._remember = remember
        self._most_refused = MOST_REFUSED * pods
        self._refused = 0
        self._taken: set[tuple[str, str]] = set()
        self._bad: set[tuple[str, str]] = set()
        self._closed: set[str] = set()
        self._lock = threading.RLock()

    def take(self) -> Offer | None:
        """The best offer that is left, None when there is none."""
        with self._lock:
            if self._refused >= self._most_refused:
                self._offers = [offer for offer in self._offers if offer.id is None]
            if not self._offers:
                self._search()
            if not self._offers:
                return None
            offer = self._offers[0]
            if offer.id is not None:
                self._taken.add((offer.provider, offer.id))
                del self._offers[0]
            return offer

    def _search(self) -> None:
        """Once more, for what has come meanwhile: what was had or refused already is not."""
        if self._more is None:
            return
        more, self._more, self._refused = self._more, None, 0
        self._offers = [
            offer
            for offer in more(frozenset(self._closed))
            if (offer.provider, offer.id or "") not in self._taken
            and (offer.provider, offer.host or "") not in self._bad
        ]

    def drop(self, offer: Offer) -> None:
        """This offer is not tried again."""
        with self._lock:
            self._offers = [each for each in self._offers if _key(each) != _key(offer)]

    def refused(self, offer: Offer) -> None:
        """It was not to be had."""
        with self._lock:
            self._refused += offer.id is not None
            self.drop(offer)

    def failed(self, offer: Offer, region: str | None, reason: str) -> None:
        """Its pod did not get ready: the same machine is not rented again, and where machines have no number, the same
        kind of GPU in the same region last.
        """
        with self._lock:
            self._remember(offer, region, reason)
            if offer.host is not None:
                self._bad.add((offer.provider, offer.host))
                self._offers = [
                    each for each in self._offers if (each.provider, each.host) != (offer.provider, offer.host)
                ]
                return
            same = [each for each in self._offers if _alike(each, offer, region)]
            if _key(offer) not in map(_key, same) and offer.id is None:
                same.append(offer)
            self._offers = [each for each in self._offers if _key(each) not in map(_key, same)] + same

    def close(self, provider: str) -> bool:
        """Nothing of this provider can be had any more; False when nothing else is left either."""
        with self._lock:
            self._closed.add(provider)
            self._offers = [each for each in self._offers if each.provider != provider]
            return bool(self._offers) or self._more is not None


def _key(offer: Offer) -> tuple[str, ...]:
    """What an offer is known by."""
    cpu = offer.cpu.words() if offer.cpu is not None else ""
    return (offer.provider, offer.id or "", offer.gpu_id, offer.cloud or "", offer.region or "", cpu)


def _alike(one: Offer, other: Offer, region: str | None) -> bool:
    """The same kind of GPU at the same provider, in that region or wherever it likes."""
    same_kind = all(getattr(one, name) == getattr(other, name) for name in ("provider", "gpu_id", "cpu", "cloud"))
    return same_kind and one.id is None and (one.region is None or one.region == region)
