# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for a pod from "rented" to "ready", stage by stage, each with its own deadline.

``rented → running → addressed → port_open → authenticated → ready``. The pod is read again between all tries, for its
address and port can change. What can never get ready (failed, gone, restarting again and again) ends the wait at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from .._core import errors, pod
from .._core.clock import PollInterval
from .._core.pod import (
    ADDRESSED,
    AUTHENTICATED,
    FAILED,
    GONE,
    INTERRUPTIONS,
    PORT_OPEN,
    PROVISIONING,
    READY,
    RENTED,
    RUNNING,
    SSH_PORT,
    STAGES,
    STARTING,
    STOPPED,
    Endpoint,
    Pod,
)
from .._core.units import duration
from .._providers.base import Provider
from . import bootstrap, logs, ssh
from .lease import ARMED, Lease
from .progress import Progress
from .ssh import HostKeyTrust
from .watch import PodWatcher

#: Seconds for each stage, counted from the one before it; the first one from the first order, or from the last pod that
#: was given back.
DEADLINES: Mapping[str, float] = {
    # A refused offer costs seconds, and Vast.ai wants some between two orders: within ten minutes a hundred can be
    # asked for, and whoever has none by then does better to change the requirements.
    pod.RENTED: 600.0,
    # Image pulls of 6 to 12 GB were seen to take longer than ten minutes; a cached image needs one.
    pod.RUNNING: 900.0,
    # The address comes seconds after the container; on some hosts it never comes, and each minute is paid for.
    pod.ADDRESSED: 120.0,
    # sshd was seen to start up to 90 s after the pod called itself running; slow hosts take twice that.
    pod.PORT_OPEN: 180.0,
    # Keys are installed before sshd starts, so a refusal seldom heals; 90 s cover a stale address after a restart.
    pod.AUTHENTICATED: 90.0,
    # One command; a host that needs more than half a minute for it is unfit for training.
    pod.READY: 30.0,
}
ADVICE: Mapping[str, str] = {
    pod.RENTED: "Loosen a requirement, or try again later (timeouts.rented).",
    pod.RUNNING: "A large image needs longer (timeouts.running), or the host is a bad one: rent again.",
    pod.ADDRESSED: "Some hosts never get a public address: rent again.",
    pod.PORT_OPEN: (
        "The image must start an SSH server (the providers' own images do), or be made to (bootstrap_ssh); the log of "
        "the pod says what it did instead."
    ),
    pod.AUTHENTICATED: (
        "The key must be in public_keys when the pod is made, and its private half in private_key_file, else in one of "
        "SSH's own files; a key that was added later needs a new pod or a restart. "
        "An image whose user is not root needs the option ssh_user, or ssh_users to find out."
    ),
    pod.READY: "The pod lets us in but runs no command: look at its log, or rent again.",
}


#: Seconds for which a restarted pod may still be shown as it was before.
STALE = 30.0
#: Falls back from running (or uptimes that shrank) that make a restart loop: one may be the host's, three are the
#: image's.
LOOP = 3
#: Seconds more for the port of a pod that installs its SSH server itself: packages from a slow mirror take minutes.
INSTALLING = 240.0
#: Seconds between two looks into the log of such a pod for the line that says why it cannot: each is a request.
LOG_PACE = 20.0
#: Tries at one address before another one of the same pod is tried: one may fail while the other works.
ROUTE_TRIES = 3
#: Seconds for a pod to come to life that was made to run and sat stopped, after the one start that it gets.
REVIVAL = 90.0


@dataclass(frozen=True)
class Readiness:
    """How far to wait, and with what.

    :param target: the stage to reach.
    :param deadlines: seconds by stage, over DEADLINES.
    :param run: runs a command on the controller: argv -> (exit status, stdout, stderr).
    :param known_hosts: file for the pod's host keys.
    :param user: the one to log in as, whatever the provider says; None: as the provider says, else root, else one of
        ``users``.
    :param lease: what is armed with the first login; None: nothing.
    :param read_banner: how to see whether an SSH server answers; injectable for tests.
    :param until: the moment (``Clock.monotonic``) at which the deadline of the whole call is over; None: it has none.
    :param reached: told of each stage that a pod reaches.
    """

    target: str
    run: ssh.Run
    known_hosts: str
    private_key: str | None = None
    deadlines: Mapping[str, float] = field(default_factory=dict)
    user: str | None = None
    users: tuple[str, ...] = ()
    lease: Lease | None = None
    read_banner: Callable[[Endpoint], tuple[bool, str]] = ssh.read_banner
    until: float | None = None
    reached: Callable[[Pod, str], None] = lambda pod, stage: None

    def deadline(self, stage: str, pod: Pod | None = None) -> float:
        """Seconds for this stage of this pod."""
        installing = stage == PORT_OPEN and pod is not None and bootstrap.is_wrapped(pod.args)
        return float(self.deadlines.get(stage, DEADLINES[stage] + (INSTALLING if installing else 0.0)))

    def named(self, pod: Pod, user: str | None = None) -> Pod:
        """Return the pod with this user, else with the one who was named, where there is one."""
        user = user or self.user
        return replace(pod, endpoint=replace(pod.endpoint, user=user)) if user and pod.endpoint else pod


@dataclass(frozen=True)
class Reached:
    """How far a pod got: the last stage, the pod as last read, and what was learned on the way.

    ``lease`` is what became of its lease at the login, ``lease_ends_at`` when that ends.
    """

    stage: str
    pod: Pod
    python: str | None = None
    python_version: str | None = None
    host_key_checking: str | None = None
    lease: str | None = None
    lease_ends_at: str | None = None

    def to_result(self) -> dict[str, Any]:
        """Return the pod's result with stage, python, python_version, host_key_checking and lease_ends_at."""
        result = self.pod.to_result()
        result.update(
            stage=self.stage,
            python=self.python,
            python_version=self.python_version,
            host_key_checking=self.host_key_checking,
            lease_ends_at=self.lease_ends_at,
        )
        return result


def rented(readiness: Readiness | None) -> float:
    """Seconds in which an order must be taken."""
    return DEADLINES[RENTED] if readiness is None else readiness.deadline(RENTED)


def stage_of(pod: Pod) -> str:
    """Return the stage that a pod object alone proves, without any try at its address."""
    if pod.phase != RUNNING:
        return RENTED
    return ADDRESSED if pod.endpoint is not None else RUNNING


class ReadinessWaiter:
    """The wait for one pod.

    :param grace: seconds for which "no such pod" is not believed: the pod was made moments ago.
    :param before: the pod as it was before it was started again; until it shows a new start it is not taken for
        running.
    """

    def __init__(
        self,
        provider: Provider,
        readiness: Readiness,
        polls: PollInterval,
        progress: Progress,
        *,
        grace: float = 0.0,
        before: Pod | None = None,
    ) -> None:
        self._provider = provider
        self._ready = readiness
        self._polls = polls
        self._progress = progress
        self._grace = grace
        self._before = before
        # What was seen before this moment is older than the action that is waited for.
        self._begun = polls.clock.monotonic()
        self._looks = PodWatcher(provider, polls.clock)
        self._reached = RENTED
        self._seen = grace == 0.0
        self._absences = 0
        self._last: Pod | None = None
        self._starts = 0
        self._probe: ssh.Probe | None = None
        self._user: str | None = readiness.user
        self._next_look = 0.0
        self._route, self._failures = 0, 0
        self._revived_at: float | None = None
        keep, clock = grace == 0.0 and before is None, polls.clock
        self._trust = HostKeyTrust(provider, readiness.run, readiness.known_hosts, clock, progress, keep)

    def wait(self, pod: Pod) -> Reached:
        """Wait until the target stage.

        :raises WaitTimeout: when a stage's deadline is over, with the stage that was reached.
        :raises PodLost: when the pod can never get ready.
        """
        tries: Mapping[str, Callable[[Pod], str]] = {
            RUNNING: self._try_running,
            ADDRESSED: self._try_address,
            PORT_OPEN: self._try_port,
            AUTHENTICATED: self._try_login,
            READY: self._try_command,
        }
        begun = self._begun
        for stage in STAGES[1 : STAGES.index(self._ready.target) + 1]:
            try:
                pod = self._stage(stage, tries[stage], pod)
            except errors.CloudError as error:
                error.pod = self._last
                raise
            self._reached = stage
            self._ready.reached(pod, stage)
            self._progress.say(f"{pod.label()}: {stage} after {duration(self._polls.clock.monotonic() - begun)}")
        pod = self._ready.named(pod, self._user)
        probe = self._probe or ssh.Probe(False, False)
        lease = self._ready.lease
        ends_at = lease.ends_at() if lease is not None and probe.lease == ARMED else None
        return Reached(
            self._ready.target, pod, probe.python, probe.python_version, self._trust.mode, probe.lease, ends_at
        )

    def _stage(self, stage: str, attempt: Callable[[Pod], str], pod: Pod) -> Pod:
        """Try until the stage is reached; return the pod as it was last read."""
        seconds, overdue = self._ready.deadline(stage, pod), ""
        left = self._ready.until - self._polls.clock.monotonic() if self._ready.until is not None else seconds
        if left < seconds:
            seconds, overdue = max(0.0, left), " that were left of the deadline for the whole call (option deadline)"
        problem, first = "", True
        for gone in self._polls.until(seconds, self._looks.moment):
            if not first:
                pod = self._read(pod)
            first = False
            self._watch(pod)
            pod = self._routed(pod)
            problem = attempt(pod)
            if not problem:
                return pod
            self._failures += pod.endpoint is not None
            self._progress.remind(
                f"{pod.label()}: waiting for {stage}, {duration(gone)} of {duration(seconds)}; {problem}"
            )
        quoted, code = self._quote(pod)
        raise errors.WaitTimeout(
            f"The pod {pod.label()} reached {self._reached} but not {stage} within {duration(seconds)}{overdue}: "
            f"{problem}. {ADVICE[stage]}{quoted}",
            stage=self._reached,
            code=errors.OVERDUE if overdue else code,
        )

    def _routed(self, pod: Pod) -> Pod:
        """Return the pod with the address that is tried now.

        That is the direct one; after some failures the first that answers; or, when the key was refused there, the next
        one.
        """
        if pod.endpoint is None or not pod.alternates:
            return pod
        routes = sorted((pod.endpoint, *pod.alternates), key=lambda route: (route.mode, route.host, route.port))
        if self._failures >= ROUTE_TRIES:
            self._failures = 0
            if self._reached == ADDRESSED:
                answering = [self._ready.read_banner(route)[0] for route in routes]
                self._route = answering.index(True) if any(answering) else 0
            else:
                self._route += 1
        chosen = routes[self._route % len(routes)]
        return replace(pod, endpoint=chosen, alternates=tuple(route for route in routes if route != chosen))

    def _read(self, pod: Pod) -> Pod:
        """Return the pod as it is now; as it was, when the API fails for a moment: the stage's deadline counts on."""
        moment = self._polls.clock.monotonic()
        young = not self._seen and moment - self._begun < self._grace
        try:
            now = self._looks.see(pod, since=max(self._begun, moment - self._polls.least), young=young)
        except errors.NotFound as error:
            self._absences += 1
            if young or self._absences < 2:
                return pod
            seconds = self._polls.clock.monotonic() - self._begun
            never = f"was never shown by the provider in the {duration(seconds)} since it was rented"
            raise self._lost(pod, "does not exist any more" if self._seen else never, error) from error
        except (errors.ServerError, errors.Unreachable, errors.RateLimited, errors.BadAnswer) as error:
            self._progress.remind(f"{pod.label()}: {error.message}")
            return pod
        self._seen, self._absences, self._last = True, 0, now
        self._count_starts(pod, now)
        return now

    def _count_starts(self, before: Pod, now: Pod) -> None:
        """Count restarts of the container: it fell back to starting, or is younger than it was."""
        fell_back = before.phase == RUNNING and now.phase in (STARTING, PROVISIONING)
        younger = (
            now.phase == before.phase == RUNNING
            and before.uptime is not None
            and now.uptime is not None
            and now.uptime < before.uptime
        )
        self._starts += fell_back or younger

    def _watch(self, pod: Pod) -> None:
        """End the wait for a pod that can never get ready."""
        if pod.phase == FAILED:
            raise self._lost(pod, f"failed (the provider says {pod.raw_status})")
        if pod.phase == GONE:
            raise self._lost(pod, f"was ended by somebody (the provider says {pod.raw_status})")
        self._refuse_interrupted(pod)
        if self._starts >= LOOP:
            raise self._lost(
                pod, "restarts again and again: its image's or args' command ends, and must stay in the foreground"
            )

    def _refuse_interrupted(self, pod: Pod) -> None:
        """End the wait for a pod that was taken away, or that sits stopped.

        One that was made to run and never did gets one start.
        """
        if self._before is not None:
            return
        if pod.interruption is not None:
            what = INTERRUPTIONS.get(pod.interruption, pod.interruption)
            raise self._lost(pod, f"{what} (the provider says {pod.raw_status})")
        if pod.phase != STOPPED:
            return
        now = self._polls.clock.monotonic()
        if self._revived_at is None and self._reached == RENTED and self._provider.start_once(pod):
            self._revived_at = now
            self._progress.say(f"{pod.label()} sat stopped although it was made to run; it was started once")
        if self._revived_at is None or now - self._revived_at > REVIVAL:
            raise self._lost(pod, f"was stopped (the provider says {pod.raw_status})")

    def _lost(self, pod: Pod, what: str, cause: errors.CloudError | None = None) -> errors.PodLost:
        quoted, code = self._quote(pod)
        return errors.PodLost(
            f"The pod {pod.label()} {what}, after it had reached {self._reached}.{quoted}",
            stage=self._reached,
            status=cause.status if cause else None,
            code=code,
        )

    def _try_running(self, pod: Pod) -> str:
        if pod.phase != RUNNING:
            return f"it is {pod.phase} ({pod.raw_status})"
        before = self._before
        if before is None or self._polls.clock.monotonic() - self._begun >= STALE:
            self._before = None
            return ""
        anew = pod.started_at != before.started_at or (
            pod.uptime is not None and before.uptime is not None and pod.uptime < before.uptime
        )
        if not anew and self._starts == 0 and before.phase == RUNNING:
            return "it is still shown as it was before the restart"
        self._before = None
        return ""

    def _try_address(self, pod: Pod) -> str:
        if pod.endpoint is not None:
            return ""
        if SSH_PORT not in pod.ports:
            raise errors.BadRequest(
                f"The pod {pod.label()} has no port {SSH_PORT}, so it can never be reached by SSH: "
                "rent it with that port, or wait for the stage running only."
            )
        return f"it is {pod.phase} and has no public address for SSH"

    def _try_port(self, pod: Pod) -> str:
        if pod.endpoint is None:
            return self._try_address(pod)
        answered, words = self._ready.read_banner(pod.endpoint)
        if not answered:
            self._heed(pod)
        return "" if answered else f"{pod.endpoint.host} port {pod.endpoint.port}: {words}"

    def _heed(self, pod: Pod) -> None:
        """End the wait for a pod whose start command says that there will be no SSH server."""
        now = self._polls.clock.monotonic()
        if not bootstrap.is_wrapped(pod.args) or now < self._next_look:
            return
        self._next_look = now + LOG_PACE
        reason = logs.why_no_ssh(self._provider, pod)
        if reason is not None:
            raise self._lost(pod, f"will never answer ({reason})")

    def _try_login(self, pod: Pod) -> str:
        problem = self._try_port(pod)
        if problem or pod.endpoint is None:
            return problem
        trust = self._trust.verify(pod, pod.endpoint)
        if isinstance(trust, str):
            return trust
        # The likeliest first. A user that was let in once is kept.
        users = [self._user] if self._user is not None else [pod.endpoint.user, "root", *self._ready.users]
        logins = [replace(pod.endpoint, user=user) for user in dict.fromkeys(users)]
        ready, lease = self._ready, self._ready.lease.at_login() if self._ready.lease is not None else ""
        self._probe, opened = ssh.log_in(
            ready.run, logins, ready.known_hosts, trust.mode or "", ready.private_key, lease
        )
        if not self._probe.logged_in:
            return f"ssh says: {self._probe.problem.rstrip('.')}"
        self._user = opened.user
        return ""

    def _try_command(self, pod: Pod) -> str:
        """Return the stage by the command's answers, which the login brought; only if it did not, log in again."""
        if self._probe is None or not self._probe.answered:
            problem = self._try_login(pod)
            if problem:
                return problem
        return (
            ""
            if self._probe is not None and self._probe.answered
            else self._probe.problem
            if self._probe
            else "no answer"
        )

    def _quote(self, pod: Pod) -> tuple[str, str | None]:
        """Return what the pod's log says, and the code of the error."""
        quoted, everywhere = logs.quote(self._provider, pod, running=self._reached != RENTED)
        return quoted, errors.EVERYWHERE if everywhere else None


def wait_until_ready(
    provider: Provider,
    pod: Pod,
    readiness: Readiness,
    polls: PollInterval,
    progress: Progress,
    *,
    grace: float = 0.0,
    before: Pod | None = None,
) -> Reached:
    """Wait for a pod, see ReadinessWaiter. A target of ``rented`` is reached already."""
    if readiness.target == RENTED:
        return Reached(RENTED, readiness.named(pod))
    return ReadinessWaiter(provider, readiness, polls, progress, grace=grace, before=before).wait(pod)
