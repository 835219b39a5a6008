# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job made of the variables train_*: converted, checked, its late names resolved."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...module_utils._core import names
from .._transfer.account_keys import AccountKeys
from . import checks, data, pod, results, spec
from . import files as job_files
from .spec import PREFIX, Problem

# Needed to know the directories on the pod, so that the other values can name them.
FIRST = ("train_name", "train_run_id", "train_mount_path")
# What the directory of the data depends on; only they cannot name it.
DATA = ("train_network_volume", "train_dataset", "train_dataset_exclude")
# Markup of the documentation, as V(text), which is read as plain text here.
MARKUP = re.compile(r"\b[A-Z]\(([^()]*)\)")
LATE = ("train_dataset_dir", "train_output_dir", "train_code_dir", "train_run_id")
# (name, value, more variables) -> the value with its templates filled in; a TemplateFile gives its text. Raises Problem
# with the end of a sentence.
Fill = Callable[[str, Any, Mapping[str, Any]], Any]


class BadJob(Exception):
    """The job cannot be run.

    :param problems: one sentence for each thing to fix.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        listed = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(problems[0] if len(problems) == 1 else f"The job has {len(problems)} faults:{listed}")


def build(
    options: Mapping[str, Any],
    variables: Mapping[str, Any],
    fill: Fill,
    settings: Mapping[str, Any] | None = None,
    origins: Mapping[str, str] | None = None,
    keys: AccountKeys | None = None,
) -> dict[str, Any]:
    """Build the job that the variables describe, by names without the prefix, plus what follows from them.

    Beside the variables it has what `derived` returns, as `pod` the options of the module pod, and as `ready_text` what
    shows that its image has set itself up.

    `options` declares the variables, `variables` holds them as they were given, templates and all. `settings` are the
    values, by variable, that settings of the environment have for those that were not given, `origins` their names and
    where they were set, to be named in a problem. Files with one of the `keys` are not part of the data.

    :raises BadJob: with every fault of the job.
    """
    problems = spec.unknown_names(variables, options, [name for name in LATE if name not in options])
    values = _Values(options, variables, fill, settings or {})
    for name in FIRST:
        values.take(name, {})
    # Where a name is missing, its place is held, so that the other values can be looked at all the same.
    values.job["run_id"] = values.job["run_id"] or names.new_run_id()
    place = values.job["mount_path"] or "/", _slug(values.job["name"]), values.job["run_id"]
    dirs = directories(*place)
    late = {
        "train_code_dir": dirs["code"],
        "train_output_dir": dirs["output"],
        "train_run_id": values.job["run_id"],
    }
    for name in DATA:
        values.take(name, late)
    digest = _shared_data(values, place, late, keys or AccountKeys({}))
    dirs = directories(*place, digest)
    if spec.is_given(variables.get("train_dataset")):
        late["train_dataset_dir"] = dirs["data"]
    for name in options:
        if name not in (*FIRST, *DATA):
            values.take(name, late)
    problems += values.problems + results.settle(values.job, dirs["output"])
    problems += checks.check(values.job, values.unusable)
    problems += _with_files(values.job, dirs, lambda template: fill("train_files", template, late))
    if problems:
        raise BadJob([problem + _blame(problem, origins or {}) for problem in problems])
    job = {**values.job, **derived(values.job, dirs), "dataset_digest": digest}
    return {**job, "pod": pod.of_job(job), "ready_text": checks.ready_text(job)}


def _shared_data(
    values: _Values, place: tuple[str, str, str], late: Mapping[str, str], keys: AccountKeys
) -> str | None:
    """Return the digest of data that runs may share: its storage outlives the pod. None for data of the run's own."""
    if not values.job["network_volume"] or not values.job["dataset"]:
        return None
    digest = data.dataset_digest(values.job, keys)
    if digest is None:
        return None
    dirs = directories(*place, digest)
    # Files that the run puts among its data are its own, and with them the data.
    files = values.asked("train_files", {**late, "train_dataset_dir": dirs["data"]})
    return None if data.holds_files(files, dirs) else digest


def _with_files(job: dict[str, Any], dirs: Mapping[str, str], fill: job_files.Fill) -> list[str]:
    """Put the files in their final form into the job, and keep what they stand in for at home; returns problems."""
    job["files"], covered, problems = job_files.made(job, dirs, fill)
    for tree, patterns in covered.items():
        if patterns:
            job[f"{tree}_exclude"] = [*(job[f"{tree}_exclude"] or []), *patterns]
    return problems


class _Values:
    """The values of a job, one after the other; a faulty one becomes None, a problem, and unusable."""

    def __init__(
        self, options: Mapping[str, Any], variables: Mapping[str, Any], fill: Fill, settings: Mapping[str, Any]
    ) -> None:
        self._options = options
        self._variables = variables
        self._fill = fill
        self._settings = settings
        self.job: dict[str, Any] = {}
        self.problems: list[str] = []
        self.unusable: set[str] = set()

    def take(self, name: str, late: Mapping[str, Any]) -> None:
        """Fill in, convert and keep one variable."""
        key = name.removeprefix(PREFIX)
        try:
            self.job[key] = self._value(name, late)
        except Problem as problem:
            self.problems.append(str(problem))
            self.unusable.add(key)
            self.job[key] = None

    def asked(self, name: str, late: Mapping[str, Any]) -> Any:
        """Return what a variable will be; None for a faulty one, which is reported when it is read."""
        try:
            return self._value(name, late)
        except Problem:
            return None

    def _value(self, name: str, late: Mapping[str, Any]) -> Any:
        option = self._options[name]
        value = self._variables.get(name)
        if spec.is_given(value):
            if isinstance(value, list) and option.get("elements") == "dict":
                # Each by itself, so that a problem can say which one it is.
                value = [self._filled(name, f"{name}[{index}]", entry, late) for index, entry in enumerate(value)]
            else:
                value = self._filled(name, name, value, late)
        if not spec.is_given(value):
            if name in self._settings:
                return spec.convert(name, option, self._settings[name])
            if option.get("required"):
                raise Problem(f"{name} is missing: {_first_sentence(option)}")
            return spec.default(name, option)
        return spec.convert(name, option, value)

    def _filled(self, name: str, label: str, value: Any, late: Mapping[str, Any]) -> Any:
        try:
            return self._fill(name, value, late)
        except Problem as problem:
            hint = ""
            if "train_dataset_dir" in str(problem) and "train_dataset_dir" not in late:
                hint = " It is known only to a job with a train_dataset."
            raise Problem(f"{label} cannot be filled in: {problem}.{hint}") from problem


def _blame(problem: str, origins: Mapping[str, str]) -> str:
    """Return a sentence for the end of a problem: which of its variables came from a setting and were not given."""
    named = dict.fromkeys(re.findall(rf"\b{PREFIX}\w+", problem))
    told = [f"{name} from {origins[name]}" for name in named if name in origins]
    return f" What came from settings: {'; '.join(told)}." if told else ""


def _first_sentence(option: Mapping[str, Any]) -> str:
    description = option.get("description") or "it must be given."
    text = str(description if isinstance(description, str) else description[0])
    return MARKUP.sub(r"\1", text)


def _slug(name: str | None) -> str:
    try:
        return names.slug(name or "")
    except ValueError:
        return "unnamed"


def directories(mount: str, project: str, run_id: str, digest: str | None = None) -> dict[str, str]:
    """Where everything of a run lies on the pod: its own, except data with a `digest`, which runs of the project share.

    Storage may be mounted by the pods of several runs at once, and none may change what another one reads.
    """
    mount = mount.rstrip("/")
    base = f"{mount}/podyard/{project}"
    run = f"{base}/runs/{run_id}"
    return {
        "mount": mount or "/", "base": base, "code": f"{run}/code",
        "data": f"{base}/datasets/{digest[:16]}" if digest else f"{run}/data",
        "run": run, "output": f"{run}/output",
    }  # fmt: skip


def derived(job: Mapping[str, Any], dirs: dict[str, str]) -> dict[str, Any]:
    """Return what follows from a good job.

    These are project, run_dir (here), identity and pod_prefix (of names), dirs (on the pod).
    """
    project = names.slug(job["name"])
    return {
        "project": project,
        "run_dir": str(Path(job["runs_dir"]) / job["run_id"]),
        "identity": names.PodName(project, job["run_id"], 0, 0).identity,
        "pod_prefix": names.prefix_of_run(project, job["run_id"]),
        "dirs": dirs,
    }
