# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the pauses that an API wants between two requests of one kind, in all processes of this user together.

Each request takes the next free moment of its kind and sleeps until then. So requests that arrive together are sent in
their order of arrival, and none is refused for coming too soon. The processes also leave short notes for each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._core.clock import Clock
from .._core.units import duration
from .quota import GIVE_BACK, PROVE, RequestQuota
from .shared_file import SharedFile, account_mark

#: What is added to a pause: this share of it, and at least so many seconds. A busy machine and a jittery network can
#: bring two requests closer together than they were scheduled.
MARGIN, JITTER = 0.05, 0.05
#: Seconds from now beyond which a moment in the file cannot be one of ours and is ignored.
HORIZON = 600.0
#: Seconds that a request which ends a pod, or proves that it is gone, may wait for its turn: ending twenty pods three
#: seconds apart takes a minute.
MONEY_WAITS = 120.0
#: Seconds for which a note is kept: longer than any run.
KEPT = 2_592_000.0


@dataclass(frozen=True)
class PaceRule:
    """At most ``calls`` requests in ``seconds`` whose ``VERB /path`` matches ``call``, a regular expression."""

    name: str
    call: str
    seconds: float
    calls: int = 1


class RequestPacer(RequestQuota):
    """The pauses of an API that asks for pauses and has no quota.

    :param paces: the first rule that matches a request applies; a request that matches none is sent at once.
    :param scale: a factor for all pauses.
    """

    def __init__(
        self,
        title: str,
        base_url: str,
        key: str,
        paces: Sequence[PaceRule],
        *,
        clock: Clock | None = None,
        scale: float = 1.0,
        file: SharedFile | None = None,
    ) -> None:
        # Shared by address and not by key: the service counts what one machine sends, with whatever key.
        shared = file or SharedFile(f"turns-{account_mark(base_url, '')}")
        super().__init__(title, base_url, key, clock=clock or Clock(), file=shared)
        self._paces = [(re.compile(pace.call), pace) for pace in paces]
        self._scale = scale

    def take(self, kind: str, at_most: float, call: str = "") -> tuple[float, float]:
        """Wait for the turn of this request, and return it as ``RequestQuota.take`` does."""
        pace = self._pace(call)
        if pace is None:
            return self._clock.monotonic(), 0.0
        at_most = max(at_most, MONEY_WAITS) if kind in (GIVE_BACK, PROVE) else at_most
        with self._file.lock():
            now = self._clock.monotonic()
            data = self._file.read()
            taken = _moments(data.get("taken"), pace.name, now)
            turn = max(now, self._next(pace, taken), _moment(data.get("blocked"), pace.name, now))
            if turn - now > at_most:
                return now, turn - now
            _put(data, "taken", pace.name, [*taken, turn][-pace.calls :])
            self._file.write(data)
        if turn > now:
            self._sleep(turn - now, f"the API wants pauses between requests of the kind {pace.name}")
        self._remark()
        return turn, 0.0

    def _sleep(self, seconds: float, why: str) -> None:
        """Wait for exactly ``seconds``: each turn belongs to one request, so no jitter has to keep them apart."""
        if seconds > 2.0 and self.tell is not None:
            self.tell(f"Waiting {duration(round(seconds))} before the next request to {self._title}: {why}")
        self.held_back += seconds
        self._clock.sleep(seconds)

    def _next(self, pace: PaceRule, taken: Sequence[float]) -> float:
        if len(taken) < pace.calls:
            return 0.0
        return taken[-pace.calls] + self.seconds(pace)

    def seconds(self, pace: PaceRule) -> float:
        """Return the seconds to keep: the documented pause, or a longer one that the service named, and a margin."""
        told = self._file.read().get("told")
        named = told.get(pace.name) if isinstance(told, dict) else None
        pause = max(pace.seconds * self._scale, named if isinstance(named, float) else 0.0)
        return pause + max(pause * MARGIN, JITTER) if pause else 0.0

    def pause_of(self, call: str) -> float | None:
        """Return the seconds between two requests of this kind, on average; None when the kind has no rule."""
        pace = self._pace(call)
        return None if pace is None else self.seconds(pace) / (pace.calls if pace.calls > 1 else 1)

    def refused(self, call: str, seconds: float, threshold: float | None = None) -> None:
        """Keep all processes from sending requests of this kind for a while.

        :param call: ``VERB /path`` of the request that was refused.
        :param seconds: how long from now.
        :param threshold: the pause between requests that the refusal named, if it named one.
        """
        pace = self._pace(call)
        if pace is None:
            return
        with self._file.lock():
            now = self._clock.monotonic()
            data = self._file.read()
            _put(data, "blocked", pace.name, max(now + seconds, _moment(data.get("blocked"), pace.name, now)))
            if threshold is not None and threshold > pace.seconds * self._scale:
                _put(data, "told", pace.name, float(threshold))
            self._file.write(data)

    def learn(self, status: int, headers: Any, sent: float) -> None:
        """Do nothing: such an API reports no quota, and ``refused`` learns from its refusals."""

    def _pace(self, call: str) -> PaceRule | None:
        return next((pace for pattern, pace in self._paces if pattern.fullmatch(call)), None)

    # -- notes -----------------------------------------------------------------------------------------------------

    def claim(self, subject: str, key: str, within: float, value: str = "") -> bool:
        """Leave a note, unless another process left one first.

        :param within: seconds for which an earlier note counts.
        :param value: an earlier note with this same value does not count; with an empty one every note does.
        :returns: False when an earlier note counts. Nothing is changed then.
        """
        with self._file.lock():
            now = self._clock.monotonic()
            data = self._file.read()
            notes = _notes(data, subject, now)
            if key in notes and now - notes[key][0] < within and (not value or notes[key][1] != value):
                return False
            data[subject] = {**notes, key: [now, value]}
            self._file.write(data)
        return True

    def note(self, subject: str, key: str, value: str = "") -> None:
        """Leave a note, replacing an earlier one of this subject and key."""
        with self._file.lock():
            now = self._clock.monotonic()
            data = self._file.read()
            data[subject] = {**_notes(data, subject, now), key: [now, value]}
            self._file.write(data)

    def has_note(self, subject: str, key: str) -> bool:
        """Return True when there is a note of this subject and key."""
        return key in _notes(self._file.read(), subject, self._clock.monotonic())

    def read_note(self, subject: str, key: str) -> str | None:
        """Return the value of a note, or None when there is no such note."""
        note = _notes(self._file.read(), subject, self._clock.monotonic()).get(key)
        return str(note[1]) if note is not None else None

    def forget(self, subject: str, *, key: str | None = None, value: str | None = None) -> None:
        """Remove the notes of a subject that have this key or this value."""
        with self._file.lock():
            data = self._file.read()
            notes = _notes(data, subject, self._clock.monotonic())
            kept = {name: note for name, note in notes.items() if name != key and (value is None or note[1] != value)}
            if kept != notes:
                data[subject] = kept
                self._file.write(data)


def _put(data: dict[str, Any], group: str, name: str, value: Any) -> None:
    known = data.get(group)
    data[group] = {**(known if isinstance(known, dict) else {}), name: value}


def _moments(group: Any, name: str, now: float) -> list[float]:
    """Return the turns that were taken, without what cannot be a moment."""
    found = group.get(name) if isinstance(group, dict) else None
    known = found if isinstance(found, list) else []
    return [each for each in known if isinstance(each, float) and each < now + HORIZON]


def _moment(group: Any, name: str, now: float) -> float:
    found = group.get(name) if isinstance(group, dict) else None
    return found if isinstance(found, float) and found < now + HORIZON else 0.0


def _notes(data: dict[str, Any], subject: str, now: float) -> dict[str, list[Any]]:
    found = data.get(subject)
    return {
        str(key): note
        for key, note in (found.items() if isinstance(found, dict) else ())
        if isinstance(note, list) and len(note) == 2 and isinstance(note[0], float) and now - KEPT < note[0] <= now
    }
