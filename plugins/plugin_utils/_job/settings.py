# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the environment and of .env files for a job."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...module_utils._core.errors import CloudError
from ...module_utils._core.patterns import exactly
from ...module_utils._providers import registry, settings
from .spec import Problem

NAME = ".env"


@dataclass(frozen=True)
class JobSettings:
    """What settings say for a job.

    `values` by variable; `told`, a line for each setting in force, without its value; `files`, those that modules must
    read too, for the key; `origins`, by variable, the setting's name and where it was set.
    """

    values: dict[str, Any] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)


def beside(extra_vars: Iterable[Any]) -> list[Path]:
    """Return the .env files beside the job's files, as -e @FILE names these; the last first, for that one wins."""
    jobs = [text[1:] for text in map(str, extra_vars) if text.startswith("@")]
    places = [Path(job).expanduser().absolute().parent / NAME for job in reversed(jobs)]
    return [place for place in dict.fromkeys(places) if place.is_file()]


def read(
    providers: Iterable[str] | None,
    given: Collection[str],
    env_file: str | None,
    extra_vars: Iterable[Any],
    environ: Mapping[str, str],
) -> JobSettings:
    """Read what the environment and .env files say for all that is not `given`.

    They use the providers' own variables. Of two providers' values for one variable that of the first provider counts.
    Without `providers` they are those for which there is a key, and become a value themselves.

    :raises Problem: for a file that cannot be read, or a value that makes no sense.
    """
    if env_file and not Path(env_file).expanduser().is_file():
        raise Problem(f"train_env_file: there is no file {Path(env_file).expanduser().absolute()}.")
    named = [name for name in environ.get(settings.FILES_VARIABLE, "").split(os.pathsep) if name]
    found = [Path(env_file).expanduser()] if env_file else beside(extra_vars)
    usual = [Path(NAME)] if Path(NAME).is_file() else []
    order = [*found, *map(Path, named), *usual] if env_file else [*map(Path, named), *found, *usual]
    files = list(dict.fromkeys(str(path.absolute()) for path in order))
    strange = next((path for path in files if os.pathsep in path), None)
    if strange is not None:
        raise Problem(f"The file of settings {strange} cannot be used, since there is a {os.pathsep!r} in its path.")
    told: list[str] = []
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    full = {**environ, settings.FILES_VARIABLE: os.pathsep.join(files)}
    try:
        sources = settings.Sources(full)
        if providers is None:
            providers = values["train_providers"] = registry.meant({}, full, sources=sources) or registry.names()
        for provider in providers:
            taken = settings.take(registry.settings(provider), sources, [*given, *values])
            key = registry.key_origin(provider, full, sources)
            told += settings.lines(
                {name: each for name, each in taken.items() if not each.setting.secret}, [key] if key else []
            )
            told += [each.setting.remark for each in taken.values() if each.setting.remark]
            for each in taken.values():
                if each.setting.variable:
                    values[each.setting.variable] = _for_a_job(each)
                    origins[each.setting.variable] = f"{each.setting.name} in {each.origin}"
    except CloudError as error:
        raise Problem(error.message) from error
    return JobSettings(values, told, files, origins)


def _for_a_job(found: settings.Found) -> Any:
    """Turn a file of public keys into one entry of a list of keys."""
    return [found.value] if found.setting.variable == "train_ssh_public_keys" else found.value


def keep_at_home(job: dict[str, Any], files: Iterable[str]) -> None:
    """Leave files of settings, and every .env with an account's key in it, out of what is sent to the pod."""
    for tree in ("code", "dataset"):
        if not job.get(tree):
            continue
        kept = [*map(Path, files), *_with_a_key(Path(job[tree]))]
        inside = {path.relative_to(job[tree]).as_posix() for path in kept if Path(job[tree]) in path.parents}
        job[f"{tree}_exclude"] = [*job[f"{tree}_exclude"], *(exactly(path) for path in sorted(inside))]


def _with_a_key(tree: Path) -> list[Path]:
    """Return the .env files of a tree, also .env.local and the like, that name an account's key."""
    found = []
    for folder, _folders, names in os.walk(tree):
        for path in (Path(folder, name) for name in names if name == NAME or name.startswith(f"{NAME}.")):
            try:
                text = path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                # What cannot be read here is not sent either.
                continue
            if any(key in text for key in registry.ACCOUNT_KEYS):
                found.append(path)
    return found
