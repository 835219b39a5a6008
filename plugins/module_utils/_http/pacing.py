# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose turn it is: pauses that an API asks for between two requests of one kind, kept by all processes of this user,
and short notes that they leave for each other.

Each request takes the next free moment of its kind and sleeps until then, so that those who come together are served
in the order of their coming and nobody is refused for being too quick.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .._core.clock import Clock
from .quota import GIVE_BACK, PROVE, RequestQuota
from .shared_file import SharedFile, account_mark

#: What is added to a pause, a share of it and so many seconds at least: a busy machine and the line's own jitter may
#: bring two requests closer together than they were to be sent.
MARGIN, JITTER = 0.05, 0.05
#: Seconds into the future in which a moment in the file can be one of ours; others are left out.
HORIZON = 600.0
#: Seconds that a request which gives money back may wait for its turn: with twenty pods to end, each three seconds
#: after the other, that is a minute.
MONEY_WAITS = 120.0
#: Seconds for which a note is kept at most: longer than any run.
KEPT = 2_592_000.0


@dataclass(frozen=True)
class PaceRule:
    """So many ``calls`` in ``seconds`` for requests whose ``VERB /path`` matches."""

    name: str
    call: str
    seconds: float
    calls: int = 1


class RequestPacer(RequestQuota):
    """The pauses of one API, in the place of a quota.

    :param paces: the first one that matches a request counts; what none matches goes at once.
    :param scale: a factor on all of them.
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
        # By address and not by key: the service counts what comes from one machine, whatever its key.
        shared = file or SharedFile(f"turns-{account_mark(base_url, '')}")
        super().__init__(title, base_url, key, clock=clock or Clock(), file=shared)
        self._paces = [(re.compile(pace.call), pace) for pace in paces]
        self._scale = scale

    def take(self, kind: str, at_most: float, call: str = "") -> tuple[float, float]:
        """See Budget. The moment is the request's own turn."""
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
            self._sleep(turn - now, f"requests of the kind {pace.name} need a pause")
        self._remark()
        return turn, 0.0

    def _sleep(self, seconds: float, why: str) -> None:
        """Wait for exactly so long: the turn is nobody else's, so nobody has to be kept apart by chance."""
        if seconds > 2.0 and self.tell is not None:
            self.tell(f"Waiting {seconds:.0f} s before {self._title} is asked again: {why}")
        self.held_back += seconds
        self._clock.sleep(seconds)

    def _next(self, pace: PaceRule, taken: Sequence[float]) -> float:
        if len(taken) < pace.calls:
            return 0.0
        return taken[-pace.calls] + self.seconds(pace)

    def seconds(self, pace: PaceRule) -> float:
        """The pause as it is kept: the documented one or a longer one that the service named."""
        told = self._file.read().get("told")
        named = told.get(pace.name) if isinstance(told, dict) else None
        pause = max(pace.seconds * self._scale, named if isinstance(named, float) else 0.0)
        return pause + max(pause * MARGIN, JITTER) if pause else 0.0

    def pause_of(self, call: str) -> float | None:
        """The pause that this request should keep, None when none is known."""
        pace = self._pace(call)
        return None if pace is None else self.seconds(pace) / (pace.calls if pace.calls > 1 else 1)

    def refused(self, call: str, seconds: float, threshold: float | None = None) -> None:
        """Nobody sends this kind for so many seconds; ``threshold`` is the pause that the refusal named."""
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
        """See Budget. Quotas are not told here; what a refusal says comes by ``refused``."""

    def _pace(self, call: str) -> PaceRule | None:
        return next((pace for pattern, pace in self._paces if pattern.fullmatch(call)), None)

    # -- notes -----------------------------------------------------------------------------------------------------

    def claim(self, subject: str, key: str, within: float, value: str = "") -> bool:
        """Leave a note, unless there is one younger than ``within`` seconds that has another value: then somebody
        was first.
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
        """Leave a note, over one that may be there."""
        with self._file.lock():
            now = self._clock.monotonic()
            data = self._file.read()
            data[subject] = {**_notes(data, subject, now), key: [now, value]}
            self._file.write(data)

    def noted(self, subject: str, key: str) -> bool:
        """True when there is a note."""
        return key in _notes(self._file.read(), subject, self._clock.monotonic())

    def told(self, subject: str, key: str) -> str | None:
        """The value of a note."""
        note = _notes(self._file.read(), subject, self._clock.monotonic()).get(key)
        return str(note[1]) if note is not None else None

    def forget(self, subject: str, *, key: str | None = None, value: str | None = None) -> None:
        """Take away the note of this key, or all that have this value."""
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
    """Moments of turns; what cannot be one is left out."""
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
