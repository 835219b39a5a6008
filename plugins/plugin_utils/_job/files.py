# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a job makes of templates, with the text that they will have on the pod.

They are made before anything is rented: a template that is missing or names something undefined costs nothing yet.
Their texts may be secret, so no message quotes one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...module_utils._core.patterns import exactly
from ...module_utils._core.units import size
from .spec import Problem

#: All of them travel in one call to the pod. Configurations have kilobytes; more belongs into code or dataset, which
#: are resumed and sent in parts.
MOST_BYTES = 4 << 20
TREES = {"code": "code", "data": "dataset"}


@dataclass(frozen=True)
class TemplateFile:
    """The text of a template, and the file that it stands in, beside which it may include others."""

    path: Path
    text: str


#: (what is filled in) -> its text. Raises Problem with the end of a sentence.
Fill = Callable[[TemplateFile], Any]


@dataclass(frozen=True)
class Place:
    """Where a file goes: its path on the pod, and the tree (``code`` or ``data``) with the path in it."""

    dest: str
    tree: str
    path: str


def made(
    job: Mapping[str, Any], dirs: Mapping[str, str], fill: Fill
) -> tuple[list[dict[str, str]], dict[str, list[str]], list[str]]:
    """Return the job's files as the pod gets them (dest, mode, content).

    Also, by tree, the patterns of what they stand in for there; and a sentence for each that cannot be made.
    """
    files: list[dict[str, str]] = []
    covered: dict[str, list[str]] = {name: [] for name in TREES.values()}
    problems: list[str] = []
    taken: dict[str, str] = {}
    for number, entry in enumerate(job["files"] or []):
        name = f"train_files[{number}]"
        try:
            where = place(f"{name}.dest", entry["dest"], dirs)
            if where.dest in taken:
                raise Problem(
                    f"{name} and {taken[where.dest]} have the same dest, {where.dest}: leave one of them out."
                )
            taken[where.dest] = name
            _refuse_directory(name, where, job)
            files.append({"dest": where.dest, "mode": _mode(name, entry["mode"]), "content": _text(name, entry, fill)})
            covered[TREES[where.tree]].append(exactly(where.path))
        except Problem as problem:
            problems.append(str(problem))
    count = sum(len(each["content"].encode("utf-8", "surrogateescape")) for each in files)
    if count > MOST_BYTES:
        problems.append(
            f"train_files have {size(count)} in total, but at most {size(MOST_BYTES)} are allowed: put large files "
            "into train_code or train_dataset."
        )
    return files, covered, problems


def place(name: str, dest: str, dirs: Mapping[str, str]) -> Place:
    """Where a ``dest`` leads. Raises Problem for one outside of the two trees."""
    path = PurePosixPath(dirs["code"]) / dest
    for tree in TREES:
        if PurePosixPath(dirs[tree]) in path.parents and ".." not in path.parts and "\n" not in dest:
            if dest.endswith("/"):
                raise Problem(f"{name} must name a file, not the directory '{dest}'.")
            return Place(str(path), tree, path.relative_to(dirs[tree]).as_posix())
    raise Problem(
        f"{name} must be a path in the code, relative, or one below {dirs['code']} or {dirs['data']} on the pod, "
        f"not '{dest}'."
    )


def _refuse_directory(name: str, where: Place, job: Mapping[str, Any]) -> None:
    tree = job[TREES[where.tree]]
    if tree and (Path(tree) / where.path).is_dir():
        raise Problem(f"{name}.dest: {where.path} is a directory in train_{TREES[where.tree]}, and must be a file.")


def _mode(name: str, mode: Any) -> str:
    """Octal text. A number is refused: YAML reads 0644 as 420, and 644 would be wrong, too."""
    if not isinstance(mode, str) or not re.fullmatch(r"0?[0-7]{3}", mode):
        raise Problem(f"{name}.mode must be an octal number in quotes as '0644', not {mode!r}.")
    return f"0{mode[-3:]}"


def _text(name: str, entry: Mapping[str, Any], fill: Fill) -> str:
    """Return the text of one file, from its template or as given."""
    if ("src" in entry) == ("content" in entry):
        raise Problem(f"{name} needs exactly one of src and content, and the text must not be empty.")
    if "content" in entry:
        return str(entry["content"])
    path = Path(entry["src"]).expanduser().absolute()
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Problem(f"{name}.src: {path} is not text, so it cannot be a template.") from error
    except OSError as error:
        raise Problem(f"{name}.src: the template {path} cannot be read: {error.strerror}.") from error
    try:
        filled = fill(TemplateFile(path, text))
    except Problem as problem:
        raise Problem(f"{name}.src: the template {path} cannot be filled in: {problem}.") from problem
    if isinstance(filled, (Mapping, list)) or (isinstance(filled, Sequence) and not isinstance(filled, str)):
        raise Problem(
            f"{name}.src: the template {path} gives no text but {type(filled).__name__}: use a filter as to_json."
        )
    return "" if filled is None else str(filled)
