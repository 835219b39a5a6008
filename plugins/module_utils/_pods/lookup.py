# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod that may exist: looked for by its name or by the run's ledger, until it is there or proved absent. Private to
this collection.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from .._core import errors
from .._core import pod as pod_states
from .._core.clock import Polls
from .._core.pod import Pod
from .._http.shared_file import SharedFile
from .._providers.base import Provider
from .fence import RunDir
from .holder import Holder, doubt
from .ledger import AMBIGUOUS, CREATED, CREATING, GONE, Ledger
from .progress import Progress
from .terminate import GRACE, PROOF, QUICK, pod_of, require_gone, seconds_since, terminate_and_prove, write_quietly

#: Times the grace for which a look-up goes on when the list itself fails: then nothing is proved, and nothing may be
#: sent again.
STUBBORN = 5
#: Seconds to wait for another task that is renting a pod of the same name: as long as most pods need to get ready.
TURN = 1800.0


@dataclass(frozen=True)
class Work:
    """What every step of a pod's life needs beside the pod.

    :param grace: seconds after a create for which the provider may not show the pod yet.
    :param run_dir: where the run's fence and ledger are; None: there is no run.
    :param halt: asked right before a create is sent; it raises what ends the work.
    """

    provider: Provider
    polls: Polls = field(default_factory=Polls)
    progress: Progress = field(default_factory=Progress)
    run_dir: RunDir = None
    grace: float = GRACE
    halt: Callable[[], None] = lambda: None

    @property
    def ledger(self) -> Ledger:
        """The run's ledger."""
        return Ledger(self.run_dir)

    def end(self, pods: Sequence[Pod], *, settle: float = 0.0) -> list[dict[str, Any]]:
        """End pods and prove it; see ``terminate_and_prove``."""
        return terminate_and_prove(
            self.provider, pods, polls=self.polls, progress=self.progress, ledger=self.ledger, settle=settle
        )


@contextlib.contextmanager
def alone(work: Work, name: str, patience: float | None = None) -> Iterator[None]:
    """Keep other tasks of this user from renting a pod of this name meanwhile: both would see that there is none, and
    each would rent one.

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
                f"{patience:.0f} s. See what it waits for, end it, and run this one again."
            )
        # Its age tells when its lock is of no use any more.
        file.write({})
        yield


def look_up(work: Work, name: str, cause: errors.CloudError, grace: float | None = None) -> Pod | None:
    """The pod of this name, or None when it is proved absent: twice, past the grace time.

    :raises Ambiguous: when the list cannot be had for much longer than the grace: nothing is proved then.
    :raises AuthError: at once; a refused key proves nothing.
    """
    span = work.grace if grace is None else grace
    clock = work.polls.clock
    begun, absences, problem = clock.monotonic(), 0, ""
    while True:
        elapsed = clock.monotonic() - begun
        try:
            with work.provider.urgently():
                found = [pod for pod in work.provider.list() if pod.name == name and pod.phase != pod_states.GONE]
        except (errors.AuthError, errors.Forbidden, errors.Blocked) as error:
            error.message = f"A pod named {name} may exist and bill, and it cannot be looked for: {error.message}"
            error.args = (error.message,)
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
        work.progress.remind(f"Looking for a pod named {name}, {elapsed:.0f} of {span:.0f} s")
        work.polls.pause(max(QUICK, span - elapsed))


def unsettled(work: Work, mine: Callable[[str], bool], known: Sequence[Pod]) -> list[str]:
    """Names in the ledger that may be a pod which the list does not show (yet): asked for or made, not ended, not in
    ``known``, and ``mine``.
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


def settle(work: Work, name: str) -> Pod | None:
    """Find out what became of a name in the ledger that is not listed: the pod, or None after it was proved absent.

    The grace counts from the time of the ledger's entry, so that an old entry costs two looks and not a minute.
    """
    event = next(event for event in reversed(work.ledger.told()) if event["name"] == name)
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
        write_quietly(work.ledger, work.progress, GONE, nothing, reason="never appeared", holder=renter)
    else:
        write_quietly(work.ledger, work.progress, CREATED, found, reason="found by its name")
    return found


def _settle_known(work: Work, event: dict[str, Any], left: float) -> Pod | None:
    """The same for a pod that was made and is not listed: it is there by its id, or it is ended and proved gone.

    That the list does not show it proves nothing: its host may be lost, or the list behind the times.

    :raises NotProvedGone: when it may still cost money.
    """
    try:
        pod = work.provider.get(event["id"])
    except errors.NotFound:
        pod = pod_of(event)
    else:
        if pod.phase != pod_states.GONE:
            return pod
    require_gone(work.provider, work.end([pod], settle=left))
    return None
