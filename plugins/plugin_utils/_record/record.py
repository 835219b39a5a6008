# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a run, which `run.json` holds: what was asked for, what happened, what it cost.

`docs/schema/run.schema.json` says the same for other programs. Times are RFC 3339 in UTC, money is USD, durations are
seconds.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, get_args

from ...module_utils._core.units import duration, usd, usd_total
from ...module_utils._pods import books
from .._common import words
from .._common.files import now, seconds_between
from .._common.records import OPTIONAL, Record, hints_of, read

Outcome = Literal["running", "succeeded", "failed", "stopped", "lost", "kept", "detached"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)
STAGES = ("plan", "provision", "verify", "prepare", "data", "launch", "follow", "fetch", "give_back", "report")
# The stage in which the report is written: the run is over by then, and the stage says nothing about it.
REPORT = STAGES[-1]
# Kept by this file alone, so that no caller can make them disagree with each other.
OWN_FIELDS = ("stages", "outcome", "started", "ended")


class RunError(Exception):
    """The record of a run cannot be read or written; the text is a sentence for people."""


@dataclass
class Limits(Record):
    """What bounds the money of the run; None is no limit. USD an hour of the pod, USD of the run, hours of the pod."""

    max_price: float | None
    max_cost: float | None
    max_hours: float | None


@dataclass
class Requested(Record):
    """The pod that was asked for: GPUs in order of preference (none: any), how many, the image (None: a template's)."""

    gpus: list[str]
    gpu_count: int
    image: str | None


@dataclass
class RecordedJob(Record):
    """What status, stop and fetch must know of the job; no secret is among it. None is what the job left open."""

    project: str | None = None
    providers: list[str] | None = None
    env_file: str | None = None
    dirs: dict[str, str] | None = None
    artifacts: list[str] | None = None
    checkpoints: list[str] | None = None
    metrics_file: str | None = None
    consistency_grace: float | None = None
    max_cost: float | None = None
    max_hours: float | None = None
    output_gb: float | None = None


@dataclass
class Stage(Record):
    """A stage of the run, which runs until it has an end."""

    name: str
    started: str | None = None
    ended: str | None = None


@dataclass
class PodEntry(Record):
    """What the record keeps of a pod. All else that a provider says of it, its environment above all, stays out.

    `gone_proved` is True once the provider's API has proved the pod gone; only then nothing has to be ended any more.
    `account` and `key_hash` say who rented it.
    """

    provider: str
    id: str
    name: str | None = None
    gpu: str | None = None
    gpu_count: int | None = None
    usd_per_hour: float | None = None
    region: str | None = None
    cloud: str | None = None
    rented_at: str | None = None
    gone_at: str | None = None
    gone_proved: bool = False
    cost_usd: float | None = None
    lease_ends_at: str | None = None
    account: str | None = None
    key_hash: str | None = None

    @classmethod
    def from_json(cls, found: Any, *, salvage: bool = False) -> Self:
        """Read a pod from whatever of it can be read: it is ended by these fields.

        :raises ValueError: when it has no id.
        """
        if not isinstance(found, Mapping) or books.word(found.get("id")) is None:
            raise ValueError("it is not an object with an id")
        # An id or an account that was written as a number names the same.
        named = {name: books.word(found.get(name)) for name in ("provider", "id", "account", "key_hash")}
        return super().from_json({**found, **named, "provider": named["provider"] or "unknown"}, salvage=True)

    @classmethod
    def of(cls, pod: Mapping[str, Any]) -> Self:
        """Take from a pod, as a module or the ledger tells of it, what a record keeps."""
        known = {each.name: pod[each.name] for each in fields(cls) if each.name in pod and each.name != "more"}
        entry = cls.from_json(known)
        entry.rented_at = entry.rented_at or read_text(pod.get("created_at"))
        return entry

    @property
    def key(self) -> tuple[str, str]:
        """What names the pod: ids are a provider's own."""
        return self.provider, self.id

    @property
    def label(self) -> str:
        """How a message names the pod."""
        return f"{self.name} ({self.id} on {self.provider})"

    @property
    def seconds(self) -> float | None:
        """Seconds for which the pod was rented, up to now while it lives; None where that is not known."""
        return seconds_between(self.rented_at, self.gone_at)

    def learn(self, other: PodEntry, *, fill: bool = False) -> None:
        """Add what another entry of the same pod knows; what it does not know replaces nothing.

        The first time that the pod was rented and gone stays, as does a proof. With `fill`, the other is of the ledger:
        it fills gaps, and says when the pod was rented, by the clock that notes its end as well. The provider's clock
        may be hours away from that one.
        """
        for each in fields(self):
            value = getattr(other, each.name)
            first_stays = each.name != "rented_at" if fill else each.name in ("rented_at", "gone_at", "gone_proved")
            if each.name != "more" and value is not None and not (first_stays and getattr(self, each.name)):
                setattr(self, each.name, value)

    def price(self) -> None:
        """Compute what the pod has cost from its price and its time, where both are known."""
        seconds = self.seconds
        if seconds is not None and self.usd_per_hour is not None:
            self.cost_usd = round(seconds / 3600 * float(self.usd_per_hour), 6)


def read_text(value: Any) -> str | None:
    """Return a text, or None for what is none."""
    return str(value) if isinstance(value, str) and value else None


@dataclass
class Attempt(Record):
    """A try to rent a pod, as the module pod returns it; `outcome` is rented, refused or given back, `id` its pod's."""

    provider: str | None = None
    name: str | None = None
    offer: str | None = None
    host: str | None = None
    gpu: str | None = None
    gpu_id: str | None = None
    cpu: str | None = None
    cloud: str | None = None
    region: str | None = None
    usd_per_hour: float | None = None
    stage: str | None = None
    outcome: str | None = None
    id: str | None = None
    reason: str | None = None
    seconds: float | None = None
    cost_usd: float | None = None

    @property
    def what(self) -> str:
        """What was tried, in a few words: `RTX 4090 in SE on vastai (machine 21055), USD 0.39 an hour`."""
        what = " ".join(word for word in (self.gpu, self.cpu) if word) or "a pod"
        place = f" in {self.region}" if self.region else ""
        machine = f" (machine {self.host})" if self.host else ""
        return f"{what}{place} on {self.provider}{machine}, {usd(self.usd_per_hour)} an hour"

    @property
    def how_it_went(self) -> str:
        """What came of it: `given back after 3 min 4 s, reached running, cost USD 0.02`."""
        stage = f", reached {self.stage.replace('_', ' ')}" if self.stage else ""
        cost = f", cost {usd_total(self.cost_usd)}" if self.cost_usd else ""
        return f"{self.outcome} after {duration(self.seconds)}{stage}{cost}"


@dataclass
class Interruption(Record):
    """What took the pod away while the run needed it; the kinds are those of the filter pod_fate."""

    kind: str
    provider: str
    pod_id: str
    pod: str
    stage: str
    message: str
    seen_at: str

    @property
    def text(self) -> str:
        """Name it in a few words: `outbid in the stage follow, seen at 2026-07-15 14:00:00 UTC`."""
        return f"{self.kind} in the stage {self.stage.replace('_', ' ')}, seen at {words.clock(self.seen_at)}"


@dataclass
class Artifact(Record):
    """A file that was brought home, its path relative to the run's directory."""

    path: str
    bytes: int | None = None
    sha256: str | None = None


@dataclass
class SentData(Record):
    """The dataset that was sent: its files and bytes, and the bytes and seconds that sending them took."""

    files: int | None = None
    bytes: int | None = None
    sent_bytes: int | None = None
    seconds: float | None = None


@dataclass
class Unproved(Record):
    """What the run was before its pods could not be proved gone, and is again as soon as they are."""

    outcome: Outcome
    error: str | None = None


@dataclass
class RunRecord(Record):
    """The record of one run. Whatever happened to its file, what of it can be read is read: pods are ended by it.

    `limits` and `requested` are None where they are not known, as in a record of an older version, and never guessed.
    """

    run_id: str = ""
    name: str | None = None
    outcome: Outcome = "running"
    error: str | None = None
    started: str = field(default_factory=now)
    ended: str | None = None
    limits: Limits | None = None
    requested: Requested | None = None
    job: RecordedJob | None = None
    stages: list[Stage] = field(default_factory=list)
    pods: list[PodEntry] = field(default_factory=list)
    # How each rent went, those of pods that were given back too; and what took the pod away, where something did.
    attempts: list[Attempt] = field(default_factory=list)
    interruption: Interruption | None = None
    cost_usd: float = 0.0
    dataset: SentData | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    artifacts: list[Artifact] = field(default_factory=list)
    unproved: Unproved | None = field(default=None, metadata=OPTIONAL)

    @classmethod
    def from_json(cls, found: Any, *, salvage: bool = True) -> Self:
        """Read a record by what of it can be read. Raises ValueError for what is no object."""
        return super().from_json(found, salvage=salvage)

    @property
    def is_past_plan(self) -> bool:
        """Whether the run has come to a stage in which something is rented, or has pods whatever its stages say."""
        return bool(self.pods) or any(stage.name in STAGES[1:-1] for stage in self.stages)

    @property
    def unproved_pods(self) -> list[PodEntry]:
        """The pods that are not proved gone, and may still cost money."""
        return [pod for pod in self.pods if not pod.gone_proved]

    @property
    def running_stage(self) -> str | None:
        """The stage that was begun and has not ended; None when there is none."""
        return next((stage.name for stage in reversed(self.stages) if stage.ended is None), None)

    def end_stages(self, but: str | None = None) -> None:
        """End the stages that run, except the one named `but`."""
        for stage in self.stages:
            if stage.ended is None and stage.name != but:
                stage.ended = now()
                if self.outcome != "running" and stage.name != REPORT:
                    # What follows the outcome, the give-back above all, is still a part of the run; its report is not.
                    self.ended = stage.ended

    def begin_stage(self, name: str) -> None:
        """Begin a stage, unless it runs already."""
        if not any(stage.name == name and stage.ended is None for stage in self.stages):
            self.stages.append(Stage(name, now()))

    def set_outcome(self, outcome: str) -> None:
        """Set how the run stands; any outcome but running ends it. Raises ValueError for a foreign one."""
        if outcome == "running":
            self.ended = None
        elif self.outcome != outcome or self.ended is None:
            self.ended = now()
        self.outcome = read(Outcome, outcome)

    def merge(self, values: Mapping[str, Any]) -> None:
        """Merge values in place: objects key by key, pods and attempts by id, artifacts by path, others replaced.

        Raises RunError for a value of another type than the field's: a limit that cannot be read would be none.
        """
        for name, value in values.items():
            try:
                self._merge_one(name, value)
            except ValueError as error:
                raise RunError(f"{name} of a record cannot be written: {error}.") from error

    def _merge_one(self, name: str, value: Any) -> None:
        if name == "pods":
            self.merge_pods([PodEntry.of(pod) for pod in value])
        elif name == "attempts":
            self._merge_attempts(value)
        elif name == "artifacts":
            known = {artifact.path: artifact for artifact in self.artifacts}
            new = [Artifact.from_json(each, salvage=True) for each in value]
            self.artifacts = list({**known, **{each.path: each for each in new}}.values())
        else:
            self._merge_value(name, value)

    def merge_pods(self, pods: list[PodEntry], *, fill: bool = False) -> None:
        """Add what is newly known of each pod; with `fill`, what the ledger knows (see `PodEntry.learn`)."""
        for entry in pods:
            known = next((pod for pod in self.pods if pod.key == entry.key), None)
            if known is None:
                known = PodEntry(*entry.key)
                self.pods.append(known)
            known.learn(entry, fill=fill)

    def _merge_attempts(self, more: list[Mapping[str, Any]]) -> None:
        """Add attempts that are new, and what is newly known of one that made a pod."""
        for entry in more:
            new = Attempt.from_json(entry, salvage=True)
            for number, known in enumerate(self.attempts):
                if new.id and (known.provider, known.id) == (new.provider, new.id):
                    self.attempts[number] = Attempt.from_json({**known.to_json(), **entry}, salvage=True)
                    break
            else:
                if new not in self.attempts:
                    self.attempts.append(new)

    def _merge_value(self, name: str, value: Any) -> None:
        before = self.to_json().get(name)
        if isinstance(value, Mapping) and isinstance(before, dict):
            merge_objects(before, value)
            value = before
        kinds = hints_of(type(self))
        if name in kinds:
            setattr(self, name, read(kinds[name], value))
        else:
            self.more[name] = copy.deepcopy(value)

    def restore(self) -> None:
        """Make the run what it was before its pods could not be proved gone.

        It is called as soon as they are: the guard, or a later call, has done what failed then.
        """
        before = self.unproved
        if before is None or not self.pods or self.unproved_pods:
            return
        self.unproved = None
        if self.outcome == "failed":
            self.outcome, self.error = before.outcome, before.error

    def price(self) -> None:
        """Compute what each pod has cost, and the sum; a pod whose cost is not known counts nothing."""
        for pod in self.pods:
            pod.price()
        self.cost_usd = round(sum((pod.cost_usd or 0.0 for pod in self.pods), 0.0), 6)


def merge_objects(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Merge one object into another in place, at every depth."""
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            merge_objects(into[key], value)
        else:
            into[key] = copy.deepcopy(value)
