# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create exactly one pod for each request, whatever the network does.

A pod that may exist is looked for by its name and in the run's ledger, until it is there or proved absent.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Callable

from .._core import errors
from .._core import pod as pod_states
from .._core.pod import UNKNOWN, Pod, PodRequest
from .._core.times import seconds_since
from .._core.units import duration, usd
from .._http.shared_file import SharedFile
from . import ledger
from .attempts import AttemptLog
from .context import PodContext
from .fence import creating, is_coming
from .holder import Holder, doubt, holder
from .ledger import AMBIGUOUS, CREATED, CREATING
from .terminate import PROOF, QUICK, pod_of, require_gone, write_quietly

#: Times the grace for which a look-up goes on when the list itself fails: then nothing is proved, and nothing may be
#: sent again.
STUBBORN = 5
#: Seconds to wait for another task that is renting a pod of the same name: as long as most pods need to get ready.
TURN = 1800.0


@contextlib.contextmanager
def alone(work: PodContext, name: str, patience: float | None = None) -> Iterator[None]:
    """Keep other tasks of this user from renting a pod of this name meanwhile.

    Both would see that there is none, and each would rent one.

    :raises Conflict: when another does so for longer than ``patience`` seconds (TURN).
    """
    mark = work.provider.account_mark
    patience = TURN if patience is None else patience
    if mark is None:
        yield
        return
    file = SharedFile(f"name-{hashlib.sha256(f'{mark} {name}'.encode()).hexdigest()[:32]}")
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(file.lock(0.0))
        if not held:
            work.progress.say(f"Another task is renting the pod {name}: waiting until it has ended")
            stack.close()
            held = stack.enter_context(file.lock(patience))
        if not held:
            raise errors.Conflict(
                f"The pod {name} was not rented: another task on this machine has been renting it for more than "
                f"{duration(patience)}. See what it waits for, end it, and run this one again."
            )
        # Its age shows when its lock is obsolete.
        file.write({})
        yield


def look_up(work: PodContext, name: str, cause: errors.CloudError, grace: float | None = None) -> Pod | None:
    """Return the pod of this name, or None when it is proved absent: twice, past the grace time.

    :raises Ambiguous: when the list fails for much longer than the grace: nothing is proved then.
    :raises AuthError: at once; a refused key proves nothing.
    """
    span = work.grace if grace is None else grace
    clock = work.polls.clock
    begun, absences, problem = clock.monotonic(), 0, ""
    while True:
        elapsed = clock.monotonic() - begun
        try:
            with work.provider.urgently():
                found = [pod for pod in work.provider.list_pods() if pod.name == name and pod.phase != pod_states.GONE]
        except (errors.AuthError, errors.Forbidden, errors.Blocked) as error:
            error.reword(f"A pod named {name} may exist and bill, and it cannot be looked for: {error.message}")
            raise
        except errors.CloudError as error:
            problem = error.message
            found = []
            if elapsed >= span * STUBBORN:
                raise errors.Ambiguous(
                    f"{cause.message} Whether the pod {name} exists could not be found out: {problem} Look for "
                    "it in the console.",
                    status=cause.status,
                    request_id=cause.request_id,
                    detail=cause.detail,
                ) from error
        else:
            absences += not found and elapsed >= span
        if found:
            return min(found, key=lambda pod: pod.created_at or "")
        if absences >= PROOF:
            return None
        work.progress.remind(f"Looking for a pod named {name}, {duration(elapsed)} of {duration(span)}")
        work.polls.pause(max(QUICK, span - elapsed))


def unsettled(work: PodContext, mine: Callable[[str], bool], known: Sequence[Pod]) -> list[str]:
    """Return names in the ledger that may be a pod which the list does not show (yet).

    They were requested or made, not ended, not in ``known``, and ``mine`` accepts them.
    """
    last = {event["name"]: event for event in work.ledger.read()}
    shown = {pod.name for pod in known}
    open_events = (CREATING, AMBIGUOUS, CREATED)
    return [
        name
        for name, event in last.items()
        if event["event"] in open_events
        and event["provider"] == work.provider.name
        and name not in shown
        and mine(name)
    ]


def settle(work: PodContext, name: str) -> Pod | None:
    """Find out what became of a name in the ledger that is not listed: the pod, or None after it was proved absent.

    The grace counts from the time of the ledger's entry, so that an old entry costs two looks and not a minute.
    """
    event = next(event for event in reversed(work.ledger.read_with_accounts()) if event["name"] == name)
    # An entry from the future is of a clock that was set back since, or of another machine's.
    left = min(work.grace, max(0.0, work.grace - seconds_since(event["time"])))
    if event["event"] == CREATED and event.get("id"):
        return _settle_known(work, event, left)
    renter = Holder.of(event)
    why = doubt(work.provider, renter) if renter.known else None
    if why is not None:
        raise errors.NotProvedGone(f"A pod named {name} may exist and bill: {why}.")
    cause = errors.Ambiguous(f"The run's ledger says that a pod named {name} was asked for.")
    found = look_up(work, name, cause, grace=left)
    if found is None:
        nothing = Pod(work.provider.name, "", name, pod_states.GONE, gpu=event.get("gpu"))
        write_quietly(work.ledger, work.progress, ledger.GONE, nothing, reason="never appeared", holder=renter)
    else:
        write_quietly(work.ledger, work.progress, CREATED, found, reason="found by its name")
    return found


def _settle_known(work: PodContext, event: dict[str, Any], left: float) -> Pod | None:
    """Settle a pod that was made and is not listed: find it by its id, or end it and prove it gone.

    Its absence from the list proves nothing: its host may be lost, or the list behind the times.

    :raises NotProvedGone: when it may still cost money.
    """
    try:
        pod = work.provider.get_pod(event["id"])
    except errors.NotFound:
        pod = pod_of(event)
    else:
        if pod.phase != pod_states.GONE:
            return pod
    require_gone(work.provider, work.end([pod], settle=left))
    return None


#: How often a create is sent for one name: again only after the first was proved not to exist.
SENDS = 2


def create_once(work: PodContext, request: PodRequest, history: AttemptLog | None = None) -> Pod:
    """Rent one pod, and exactly one, under ``request.name``, which must be unique.

    A create whose outcome is unknown is looked for by its name; what is found is adopted, and only what is proved
    absent, twice and past the grace, is asked for again.

    :raises Fenced: when the run was given back meanwhile.
    :raises Ambiguous: when the outcome stays unknown: then the pod may exist.
    :raises CloudError: any other refusal; no pod exists then.
    """
    history = history if history is not None else AttemptLog()
    work.provider.check(request)
    renter = Holder() if work.run_dir is None else holder(work.provider)
    sends = 0
    while True:
        try:
            return _create_fenced(work, request, renter)
        except errors.Ambiguous as error:
            sends += 1
            history.uncertain = True
            work.progress.say(f"{error.message} Looking for the pod by its name for {duration(work.grace)}")
            found = look_up(work, request.name, error)
            if found is not None:
                write_quietly(work.ledger, work.progress, ledger.CREATED, found, reason="found by its name")
                if is_coming(work.run_dir):
                    _end_at_once(work, found)
                work.progress.say(f"{found.label()} exists after all and is taken on")
                history.meter.made = history.meter.begun
                return found
            if sends >= SENDS:
                nothing = Pod(work.provider.name, "", request.name, pod_states.GONE, gpu=request.gpu)
                write_quietly(work.ledger, work.progress, ledger.GONE, nothing, reason="never appeared")
                error.add(f"It was sent {sends} times, and no pod named {request.name} appeared. Try again later.")
                raise


class _Fence:
    """The run's fence around each send of one create, and in the ledger the intent before it and the outcome after it.

    A create may wait minutes until it may be sent, or sent again. The fence is free meanwhile: who gives the run back
    waits for what is in flight and for nothing else, and what has waited is not sent then.
    """

    def __init__(self, work: PodContext, request: PodRequest, renter: Holder) -> None:
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
        """Note what became of a request that was sent; of one that was not sent there is nothing to note."""
        if self._open:
            nothing = Pod(self._work.provider.name, "", self._request.name, UNKNOWN, gpu=self._request.gpu)
            write_quietly(self._work.ledger, self._work.progress, event, pod or nothing, reason)
        self._open = False


def _create_fenced(work: PodContext, request: PodRequest, renter: Holder) -> Pod:
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


def _end_at_once(work: PodContext, pod: Pod) -> None:
    """End a pod that no task waits for any more.

    :raises NotProvedGone, Fenced: always.
    """
    results = work.end([pod], settle=work.grace)
    require_gone(work.provider, results)
    raise errors.Fenced(
        f"The pod {pod.label()} was ended as soon as it was made, since the run had been given back meanwhile.",
        facts={"pods_gone": results},
    )
