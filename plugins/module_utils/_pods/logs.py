# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod's log says of why it cannot be used, for people. Private to this collection."""

from __future__ import annotations

from .._core.errors import CloudError
from .._core.pod import Pod
from .._http.session import redact
from .._providers.base import Provider
from . import bootstrap
from .diagnosis import diagnose

#: Lines of the pod's log that a message quotes.
QUOTED_LINES = 8
#: Lines among which the one is looked for that says why there is no SSH; the user's own command may have printed more.
SEARCHED_LINES = 200
#: Seconds for one reading: the stream of a log stays open.
DEADLINE = 5.0


def read(provider: Provider, pod: Pod, source: str) -> list[str]:
    """Lines of a log without the values of the pod's environment; none when it cannot be had, for what is asked about
    is the pod.
    """
    if not provider.capabilities.logs:
        return []
    try:
        lines = provider.logs(pod.id, source=source, tail=SEARCHED_LINES, deadline=DEADLINE)
    except CloudError:
        return []
    return [redact(line, pod.env.values()).strip() for line in lines if line.strip()]


def quote(provider: Provider, pod: Pod, *, running: bool) -> tuple[str, bool]:
    """The last lines of the log for a message, of those before them the one that says why there is no SSH, and what
    known lines mean; and whether a pod on any other host would meet the same.

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
    """What our start command says in the pod when it cannot set up SSH; None when it says nothing of the kind."""
    told = [line for line in read(provider, pod, "container") if bootstrap.FAILED in line]
    return told[-1][told[-1].index(bootstrap.FAILED) :] if told else None
