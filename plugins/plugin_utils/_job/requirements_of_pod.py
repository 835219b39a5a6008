# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job wishes of the market and of a pod that comes up: contradictions among its values. Private to this
collection.

Checks as in ``_job_checks``: each takes a job and yields sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...module_utils._providers import registry
from . import spec

Job = dict[str, Any]
READY_PARTS = ("file", "command")


def hardware(job: Job) -> Iterator[str]:
    """Something says which GPU will do."""
    if not (job["gpus"] or job["min_gpu_memory"] or job["min_compute_capability"]):
        yield (
            "train_gpus is missing: GPU models that will do, the wanted one first. RUNPOD_GPU_TYPE in the environment "
            "or in a .env file may say it too, and train_min_gpu_memory or train_min_compute_capability do without it."
        )


def bids(job: Job) -> Iterator[str]:
    """A bid belongs to an interruptible pod on a market with bids, and fits under the cap."""
    bid, cap = job["bid"], job["max_price"]
    if bid is not None and not job["interruptible"]:
        yield (
            f"train_bid is what an interruptible pod offers, but train_interruptible is not set: set it, or take the "
            f"bid of {bid:g} out."
        )
    chosen = [(name, registry.capabilities(name)) for name in job["providers"] or ()]
    if job["interruptible"] and chosen and not any(can.interruptible for _name, can in chosen):
        why = "; ".join(f"{name}: {can.because.get('interruptible', 'it has none')}" for name, can in chosen)
        others = " or ".join(name for name in registry.names() if registry.capabilities(name).interruptible)
        yield f"train_interruptible asks for pods that none of train_providers rents ({why}): add {others}, or drop it."
    if bid is not None and cap is not None and bid > cap:
        yield f"train_bid of {bid:g} exceeds train_max_price of {cap:g}, so that no pod could be kept: lower it."


def search(job: Job) -> Iterator[str]:
    """Filters for a market that is asked, in one of the two forms it has."""
    value = job["search"]
    if not spec.is_given(value):
        job["search"] = None
    elif not isinstance(value, (str, Mapping)):
        yield f"train_search must be a mapping or text, not {spec.shown('train_search', value)}."
    elif not _asks_market(job):
        others = " or ".join(name for name in registry.names() if registry.capabilities(name).query)
        yield f"train_search is read by none of train_providers: take it out, or add {others}."


def _asks_market(job: Job) -> bool:
    """Whether a provider with a query language may be asked; a job that names none leaves that open."""
    chosen = job["providers"] or ()
    return not chosen or any(registry.capabilities(name).query for name in chosen)


def regions(job: Job) -> Iterator[str]:
    """One list of places, whichever of the two variables names them."""
    job["regions"] = list(dict.fromkeys([*job["regions"], *job["data_centers"]]))
    yield from ()


def readiness(job: Job) -> Iterator[str]:
    """What says that the image's own set-up is done ends up as a mapping with the one part ``file`` or ``command``."""
    try:
        job["ready_when"] = ready_when(job["ready_when"])
    except spec.Problem as problem:
        yield str(problem)
    if job["ready_when"] and job["ready_timeout"] and job["deadline"] and job["ready_timeout"] >= job["deadline"]:
        yield (
            f"train_ready_timeout of {job['ready_timeout']:g} seconds leaves no time to rent the pod within "
            f"train_deadline of {job['deadline']:g}: lower the one or raise the other."
        )


def ready_when(value: Any) -> dict[str, str] | None:
    """A condition in its final form; None for none. Raises Problem."""
    name = "train_ready_when"
    if not spec.is_given(value):
        return None
    if isinstance(value, str):
        value = _from_text(name, value.strip())
    if not isinstance(value, Mapping):
        raise spec.Problem(
            f"{name} must be a command, or a mapping with the part file or command, not {spec.shown(name, value)}."
        )
    options = {part: {"type": "str"} for part in READY_PARTS}
    parts = spec.convert(name, {"type": "dict", "options": options}, value)
    if len(parts) != 1:
        raise spec.Problem(f"{name} needs one of the parts file and command, and only one.")
    if "file" in parts and (not parts["file"].startswith("/") or "\n" in parts["file"]):
        shown = spec.shown(name, parts["file"])
        raise spec.Problem(f"{name}.file must be an absolute path on the pod, not {shown}.")
    return parts


def _from_text(name: str, text: str) -> Any:
    """What text from a survey or the command line means: a mapping in one of its forms, else a command."""
    if text.startswith("{"):
        return spec.convert(name, {"type": "dict"}, text)
    found = re.match(rf"({'|'.join(READY_PARTS)})\s*[=:]\s*(.*)", text, re.DOTALL)
    if found:
        return {found[1]: found[2]}
    if text.startswith("/") and len(text.split()) == 1:
        raise spec.Problem(
            f"{name} is only a path: file={text} waits until it is there, and command={text} runs it until it succeeds."
        )
    return {"command": text}
