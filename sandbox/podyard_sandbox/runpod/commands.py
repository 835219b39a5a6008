# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container runs: ``args`` as it is stored, and the ``entrypoint`` and ``cmd`` made of it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace
from typing import Any, Protocol

from podyard_sandbox.runpod.problems import Problem


class CommandBody(Protocol):
    """A body that may name them."""

    args: str
    cmd: list[str]
    entrypoint: list[str]

    def given(self, name: str) -> bool:
        """Whether the request named the field."""
        ...


@dataclass(frozen=True)
class Command:
    """The two lists that say what is run; both empty: the image's own."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()

    @classmethod
    def of(cls, args: str) -> Command:
        """What ``args`` says: a JSON object has both, any other text is ``cmd``, split as a shell would."""
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
        except ValueError:  # a quote that is not closed; the container will not start
            return cls(cmd=(args,))

    def args(self) -> str:
        """The one text for both."""
        if self.entrypoint:
            return json.dumps({"entrypoint": list(self.entrypoint), "cmd": list(self.cmd)})
        return shlex.join(self.cmd)


def merge_args(body: CommandBody, old: str) -> str:
    """``args`` after a create or a change, into which ``cmd`` and ``entrypoint`` are folded.

    What the body does not name stays as it was; empty is cleared, and says nothing beside the others.

    Raises:
        Problem: 400 if ``args`` says something else than what stands beside it.
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
    """All three, as answers show them."""
    command = Command.of(args)
    return {"args": args, "entrypoint": list(command.entrypoint), "cmd": list(command.cmd)}
