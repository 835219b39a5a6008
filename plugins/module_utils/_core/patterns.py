# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of files in a tree, read the same way for transfers, artifacts and checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field


class BadPattern(ValueError):
    """A pattern that cannot match anything; the message says why."""


def _pieces(body: str) -> Iterator[tuple[str, str]]:
    """Cut a pattern into (kind, text): `any` (**), `star`, `one` (?), `set` ([...]) and `text`."""
    position = 0
    while position < len(body):
        if body.startswith("**", position):
            position += 2
            if body.startswith("/", position):
                position += 1
                yield "folders", ""
            else:
                yield "any", ""
        elif body[position] in "*?":
            yield ("star" if body[position] == "*" else "one"), ""
            position += 1
        elif body[position] == "[" and (end := body.find("]", position + 2)) > 0:
            yield "set", body[position + 1 : end]
            position = end + 1
        else:
            yield "text", body[position]
            position += 1


def _checked(pattern: str) -> tuple[str, bool, bool]:
    """Return the pattern's body, whether it is anchored at the root, and whether it means directories only.

    :raises BadPattern: when it is empty or leads out of the tree.
    """
    body = pattern
    while body.startswith("./"):
        body = body[2:]
    folder = body.endswith("/")
    anchored = "/" in body.rstrip("/")
    body = body.strip("/")
    if not body or body == ".":
        raise BadPattern(f"The pattern {pattern!r} is empty; use '**' for everything.")
    if ".." in body.split("/"):
        raise BadPattern(f"The pattern {pattern!r} leads out of the tree; patterns are relative to its root.")
    return body, anchored, folder


def to_regex(pattern: str) -> str:
    """Translate `pattern` to a regular expression for `re.fullmatch` with DOTALL on a path relative to the root.

    Its group `entry` is the shallowest path that the pattern names; everything below it matches too.

    :raises BadPattern: when the pattern cannot match anything or is not valid.
    """
    body, anchored, folder = _checked(pattern)
    words = {"folders": "(?:.*/)?", "any": ".*", "star": "[^/]*", "one": "[^/]"}
    parts: list[str] = []
    for kind, text in _pieces(body):
        if kind == "set":
            negated = text[0] in "!^"
            chars = (text[1:] if negated else text).replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
            parts.append(f"(?!/)[{'^' if negated else ''}{chars}]")
        else:
            parts.append(words.get(kind) or re.escape(text))
    text = f"{'' if anchored else '(?:.*?/)?'}(?P<entry>{''.join(parts)}){'/.*' if folder else '(?:/.*)?'}"
    try:
        re.compile(text)
    except re.error as error:
        raise BadPattern(f"The pattern {pattern!r} cannot be read: {error}.") from error
    return text


def to_posix_regex(pattern: str) -> str:
    """Translate `pattern` to a POSIX extended expression in bytes for `find -regex`, which sees `./path`.

    It may match more than the pattern does, never less, because one character is up to four bytes.
    """
    body, anchored, folder = _checked(pattern)
    words = {"folders": "(.*/)?", "any": ".*", "star": "[^/]*", "one": "[^/]{1,4}", "set": "[^/]{1,4}"}
    parts = [
        words.get(kind) or (re.sub(r"([.^$*+?(){}|\\])", r"\\\1", text) if text != "[" else "[[]")
        for kind, text in _pieces(body)
    ]
    return f"\\./{'' if anchored else '(.*/)?'}{''.join(parts)}{'/.*' if folder else '(/.*)?'}"


def exactly(path: str) -> str:
    """Return the pattern that matches this path, and what lies below it, and nothing else."""
    return "/" + re.sub(r"([*?[])", r"[\1]", path)


@dataclass(frozen=True)
class Patterns:
    """A choice of paths in a tree: those that `include` names (all when it is empty) and `exclude` does not."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    _include: list[re.Pattern[str]] = field(init=False, repr=False, compare=False)
    _exclude: list[re.Pattern[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_include", [re.compile(to_regex(text), re.DOTALL) for text in self.include])
        object.__setattr__(self, "_exclude", [re.compile(to_regex(text), re.DOTALL) for text in self.exclude])

    def excluded(self, path: str) -> bool:
        """Return whether `path` or a directory above it is excluded."""
        return any(regex.fullmatch(path) for regex in self._exclude)

    def matches(self, path: str) -> bool:
        """Return whether the file at `path` is included and not excluded."""
        return not self.excluded(path) and (not self._include or any(regex.fullmatch(path) for regex in self._include))

    def entry(self, path: str) -> str | None:
        """Return the shallowest path, `path` itself or a directory above it, that a pattern of `include` names."""
        ends = [match.end("entry") for regex in self._include if (match := regex.fullmatch(path))]
        return path[: min(ends)] if ends else None

    def unmatched(self, paths: Iterable[str]) -> list[str]:
        """Return the patterns of `include` that match none of `paths`."""
        known = list(paths)
        return [
            text for text, regex in zip(self.include, self._include) if not any(regex.fullmatch(path) for path in known)
        ]
