# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A requirements file with all that it includes, as it can be installed on another machine.

The files are read as pip reads them, so that what pip would only say on a pod that is paid for is said before. What
they name by a path must lie in the code, for only that is sent; such a path is written as it is on the pod.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ...module_utils._core.patterns import Patterns
from ...module_utils._core.values import to_json
from .._transfer.manifest import TreeError, hash_file, scan

#: Requirements have kilobytes, also with the hashes of a whole environment; what has more is another file.
MOST_BYTES = 4 << 20
#: The longer marks first, for that of UTF-16 is the beginning of that of UTF-32.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_COMMENT = re.compile(r"(^|\s+)#.*$")
_OPTION = re.compile(
    r"(?P<option>--requirement|--constraint|--editable|--find-links|-[rcef])(?P<between>\s*=\s*|\s+|)(?P<value>\S.*)"
)
_INCLUDES = ("-r", "--requirement", "-c", "--constraint")
_EDITABLE = ("-e", "--editable")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_PATH_LINE = re.compile(r"(?P<head>.*?)(?P<extras>\[[^\]/]*\])?(?P<tail>\s+--?[A-Za-z].*|\s*;.*)?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[A-Za-z][A-Za-z0-9+.-]*\+|[^/@]+@\s*[A-Za-z][A-Za-z0-9+.-]*:")
_ARCHIVES = (".whl", ".zip", ".tar", ".tgz", ".tbz", ".txz", ".tlz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.lz")
_PROJECT = ("pyproject.toml", "setup.py", "setup.cfg")
#: Variables of these names hold secrets: their values decide nothing that is shown.
_SECRET = re.compile(r"TOKEN|KEY|SECRET|PASS|AUTH|CRED|USER", re.IGNORECASE)


class BadRequirements(Exception):
    """Requirements that cannot be installed on a pod. :param problems: one sentence for each thing to mend."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(" ".join(problems))


@dataclass
class Requirements:
    """What goes to a pod: texts by their paths below a directory of their own, ``main`` the one to install.

    ``digest`` changes whenever another environment comes of it.
    """

    main: str
    files: dict[str, str]
    digest: str

    @property
    def empty(self) -> bool:
        return not any(text.strip() for text in self.files.values())


@dataclass
class _Reading:
    """One reading of a file and all that it includes."""

    code: Path | None
    code_directory: str
    excluded: Patterns
    texts: dict[Path, list[str]] = field(default_factory=dict)
    includes: dict[Path, list[tuple[int, str, Path]]] = field(default_factory=dict)
    locals: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    bytes: int = 0


def read(
    path: Path,
    code: Path | None = None,
    code_directory: str = "/code",
    exclude: tuple[str, ...] = (),
    env: Mapping[str, Any] | None = None,
) -> Requirements:
    """Read the requirements in a file.

    :param code: the directory here that becomes `code_directory` on the pod, without what the patterns `exclude` match.
    :param env: the variables that pip will see.
    :raises BadRequirements: for what cannot be installed there.
    """
    top = Path(os.path.normpath(path.absolute()))
    reading = _Reading(
        Path(os.path.normpath(code.absolute())) if code else None, code_directory.rstrip("/"), Patterns(exclude=exclude)
    )
    _read_file(reading, top, top, ())
    if reading.problems:
        raise BadRequirements(list(dict.fromkeys(reading.problems)))
    root = Path(os.path.commonpath([each.parent for each in reading.texts]))
    for file, found in reading.includes.items():
        for number, option, target in found:
            reading.texts[file][number] = f"{option} {shlex.quote(os.path.relpath(target, file.parent))}"
    files = {str(each.relative_to(root)): "\n".join(lines) + "\n" for each, lines in reading.texts.items()}
    named = sorted({name for text in files.values() for name in _VARIABLE.findall(text) if not _SECRET.search(name)})
    values = {name: str((env or {})[name]) for name in named if name in (env or {})}
    whole = to_json([files, reading.locals, values], sort_keys=True)
    return Requirements(str(top.relative_to(root)), files, hashlib.sha256(whole.encode()).hexdigest())


def _read_file(reading: _Reading, path: Path, top: Path, above: tuple[Path, ...]) -> None:
    try:
        reading.bytes += path.stat().st_size
        if reading.bytes > MOST_BYTES:
            reading.problems.append(f"{top} and what it includes have more than {MOST_BYTES >> 20} MiB.")
            return
        text = decode(path.read_bytes())
    except OSError as error:
        reading.problems.append(f"{path} cannot be read: {error.strerror}.")
        return
    except (UnicodeError, LookupError):
        reading.problems.append(f"{path} is not text that pip can read: save it as UTF-8.")
        return
    lines = text.splitlines()
    reading.texts[path] = lines
    for first, last, line in _logical(lines):
        where = f"{path}, line {first + 1}"
        option = _OPTION.fullmatch(line)
        if option and (option["between"] or not option["option"].startswith("--")):
            new = _of_option(reading, where, path, top, above, (option["option"], option["value"], first))
        elif not line.startswith("-"):
            new = _of_path(reading, where, path, top, line)
        else:
            continue
        if new is not None and new != line:
            lines[first : last + 1] = [new, *[""] * (last - first)]


def decode(data: bytes) -> str:
    """Text as pip decodes it. :raises UnicodeError, LookupError: where it cannot."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding)
    for line in data.split(b"\n")[:2]:
        named = _CODING.match(line)
        if named:
            return data.decode(named[1].decode("ascii", "replace"))
    text = data.decode("utf-8")
    if "\0" in text:
        raise UnicodeError("zero bytes")
    return text


def _logical(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """First and last number and text of each line as pip joins them, without comments."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate([*lines, ""]):
        comment = _COMMENT.match(line) is not None
        if line.endswith("\\") and not comment:
            parts.append(line.rstrip("\\"))
            continue
        parts.append(f" {line}" if comment else line)
        text = _COMMENT.sub("", "".join(parts)).strip()
        if text:
            yield first, min(number, len(lines) - 1), text
        parts, first = [], number + 1


def _of_option(
    reading: _Reading, where: str, path: Path, top: Path, above: tuple[Path, ...], given: tuple[str, str, int]
) -> str | None:
    """Return a line with a path in an option, as it is on the pod; None to leave it as it is."""
    option, value, number = given
    try:
        value = " ".join(shlex.split(value)) if option not in _EDITABLE or value[:1] in "\"'" else value
    except ValueError:
        return None  # pip says what is wrong with the quotes
    if _SCHEME.match(value):
        return None
    value = _unfiled(value)
    if option in _INCLUDES:
        if _VARIABLE.search(value):
            reading.problems.append(f"{where}: the file {value} cannot be found here: a file is included by its name.")
            return None
        target = Path(os.path.normpath(path.parent / value))
        if target in (*above, path):
            reading.problems.append(f"{where}: {value} includes itself.")
        elif not target.is_file():
            reading.problems.append(f"{where}: there is no file {target}.")
        else:
            if target not in reading.texts:
                _read_file(reading, target, top, (*above, path))
            if os.path.isabs(value):
                reading.includes.setdefault(path, []).append((number, option, target))
        return None
    if option in _EDITABLE:
        return _of_path(reading, where, path, top, value, f"{option} ")
    there = path.parent / value
    return f"{option} {_sent(reading, where, value, there, 'search')}" if there.exists() else None


def _unfiled(value: str) -> str:
    """Return the path in an address of the form file:."""
    return unquote(urlsplit(value).path) if value.startswith("file:") else value


def _of_path(reading: _Reading, where: str, path: Path, top: Path, line: str, before: str = "") -> str | None:
    """Return a line that names something to install by its path, as it is on the pod; None for any other line."""
    found = _PATH_LINE.fullmatch(line)
    if found is None:
        # A line feed within the line, which no reader of lines leaves there.
        return None
    head = found["head"].strip()
    name, at, address = head.partition("@")
    if at and address.strip().startswith("file:"):
        before, head = before or f"{name.strip()} @ file://", address.strip()
    elif _SCHEME.match(head):
        return None
    value = _unfiled(head)
    if _VARIABLE.search(value) or not _is_path(value, bool(before)):
        return None
    if os.path.isabs(value):
        here = Path(value)
        if not here.exists():
            return None  # of the image, for all that can be known here
    else:
        # From the file, else from where people call pip with it; a directory that is no project is not what is meant.
        bases = [path.parent, top.parent, *([reading.code] if reading.code else [])]
        there = [base / value for base in bases if (base / value).exists()]
        here = next((each for each in there if each.is_file() or _is_project(each)), [*there, bases[0] / value][0])
        if not here.exists():
            place = " or in the code" if reading.code else ""
            reading.problems.append(f"{where}: there is no {value} beside the file{place}.")
            return None
    sent = _sent(reading, where, value, here, "edit" if before.startswith(_EDITABLE) else "install")
    return f"{before}{sent}{found['extras'] or ''}{found['tail'] or ''}"


def _is_path(value: str, editable: bool) -> bool:
    return editable or value.startswith(".") or "/" in value or value.lower().endswith(_ARCHIVES)


def _sent(reading: _Reading, where: str, value: str, here: Path, use: str) -> str:
    """Return where something that lies here is on the pod.

    What it is made of becomes part of the digest: of what is used in place only what its installation reads.

    :param use: `install`, `edit` in place, or `search` for archives.
    """
    here = Path(os.path.normpath(here))
    inside = here.relative_to(reading.code).as_posix() if reading.code and here.is_relative_to(reading.code) else None
    if inside is None:
        reading.problems.append(
            f"{where}: {value} lies outside of the code, and only that is sent: put it there, and name it from there."
        )
        return value
    if inside != "." and reading.excluded.excluded(inside):
        reading.problems.append(f"{where}: {value} is kept at home by the patterns of what is left out of the code.")
        return value
    if use != "search" and here.is_dir() and not _is_project(here):
        reading.problems.append(
            f"{where}: {value} is not a Python project: it has neither pyproject.toml nor setup.py."
        )
        return value
    reading.locals[f"{inside} {use}"] = _content(here, reading.excluded, use == "edit")
    return f"{reading.code_directory}/{inside}" if inside != "." else reading.code_directory


def _is_project(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _PROJECT[:2])


def _content(here: Path, excluded: Patterns, in_place: bool) -> str:
    if here.is_file():
        return hash_file(here)
    if in_place:
        return to_json([hash_file(here / name) for name in _PROJECT if (here / name).is_file()])
    try:
        tree = scan(here, excluded)
    except TreeError:
        return ""  # the plan says what is wrong with the tree
    return to_json(sorted((path, status.size, status.mtime_ns) for path, status in tree.files.items()))
