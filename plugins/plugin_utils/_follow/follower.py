# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a training until it ends, reaches a limit, or is lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ...module_utils._core.patterns import to_regex
from ...module_utils._core.units import duration, usd_total
from ...module_utils._training.metrics import json_lines, latest
from . import text
from .age import PodAge
from .checkpoints import Checkpoints
from .life import Life
from .probe import MOST_BYTES, STREAMS, NoAnswer, RunDirWriter, TrainingProbe

# The first looks come quickly, since a training that fails mostly fails at once; then they get rarer up to the user's
# interval.
FIRST_WAIT = 0.5
SLOWER = 1.3
# A line of progress shows life and must not bury the log.
PROGRESS_SECONDS = 5.0
# After a lost connection: quickly again, since most come back at once, then at most every 15 s.
FIRST_GAP, LONGEST_GAP = 1.0, 15.0
# Seconds of silence between two questions to the provider: it notices some seconds after the connection did.
ASK_GAP = 8.0
# What could not be seen is reported when it changes, and again after so many seconds.
REMINDER_SECONDS = 600.0


@dataclass(frozen=True)
class Limits:
    """What a training may take, 0 for no limit: hours, USD, seconds of stall and of silence.

    With them go its price and what the run has cost before.
    """

    max_hours: float = 0.0
    max_cost: float = 0.0
    stall_timeout: float = 0.0
    unreachable_timeout: float = 120.0
    usd_per_hour: float = 0.0
    earlier_cost: float = 0.0
    rented_at: datetime | None = None
    stop_grace: float = 30.0


@dataclass
class Verdict:
    """How it ended: outcome, reason and message as the action returns them."""

    outcome: str
    reason: str
    message: str


@dataclass
class Follower:
    """Follows one training, look by look.

    ``stop`` ends it on the host and returns a sentence about what it did; ``orphaned`` says whether the program is gone
    that needs the verdict; ``over`` asks the provider of a silent host what ended everything there, and returns None
    where nothing did.
    """

    eye: TrainingProbe
    keeper: RunDirWriter
    checkpoints: Checkpoints
    limits: Limits
    request: dict[str, Any]
    poll_interval: float
    show: Callable[[str], None]
    log: text.LogView
    stop: Callable[[float], str]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    orphaned: Callable[[], bool] = lambda: False
    over: Callable[[], str | None] = lambda: None
    tend: Callable[[], None] = lambda: None
    metrics: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)
    reconnects: int = 0
    age: PodAge | None = None
    _told: dict[str, tuple[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.age = self.age or PodAge(self.limits.rented_at, self.show)

    def run(self) -> Verdict:
        """Follow to the end. Raises OSError when the run's directory cannot be written."""
        self._wait = min(FIRST_WAIT, self.poll_interval)
        self._said_at = self.clock()
        self.life = Life(self.clock(), self.limits.stall_timeout)
        self.ended_by: str | None = None
        self._samples: list[dict[str, Any]] = []
        self.request["checkpoints"] = [to_regex(pattern) for pattern in self.checkpoints.patterns]
        self.log.recall(self.keeper.log_end())
        latest(self.metrics, self.keeper.metrics())
        if not self.keeper.writes:
            self.show(f"follow: another follower keeps {self.keeper.directory} up to date; this one only watches")
        wait = 0.0
        while True:
            if self.orphaned():
                # A killed ansible-playbook leaves its workers behind: a look of theirs would renew the pod's lease.
                self.checkpoints.call_off()
                return Verdict("lost", "orphaned", "The program that followed the training was killed.")
            self.tend()
            if not self._look(wait):
                self.checkpoints.call_off()
                return self._lost()
            verdict = self._ended() or self._over_limit()
            if verdict:
                self.checkpoints.finish(self.found["checkpoints"])
                return verdict
            self.checkpoints.offer(self.found["checkpoints"])
            self._progress()
            wait = 0.0 if self.keeper.behind(self.found) else self._wait
            self._wait = min(self._wait * SLOWER, self.poll_interval)

    def glance(self) -> Verdict:
        """Look once and change nothing. Raises NoAnswer."""
        self.request["checkpoints"] = []
        request = {**self.request, "max_bytes": MOST_BYTES, "log_offset": -(64 << 10)}
        self.found = self.eye.look(request, renew=False)
        self.keeper.lease(self.found.get("lease_ends_in"))
        self._tell_trouble()
        self.log.feed(self.found["log"]["data"], end=True)
        latest(self.metrics, json_lines(self.found["metrics"]["data"]))
        return self._ended() or Verdict("running", "running", f"The training runs for {self._elapsed()}.")

    # Looking

    def _look(self, wait: float) -> bool:
        """Look once, over lost connections; false when the host stayed away for too long, or for good."""
        offsets = {f"{name}_offset": offset for name, offset in self.keeper.offsets.items()}
        request = {**self.request, **offsets, "max_bytes": MOST_BYTES, "wait": wait}
        request["activity"] = self.life.wants(self.clock())
        if request["activity"]:
            self.life.asked(self.clock())
        silent_since: float | None = None
        gap, asked_at, before = FIRST_GAP, 0.0, None
        while True:
            try:
                self.found = self.eye.look(request)
                break
            except NoAnswer as error:
                now = self.clock()
                silent_since = now if silent_since is None else silent_since
                self.silence = str(error)
                if now - max(silent_since, asked_at) >= ASK_GAP:
                    told, asked_at = self.over(), self.clock()
                    # Twice the same: one list may be out of date.
                    if told and told == before:
                        self.ended_by = told
                        return False
                    before = told
                left = self.limits.unreachable_timeout - (now - silent_since)
                if left <= 0:
                    return False
                self.show(f"follow: no answer, trying again for {duration(left)}: {error}")
                self.eye.host.drop_master()
                self.sleep(min(gap, left))
                gap, request["wait"] = min(gap * 2, LONGEST_GAP), 0.0
        if silent_since is not None:
            self.reconnects += 1
            self.show("follow: the connection is back")
        self._take()
        return True

    def _take(self) -> None:
        """Keep and show what the look found."""
        grew = self.keeper.take(self.found)
        # Measured from here on, even where it is first read at the end.
        self.lived_hours()
        self.keeper.lease(self.found.get("lease_ends_in"))
        self._tell_trouble()
        over = self.found["state"] not in ("running", "unknown") and not self.keeper.behind(self.found)
        self.log.feed(self.found["log"]["data"], end=over)
        if not latest(self.metrics, json_lines(self.found["metrics"]["data"])):
            self._tell_once("metrics", "it has too many names; the newest are only in metrics.jsonl")
        samples = json_lines(self.found["gpu"]["data"])
        if samples:
            self._samples = samples
        self.life.see(self.clock(), grew, samples, self.found)

    def _tell_trouble(self) -> None:
        """Say what could not be read there or kept here, once for each reason, and now and then again."""
        for part, words in self.found.get("trouble", {}).items():
            self._tell_once(part, f"it could not be read on {self.eye.host.label} and is left out: {words}")
        for name, words in self.keeper.full.items():
            self._tell_once(f"{name} here", f"{STREAMS[name]} is not kept any further: {words}")

    def _tell_once(self, part: str, words: str) -> None:
        before, again = self._told.get(part, ("", 0.0))
        if words != before or self.clock() >= again:
            self._told[part] = words, self.clock() + REMINDER_SECONDS
            self.show(f"follow: {part}: {words}")

    # Saying

    def _elapsed(self) -> str:
        return duration(self.found.get("seconds") or 0.0)

    def cost(self) -> float:
        """Return what the run has cost so far, in USD."""
        return self.limits.earlier_cost + self.limits.usd_per_hour * self.lived_hours()

    def lived_hours(self) -> float:
        """Hours since the pod was rented; where that is not known, since the training began."""
        return self.age.seconds(self.found) / 3600 if self.age else 0.0

    def _progress(self) -> None:
        if self.clock() - self._said_at < PROGRESS_SECONDS:
            return
        self._said_at = self.clock()
        parts = [self._elapsed(), text.metric_words(self.metrics), text.gpu_words(self._samples)]
        if self.limits.usd_per_hour:
            cap = f", at most {usd_total(self.limits.max_cost)}" if self.limits.max_cost else ""
            parts.append(f"{usd_total(self.cost())}{cap}")
        self.show("follow: " + " | ".join(part for part in parts if part))

    # Judging

    def _ended(self) -> Verdict | None:
        """Return the verdict on a training that does not run any more and of which everything has arrived."""
        state, where = self.found["state"], f"in {self.request['dir']} on {self.eye.host.label}"
        if state in ("running", "unknown") or self.keeper.behind(self.found):
            return None
        if state == "absent":
            return Verdict("lost", "absent", f"No training was ever started {where}, or its directory is gone.")
        if state == "lost":
            code = self._unread("exit_code")
            return Verdict(
                "lost",
                "vanished",
                f"The training {where} vanished after {self._elapsed()} without an exit code: the pod was restarted, "
                "or everything on it was killed. Its log so far and the checkpoints that were fetched are here."
                + (f" Its exit_code could not be read: {code}." if code else ""),
            )
        if self.found["stopped"]:
            return Verdict("stopped", "stopped", f"The training {where} was stopped after {self._elapsed()}.")
        if state == "succeeded":
            return Verdict("succeeded", "exit", f"The training succeeded after {self._elapsed()}.")
        return Verdict("failed", "exit", self._failure())

    def _unread(self, part: str) -> str:
        return str(self.found.get("trouble", {}).get(part, ""))

    def _failure(self) -> str:
        words = text.exit_words(self.found["exit_code"])
        sentence = f"The training on {self.eye.host.label} failed with {words} after {self._elapsed()}."
        return f"{sentence} {text.hint(self.log.last)}".strip()

    def _over_limit(self) -> Verdict | None:
        """End a training that has reached a limit, and wait for its last words."""
        if self.found["state"] not in ("running", "unknown"):
            return None
        limits, idle = self.limits, self.clock() - self.life.moved_at
        if limits.max_cost and self.cost() >= limits.max_cost:
            why = f"It has cost {usd_total(self.cost())} and may cost {usd_total(limits.max_cost)}."
            return self._end("stopped", "max_cost", why)
        if limits.max_hours and self.lived_hours() >= limits.max_hours:
            lived = duration(self.lived_hours() * 3600)
            who = "The pod" if limits.rented_at else "It"
            why = f"{who} has lived for {lived} and may live {limits.max_hours:g} h."
            return self._end("stopped", "max_hours", why)
        if self.life.stalled(self.clock(), limits.stall_timeout):
            why = f"For {duration(idle)} {self.life.words()} (stall_timeout is {duration(limits.stall_timeout)})."
            return self._end("failed", "stall", why)
        if self.life.blind(self.clock(), limits.stall_timeout):
            self._tell_once(
                "stall",
                f"for longer than stall_timeout ({duration(limits.stall_timeout)}) {self.life.words()}; too "
                "little is known to end it",
            )
        return None

    def _end(self, outcome: str, reason: str, why: str) -> Verdict:
        self.show(f"follow: stopping the training: {why}")
        done = self.stop(self.limits.stop_grace)
        while self._look(0.0) and self.keeper.behind(self.found):
            continue
        return Verdict(outcome, reason, f"The training on {self.eye.host.label} was stopped. {why} {done}".strip())

    def _lost(self) -> Verdict:
        if self.ended_by:
            return Verdict(
                "lost",
                "interrupted",
                f"{self.eye.host.label} stopped answering while the training was followed ({self.silence}), and its "
                f"provider knows why: {self.ended_by}. What was fetched so far is here.",
            )
        seconds = self.limits.unreachable_timeout
        return Verdict(
            "lost",
            "unreachable",
            f"{self.eye.host.label} has not answered for {duration(seconds)} while the training was followed "
            f"({self.silence}). The pod is gone or cut off; what was fetched so far is here.",
        )
