# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say from a pod's log why it cannot be used, whose fault it is, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .._core.errors import CloudError
from .._core.pod import Pod
from .._http.session import redact
from .._providers.base import Provider
from . import bootstrap


@dataclass(frozen=True)
class Diagnosis:
    """What a log tells: a sentence for a person, and whether any other host would do the same."""

    sentence: str
    everywhere: bool = False


#: Patterns of lines, what they mean, and whether a pod on another host would meet the same. The first that fits counts.
_KNOWN: tuple[tuple[str, str, bool], ...] = (
    (
        r"SSH cannot be set up: (the variable PUBLIC_KEY|the container runs as|the image has no SSH server)",
        (
            "Another host will not help: take an image that starts an SSH server by itself, or in which root can "
            "install one."
        ),
        True,
    ),
    (
        r"SSH cannot be set up: \S+ could not install",
        "The host may have no way to the packages: rent again, or take an image that has an SSH server.",
        False,
    ),
    (
        r"cannot be mapped to a host ID",
        (
            "The image holds files of a user or group with a number too large for the hosts; another host will not "
            "help: rebuild the image with smaller numbers (chown in its last layers), or take another image."
        ),
        True,
    ),
    (
        r"layer does not exist|failed to register layer|content digest \S+ not found|snapshot \S+ does not exist",
        "The host's store of images is broken; the image is not to blame: rent again, for another host.",
        False,
    ),
    (
        r"unsatisfied condition: cuda\s*>=?\s*(?P<cuda>[\d.]+)",
        "The host's driver is too old for the image: set min_cuda_version to {cuda} or later.",
        False,
    ),
    (
        r"toomanyrequests|pull rate limit",
        "The image's registry allows no more pulls without a login: give credentials for it (option registry).",
        False,
    ),
    (
        (
            r"manifest (for \S+ )?(unknown|not found)|repository does not exist|pull access denied|requested access to "
            r"the resource is denied|no such image|failed to resolve reference|invalid reference format"
        ),
        (
            "The image cannot be pulled: its name or tag is wrong, or it is private. Check the option image, and give "
            "credentials for a private one (option registry)."
        ),
        True,
    ),
    (
        r"no matching manifest for",
        "The image was not built for the hosts' kind of processor (linux/amd64): build or take one that is.",
        True,
    ),
    (
        r"no space left on device",
        "The container's disk is full, or its host's: ask for a larger one (option disk), or rent again.",
        False,
    ),
    (
        r'exec: "[^"]*": |executable file not found|exec /\S+: (no such file|permission denied)',
        "The start command does not exist in the image, or cannot be executed: check args, entrypoint and cmd.",
        True,
    ),
)


def diagnose(lines: Iterable[str]) -> Diagnosis | None:
    """Return what the lines mean; None when none of them is known."""
    told = list(lines)
    for pattern, sentence, everywhere in _KNOWN:
        for line in told:
            found = re.search(pattern, line, re.IGNORECASE)
            if found is not None:
                return Diagnosis(sentence.format(**found.groupdict()), everywhere)
    return None


#: Lines of the pod's log that a message quotes.
QUOTED_LINES = 8
#: Lines among which the one is looked for that says why there is no SSH; the user's own command may have printed more.
SEARCHED_LINES = 200
#: Seconds for one reading: the stream of a log stays open.
DEADLINE = 5.0


def read(provider: Provider, pod: Pod, source: str) -> list[str]:
    """Return lines of a log without the values of the pod's environment.

    It returns none when the log cannot be read: the caller asks about the pod.
    """
    if not provider.capabilities.logs:
        return []
    try:
        lines = provider.logs(pod.id, source=source, tail=SEARCHED_LINES, deadline=DEADLINE)
    except CloudError:
        return []
    return [redact(line, pod.env.values()).strip() for line in lines if line.strip()]


def quote(provider: Provider, pod: Pod, *, running: bool) -> tuple[str, bool]:
    """Quote the log for a message, and say whether a pod on any other host would meet the same.

    The quote has the last lines, of those before them the one that says why there is no SSH, and what known lines mean.

    :param running: the container has run: then it has more to say than the system.
    """
    lines, quoted = [], ""
    for source in ("container", "system") if running else ("system", "container"):
        lines = read(provider, pod, source)
        if lines:
            telling = [line for line in lines[:-QUOTED_LINES] if bootstrap.FAILED in line][-1:]
            quoted = f" The last lines of its {source} log: {' | '.join([*telling, *lines[-QUOTED_LINES:]])}"
            break
    # The engine's words may stand in the status alone.
    known = diagnose([*lines, redact(pod.raw_status or "", pod.env.values())])
    return (f" {known.sentence}{quoted}", known.everywhere) if known is not None else (quoted, False)


def why_no_ssh(provider: Provider, pod: Pod) -> str | None:
    """Return what our start command says in the pod when it cannot set up SSH; None when it says no such thing."""
    told = [line for line in read(provider, pod, "container") if bootstrap.FAILED in line]
    return told[-1][told[-1].index(bootstrap.FAILED) :] if told else None
