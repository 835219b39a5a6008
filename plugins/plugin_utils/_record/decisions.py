# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens next to a run and its pods, and the sentences that say why.

The roles sequence; every choice that costs or saves money is made here, by functions of plain data. `record` is a run's
record as `RunRecord.to_json` returns it, {} where there is none; a pod is one as podyard.gpu.pod returns it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...module_utils._core.units import duration, usd, usd_total
from ...module_utils._pods.replacement import replaces_host

Data = Mapping[str, Any]
#: What a run is to the program that was started for it: rent a pod; the run's pod lives; its pods are not proved gone;
#: nothing but a report is left to do.
NEW, ATTACH, UNPROVED, ENDED = "new", "attach", "unproved", "ended"
#: What becomes of a pod that was checked.
USE, REPLACE, FAIL = "use", "replace", "fail"
RUNNING, SUCCEEDED, FAILED, STOPPED, LOST, KEPT = "running", "succeeded", "failed", "stopped", "lost", "kept"
CONTROLLER_ENDED = "The controller of the run ended before it recorded how the run went"


def _label(pod: Data) -> str:
    return f"{pod['name']} ({pod['id']})"


def _outcome(record: Data) -> str:
    return str(record.get("outcome") or RUNNING)


def found_run(record: Data, pods: Sequence[Data]) -> dict[str, Any]:
    """Say what there is of a run, by its record and by `pods`, all of its pods that the providers list.

    `state` is new, attach, unproved or ended; `error` is what the record lacks of a run that has ended, or None.
    """
    known = record.get("pods") or []
    if any(pod["phase"] not in ("gone", "failed") for pod in pods):
        state = ATTACH
    elif any(pod["phase"] != "gone" for pod in pods) or not all(pod.get("gone_proved") for pod in known):
        state = UNPROVED
    else:
        state = ENDED if known else NEW
    unfinished = state == ENDED and _outcome(record) == RUNNING
    return {"state": state, "error": f"{CONTROLLER_ENDED}. Its pod is gone." if unfinished else None}


def search(record: Data, attempts: int, deadline: float, now: float, began: float | None = None) -> dict[str, Any]:
    """Say how much of the search for a fit pod is left.

    Every pod that was rented for the run counts as an attempt, whether it did not get ready or was found unfit. `began`
    is when the search began and `now` the time, in seconds on a monotonic clock; without `began` it begins now.

    Returns `began`; `attempts_left` and `seconds_left`, 0 or less when none are left; and `limits`, the same as options
    of the module pod, which takes no less than one attempt and one second.
    """
    began = now if began is None else began
    left, seconds = attempts - len(record.get("pods") or []), deadline - (now - began)
    return {
        "began": began,
        "attempts_left": left,
        "seconds_left": seconds,
        "limits": {"attempts": max(left, 1), "deadline": max(seconds, 1.0)},
    }


def _is_bad_host(measured: Data | None) -> bool:
    """Whether what was measured is a fault of the host, or the host gave no answer.

    What the pod's user may not do is a matter of the image, which the next host would run too.
    """
    if measured is None:
        return False
    usable = (measured.get("directory") or {}).get("usable", True)
    return bool(measured.get("problems", ["unreachable"])) and bool(usable)


def checked_pod(
    record: Data,
    pod: Data,
    state: str,
    reason: str | None,
    measured: Data | None,
    set_up_failed: bool,
    attempts: int,
    deadline: float,
    now: float,
    began: float,
) -> dict[str, Any]:
    """Decide what becomes of a pod that was checked. Whether a bad host is replaced is decided as it is while renting.

    `reason` is why the check failed, None when it did not; `measured` what podyard.gpu.gpu_info returned, if it was
    asked; `set_up_failed`, whether the image's own set-up was not done in time; the rest as for `search`. A pod to
    which a run came back is never replaced, for a training may be running there.

    Returns `next`, which is use, replace or fail; `bad_host`, whether its machine shall not be rented again;
    `reason`; `message`, what to say of a bad host; and `error`, why there is no fit pod; empty where there is nothing
    to say.
    """
    if reason is None:
        return {"next": USE, "bad_host": False, "reason": "", "message": "", "error": ""}
    left = search(record, attempts, deadline, now, began)
    bad = state == NEW and (set_up_failed or _is_bad_host(measured))
    replace = bad and replaces_host(left["attempts_left"], left["seconds_left"])
    if set_up_failed:
        reason += (
            " If the image only needs longer, raise train_ready_timeout; if it is set up by then, train_ready_when "
            "asks for the wrong thing."
        )
    more = ", and another one rented" if replace else ""
    return {
        "next": REPLACE if replace else FAIL,
        "bad_host": bad,
        "reason": reason,
        "message": f"The pod {_label(pod)} is given back{more}. {reason}",
        "error": reason + (_why_no_other(left, attempts, deadline) if bad and not replace else ""),
    }


def _why_no_other(left: Data, attempts: int, deadline: float) -> str:
    limit = (
        f"train_attempts allows {attempts}"
        if left["attempts_left"] <= 0
        else f"train_deadline ({duration(deadline)}) is over"
    )
    return f" No other pod was tried, since {limit}."


def lost_run(record: Data, pod: Data | None) -> dict[str, Any]:
    """Return the `error` of a run whose end was not recorded. `pod` is None when none was rented."""
    if pod is None:
        return {"error": f"{CONTROLLER_ENDED}, and what the pod had not sent by then is lost."}
    stages = record.get("stages") or []
    stage = f"the stage {stages[-1]['name']}" if stages else "an unrecorded stage"
    return {
        "error": f"The pod {_label(pod)} became unreachable in {stage}, and what it had not sent by then is "
        "lost. Start the job again, under another train_run_id if you gave one."
    }


def lost_pod(record: Data, pod: Data, diagnosis: Data, ended_itself: bool, seen_at: str) -> dict[str, Any]:
    """Return the `outcome`, the `error` and the `interruption` of a run whose pod fell silent or whose training failed.

    `diagnosis` is what the provider says (see `_status.lost_pod`). A training that came to its own end (`ended_itself`)
    was not interrupted, whatever became of its pod afterwards. `interruption` is None where nothing took the pod away.
    """
    outcome, kind = _outcome(record), diagnosis["kind"]
    stages = record.get("stages") or []
    seen = record.get("error") or lost_run(record, pod)["error"]
    interrupted = kind is not None
    if interrupted:
        error = " ".join(filter(None, (diagnosis["message"], diagnosis["advice"], seen)))
    else:
        error = seen if outcome == FAILED else f"{seen} {diagnosis['message']}"
    interruption = {
        "kind": kind,
        "provider": pod["provider"],
        "pod_id": pod["id"],
        "pod": pod["name"],
        "stage": stages[-1]["name"] if stages else "unrecorded",
        "message": diagnosis["message"],
        "seen_at": seen_at,
    }
    return {
        "outcome": LOST if (interrupted and not ended_itself) or outcome == RUNNING else outcome,
        "error": error,
        "interruption": interruption if interrupted else None,
    }


def kept_pod(
    record: Data, run_dir: Path, pod: Data, pods: Sequence[Data], connection: Data | None = None
) -> dict[str, Any]:
    """Say what is to be known of a pod that stays. `pods` is what podyard.gpu.run_status tells of the run's pods.

    Returns `pod`, the one that stays, as it is there; `entry`, what the run's record keeps of it; `has_lease`, whether
    it ends itself; `error`, why it stays although the training succeeded; `call`, the options of the playbooks for the
    run; and, with the `connection` (connection.json), `lines`, how to use it and how to give it back.

    :raises LookupError: when the pod is not among them.
    """
    stays = next((each for each in pods if each["id"] == str(pod["id"])), None)
    if stays is None:
        raise LookupError(f"The pod {_label(pod)} is not among the run's pods.")
    ends = stays.get("lease_ends_at")
    call = f"-e run_id={run_dir.name} -e runs_dir={shlex.quote(str(run_dir.parent))}"
    seen = record.get("error") or "What the training left could not be fetched."
    return {
        "pod": dict(stays),
        "entry": {name: stays[name] for name in ("provider", "id", "lease_ends_at") if name in stays},
        "has_lease": bool(ends),
        "error": f"{seen} The pod is kept, and ends itself at {ends}.",
        "call": call,
        "lines": _how_to_use(pod, stays, call, run_dir.name, connection["ssh"]) if connection else [],
    }


def _how_to_use(pod: Data, stays: Data, call: str, run_id: str, ssh: str) -> list[str]:
    ends = stays.get("lease_ends_at")
    end = f"ends itself at {ends}, unless somebody works on it before" if ends else "never ends itself"
    bill = (
        f"The pod {pod['name']} ({pod['id']} on {pod['provider']}) costs {usd(stays['usd_per_hour'])} an hour and "
        f"{end}; give it back: ansible-playbook podyard.gpu.stop {call}"
    )
    return [
        ssh,
        f"A shell: ansible-playbook podyard.gpu.shell {call}",
        f"The training: ansible-playbook podyard.gpu.train -e @job.yml -e train_run_id={run_id}",
        bill,
    ]


def result(record: Data, run_dir: Path) -> dict[str, Any]:
    """Say whether the run has `succeeded`, with its `outcome`, and in a `message` why not."""
    outcome = record.get("outcome") or "not recorded"
    verb = "has" if outcome in (FAILED, STOPPED) else "is"
    return {
        "outcome": outcome,
        "succeeded": outcome == SUCCEEDED,
        "message": f"The run {run_dir.name} {verb} {outcome}: {record.get('error') or 'the reason was not recorded.'}",
    }


def stopped_run(run: Data, current: Data, training: str, trouble: str | None, reached: bool) -> dict[str, Any]:
    """Return `outcome` and `error` of a run that a person stops.

    `run` and `current` are the run as podyard.gpu.run_info told it first and tells it now, `training` the state of the
    training as it was fetched, `trouble` why the pod's results could not be fetched or its training not be ended, None
    if nothing went wrong, and `reached` whether the pod answered. A training that had ended by itself was not stopped;
    that a run failed stays so.
    """
    lost = trouble is not None and not reached
    if current["outcome"] not in (RUNNING, KEPT, "detached"):
        outcome, error = current["outcome"], current["error"] or ""
    elif training in (SUCCEEDED, FAILED) and not lost:
        outcome = training
        error = "" if training == SUCCEEDED else "The training had failed before the run was stopped by a person."
    elif run["outcome"] == KEPT and training == "absent":
        outcome, error = STOPPED, "The pod was kept, and given back by a person before any training."
    else:
        outcome, error = STOPPED, f"The run was stopped by a person at stage {run['stage'] or 'plan'}."
    silent = f"Its pod could not be reached, so that nothing more was fetched: {trouble}" if lost else ""
    return {"outcome": outcome, "error": " ".join(filter(None, (error, silent)))}


def ended_run(run: Data, check_mode: bool) -> dict[str, Any]:
    """Say in a `message` how a run ended, as podyard.gpu.run_info tells it afterwards."""
    if not run["pods"]:
        pods = "nothing was rented"
    else:
        gone = all(pod.get("gone_proved") for pod in run["pods"])
        pods = "all pods proved gone" if gone else "not all pods proved gone"
    verb = "would be ended" if check_mode else "is over"
    message = (
        f"The run {run['run_id']} {verb}: {run['outcome']}, {usd_total(run['cost_usd'])}, {pods}; its directory is "
        f"{run['run_dir']}. {run['error'] or ''}"
    )
    return {"message": message.rstrip()}


def fetched_runs(runs: Sequence[Data], fetched: Data, troubles: Data) -> dict[str, Any]:
    """Say of each run what came, in `arrived`, or why nothing did, in `missed`.

    `runs` are those of podyard.gpu.run_info; `fetched` and `troubles` hold, by the name of a run's host, what
    podyard.gpu.run_results returned and why it failed.
    """
    arrived, missed = [], []
    for run in runs:
        came, name = fetched.get(run["host"]), run["run_id"]
        if came is not None:
            arrived.append(_what_came(run, came))
        elif run["connection"]:
            trouble = troubles.get(run["host"]) or "the reason is not known."
            missed.append(f"Nothing was fetched of the run {name}: {trouble}")
        elif run["outcome"] == RUNNING:
            missed.append(f"The run {name} has no pod that can be reached yet; it is at stage {run['stage']}.")
        else:
            arrived.append(
                f"The run {name} is over ({run['outcome']}) and has no pod; what was fetched is in {run['run_dir']}."
            )
    return {"arrived": arrived, "missed": missed}


def _what_came(run: Data, came: Data) -> str:
    """Say what was brought home of one run, and what was left."""
    state = "none yet" if came["state"] == "absent" else came["state"]
    sentences = []
    if not came["checkpoints"] and not came["artifacts"]:
        sentences.append("nothing to bring home yet.")
    else:
        sent = f"new: {len(came['sent'])} ({came['sent_bytes']} bytes)" if came["sent"] else "no new one"
        sentences.append(
            f"files of checkpoints: {len(came['checkpoints'])}, artifacts: {len(came['artifacts'])}, in "
            f"{run['run_dir']}, each verified by SHA-256; {sent}."
        )
    if came["unmatched"]:
        sentences.append(f"Nothing complete matches yet: {', '.join(came['unmatched'])}.")
    if came["changing"]:
        sentences.append(f"Left out, since they are being written: {', '.join(came['changing'])}.")
    return f"The run {run['run_id']} (training: {state}): {' '.join(sentences)}"
