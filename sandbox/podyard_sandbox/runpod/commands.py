# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container runs: the stored ``args``, and the ``entrypoint`` and ``cmd`` derived from it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace
from typing import Any, Protocol

from podyard_sandbox.runpod.problems import Problem


class CommandBody(Protocol):
    """A body that may have ``args``, ``cmd`` and ``entrypoint``."""

    args: str
    cmd: list[str]
    entrypoint: list[str]

    def given(self, name: str) -> bool:
        """Return whether the request has the field."""
        ...


@dataclass(frozen=True)
class Command:
    """The two lists that define a command; if both are empty, the image's own runs."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()

    @classmethod
    def of(cls, args: str) -> Command:
        """Parse ``args``: a JSON object holds both lists, any other text is ``cmd``, split as a shell would."""
        if args.lstrip().startswith("{"):
            try:
                found = json.loads(args)
                lists = [found.pop(name, None) or [] for name in ("entrypoint", "cmd")]
            except (ValueError, RecursionError):
                return cls(cmd=(args,))
            if not found and all(isinstance(each, list) and all(isinstance(w, str) for w in each) for each in lists):
                return cls(*(tuple(each) for each in lists))
            return cls(cmd=(args,))
        try:
            return cls(cmd=tuple(shlex.split(args)))
        except ValueError:  # an unclosed quote; the container will not start
            return cls(cmd=(args,))

    def args(self) -> str:
        """Return both lists as one text."""
        if self.entrypoint:
            return json.dumps({"entrypoint": list(self.entrypoint), "cmd": list(self.cmd)})
        return shlex.join(self.cmd)


def merge_args(body: CommandBody, old: str) -> str:
    """Return ``args`` after a create or a change, with ``cmd`` and ``entrypoint`` merged into it.

    Fields missing from the body stay as they were; an empty one is cleared, and never contradicts the others.

    Raises:
        Problem: 400 if ``args`` contradicts ``cmd`` or ``entrypoint``.
    """
    command = asked = Command.of(body.args if body.given("args") else old)
    for name in ("entrypoint", "cmd"):
        said = tuple(getattr(body, name))
        if not body.given(name) or (body.args and not said):
            continue
        if body.args and getattr(asked, name) and getattr(asked, name) != said:
            raise Problem(400, f"args and {name} say different things; give one of them")  # made up
        command = replace(command, **{name: said})
    if command != asked:
        return command.args()
    return body.args if body.given("args") else old


def shown(args: str) -> dict[str, Any]:
    """Return ``args``, ``entrypoint`` and ``cmd``, as responses show them."""
    command = Command.of(args)
    return {"args": args, "entrypoint": list(command.entrypoint), "cmd": list(command.cmd)}
