# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renting: exactly one pod for each create that is meant, whatever the line does. Private to this collection."""

from __future__ import annotations

import contextlib

from .._core import errors
from .._core.pod import GONE, UNKNOWN, Pod, PodRequest, usd
from . import ledger
from .attempts import History
from .fence import creating, is_coming
from .holder import Holder, holder
from .lookup import Work, look_up
from .terminate import require_gone, write_quietly

#: How often a create is sent for one name: again only after the first was proved not to exist.
SENDS = 2


def create_once(work: Work, request: PodRequest, history: History | None = None) -> Pod:
    """Rent one pod, and exactly one, under ``request.name``, which must be unique.

    A create whose outcome is unknown is looked for by its name; what is found is adopted, and only what is proved
    absent, twice and past the grace, is asked for again.

    :raises Fenced: when the run was given back meanwhile.
    :raises Ambiguous: when the outcome stays unknown: then the pod may exist.
    :raises CloudError: any other refusal; no pod exists then.
    """
    history = history if history is not None else History()
    work.provider.check(request)
    renter = Holder() if work.run_dir is None else holder(work.provider)
    sends = 0
    while True:
        try:
            return _create_fenced(work, request, renter)
        except errors.Ambiguous as error:
            sends += 1
            history.uncertain = True
            work.progress.say(f"{error.message} Looking for the pod by its name for {work.grace:.0f} s")
            found = look_up(work, request.name, error)
            if found is not None:
                write_quietly(work.ledger, work.progress, ledger.CREATED, found, reason="found by its name")
                if is_coming(work.run_dir):
                    _end_at_once(work, found)
                work.progress.say(f"{found.label()} exists after all and is taken on")
                history.meter.made = history.meter.begun
                return found
            if sends >= SENDS:
                nothing = Pod(work.provider.name, "", request.name, GONE, gpu=request.gpu)
                write_quietly(work.ledger, work.progress, ledger.GONE, nothing, reason="never appeared")
                error.message += (
                    f" It was sent {sends} times, and no pod named {request.name} appeared. Try again later."
                )
                error.args = (error.message,)
                raise


class _Fence:
    """The run's fence around each send of one create, and in the ledger the intent before it and the outcome after it.

    A create may wait minutes until it may be sent, or sent again. The fence is free meanwhile: who gives the run back
    waits for what is in flight and for nothing else, and what has waited is not sent then.
    """

    def __init__(self, work: Work, request: PodRequest, renter: Holder) -> None:
        self._work, self._request, self._renter = work, request, renter
        self._held = contextlib.ExitStack()
        self._open = False

    def __enter__(self) -> _Fence:
        return self

    def __exit__(self, *_error: object) -> None:
        self._held.close()

    def enter(self) -> None:
        """See Gate. :raises CloudError: when nothing may be sent."""
        work, request = self._work, self._request
        work.halt()
        self._held.enter_context(creating(work.run_dir))
        try:
            work.ledger.write(ledger.CREATING, request.name, work.provider.name, gpu=request.gpu, holder=self._renter)
        except OSError as error:
            raise errors.CloudError(
                f"Nothing was rented, since the run's ledger in {work.run_dir} cannot be written: {error.strerror}."
            ) from error
        self._open = True

    def leave(self) -> None:
        """See Gate."""
        self.note(ledger.REFUSED, reason="not carried out, and to be sent again")
        self._held.close()

    def note(self, event: str, pod: Pod | None = None, reason: str | None = None) -> None:
        """What came of what was sent; of nothing sent there is nothing to say."""
        if self._open:
            nothing = Pod(self._work.provider.name, "", self._request.name, UNKNOWN, gpu=self._request.gpu)
            write_quietly(self._work.ledger, self._work.progress, event, pod or nothing, reason)
        self._open = False


def _create_fenced(work: Work, request: PodRequest, renter: Holder) -> Pod:
    """Intent to the ledger, one POST, outcome to the ledger, all inside the fence."""
    with _Fence(work, request, renter) as fence:
        try:
            pod = work.provider.rent(request, fence)
        except errors.CloudError as error:
            event = ledger.AMBIGUOUS if isinstance(error, errors.Ambiguous) else ledger.REFUSED
            made = None
            if error.made:
                event = ledger.CREATED
                made = Pod(work.provider.name, error.made, request.name, UNKNOWN, gpu=request.gpu)
            fence.note(event, made, error.message)
            raise
        fence.note(ledger.CREATED, pod)
    if is_coming(work.run_dir):
        # Who gave the run back did not wait for ever: this process may have been frozen, and the last look is over.
        _end_at_once(work, pod)
    price = f", {usd(pod.usd_per_hour)} per hour" if pod.usd_per_hour is not None else ""
    work.progress.say(f"Rented {pod.label()}: {request.compute()}{price}")
    return pod


def _end_at_once(work: Work, pod: Pod) -> None:
    """:raises NotProvedGone, Fenced: always; nobody waits for this pod any more."""
    results = work.end([pod], settle=work.grace)
    require_gone(work.provider, results)
    raise errors.Fenced(
        f"The pod {pod.label()} was ended as soon as it was made, since the run had been given back meanwhile.",
        facts={"pods_gone": results},
    )
