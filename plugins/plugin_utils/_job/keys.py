# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of accounts in a job: files that hold one stay at home, and a job that needs one is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...module_utils._core.patterns import Patterns, exactly
from .._transfer.account_keys import AccountKeys
from .._transfer.manifest import TreeError, display_path, scan
from .data import SEARCHED_BYTES, SEARCHED_FILES
from .requirements import BadRequirements, read

NEVER = "a pod never gets a key with which pods can be rented"


def withhold(job: dict[str, Any], keys: AccountKeys) -> tuple[list[str], list[str]]:
    """Leave files with a key out of what is sent. Returns problems, for which nothing is rented, and what to tell."""
    problems, told = list(_in_values(job, keys)), []
    # Of code every file is looked through.
    for tree, limits in (("code", (None, None)), ("dataset", (SEARCHED_BYTES, SEARCHED_FILES))):
        if not job.get(tree):
            continue
        try:
            found = dict(keys.in_tree(scan(Path(job[tree]), Patterns(exclude=tuple(job[f"{tree}_exclude"]))), *limits))
        except TreeError:
            continue  # the plan says what is wrong with the tree
        for path, what in found.items():
            if tree == "code" and _is_needed(job, path):
                problems.append(
                    f"{display_path(path)} in train_code holds {what}, and the training needs the file: take the key "
                    f"out of it, for {NEVER}."
                )
            else:
                told.append(f"{display_path(path)} in train_{tree} holds {what} and stays at home: {NEVER}.")
        job[f"{tree}_exclude"] = [*job[f"{tree}_exclude"], *(exactly(path) for path in sorted(found))]
    return problems, told


def _in_values(job: Mapping[str, Any], keys: AccountKeys) -> Iterator[str]:
    """Find keys in the job's own texts that reach the pod."""
    texts = {"train_command": job["command"], "train_ready_when": str(job["ready_when"] or "")}
    texts.update({f"train_env: the value of {name}": value for name, value in (job["env"] or {}).items()})
    texts.update({f"train_files: {each['dest']}": each["content"] for each in job["files"] or []})
    texts.update({f"train_requirements: {path}": text for path, text in _requirement_files(job).items()})
    for where, text in texts.items():
        found = keys.in_text(str(text or ""))
        if found is not None:
            yield f"{where} holds {found}: take it out, for {NEVER}."


def _requirement_files(job: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the texts that are sent beside the code, wherever they lie here."""
    if not job["requirements"]:
        return {}
    try:
        return read(Path(job["requirements"]), Path(job["code"]), exclude=tuple(job["code_exclude"])).files
    except BadRequirements:
        return {}  # the check of the job has said what is wrong with them


def _is_needed(job: Mapping[str, Any], path: str) -> bool:
    """Whether the job names a file of its code as a word of its command."""
    module = path.removesuffix(".py").removesuffix("/__main__").replace("/", ".")
    name = re.escape(Path(path).name)
    words = (
        rf"(?<![\w.-]){re.escape(path)}(?![\w-])|(?<![\w./-])(?:\./)?{name}(?![\w-])|-m\s+{re.escape(module)}(?![\w.])"
    )
    return re.search(words, str(job["command"] or "")) is not None
