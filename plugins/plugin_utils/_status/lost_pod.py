# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a pod that fell silent, as its provider tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...module_utils._core import pod as pod_states

#: What a person can do about each kind, so that it does not happen again.
ADVICE: Mapping[str, str] = {
    pod_states.OUTBID: "Bid more (train_bid), or rent a pod that cannot be taken away (without train_interruptible).",
    pod_states.NO_CREDIT: "Put credit on the account.",
    pod_states.EXPIRED: "Ask for a machine that is on offer for longer (train_max_hours).",
    pod_states.HOST_LOST: "Another host will do; checkpoints that are fetched while the training runs lose the least.",
}
#: Kinds beside the interruptions that a driver tells.
GONE, STOPPED, FAILED, RESTARTED = "gone", "stopped", "failed", "restarted"
#: What ended all that ran on the pod: nothing is left to wait for. A host that fell silent may come back.
FINAL = (pod_states.OUTBID, pod_states.NO_CREDIT, pod_states.EXPIRED, GONE, STOPPED, FAILED, RESTARTED)
_WORDS: Mapping[str, str] = {
    GONE: "is not on the account any more: its lease ran out, somebody else ended it, or the provider took it away",
    STOPPED: "was stopped by somebody, and not by this run",
    FAILED: "failed",
    RESTARTED: "was started anew, which ended all that ran on it, and now has another address",
}


def diagnose_lost_pod(pods: Iterable[Mapping[str, Any]], pod: Mapping[str, Any]) -> dict[str, Any]:
    """Diagnose what became of ``pod``, of a run, by the complete list of its provider's pods as pod_info returns them.

    ``kind`` is one of the interruptions of _pod, ``gone``, ``stopped``, ``failed`` or ``restarted``; None where the
    provider reports nothing. ``message`` is a sentence about the pod, ``advice`` one on what to do, or empty.
    """
    label = f"{pod['name']} ({pod['id']} on {pod['provider']})"
    found = next((each for each in pods if (each["provider"], each["id"]) == (pod["provider"], pod["id"])), None)
    kind = _kind(found, pod)
    if kind is None:
        raw = (found or {}).get("raw_status")
        running = found is not None and found["phase"] == pod_states.RUNNING
        state = "runs as it should" if running else f"is {(found or {}).get('phase')}"
        message = f"To its provider the pod {label} {state} ({raw}), so the way to it or its SSH server is broken."
        return {"kind": None, "message": message, "advice": "", "raw_status": raw}
    words = pod_states.INTERRUPTIONS.get(kind) or _WORDS.get(kind, kind)
    raw = found.get("raw_status") if found else None
    told = f" (the provider says {raw})" if raw and kind != GONE else ""
    return {
        "kind": kind,
        "message": f"The pod {label} {words}{told}.",
        "advice": ADVICE.get(kind, ""),
        "raw_status": raw,
    }


def _kind(found: Mapping[str, Any] | None, pod: Mapping[str, Any]) -> str | None:
    if found is None or found["phase"] == pod_states.GONE:
        return GONE
    if found.get("interruption"):
        return str(found["interruption"])
    if found["phase"] == pod_states.RUNNING and _address(found) and _address(pod) and _address(found) != _address(pod):
        return RESTARTED
    return {pod_states.STOPPED: STOPPED, pod_states.FAILED: FAILED}.get(found["phase"])


def _address(pod: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """Where SSH answers by itself; a gateway's address tells nothing of a restart."""
    endpoint = pod.get("endpoint")
    return (endpoint["host"], endpoint["port"]) if endpoint and endpoint.get("mode") == "direct" else None
