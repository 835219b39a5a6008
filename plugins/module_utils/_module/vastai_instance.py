# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declare the options of a module for one pod of a provider whose every offer is a part of one machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._core.errors import BadRequest
from .._core.offer import ORDER, PREFERENCES
from .._core.pod import Mount
from .._pods import bootstrap
from .._pods.lifecycle import PodLifecycle
from .._pods.outcome import PodOutcome
from .._pods.spec import PodSpec
from .._providers import registry
from .._providers.base import Provider
from . import common as arguments
from . import pod_base as base
from .pod_base import Option

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: A state in the option -> its name in the lifecycle.
STATES: Mapping[str, str] = {
    "present": "present",
    "running": "running",
    "stopped": "stopped",
    "rebooted": "restarted",
    "recycled": "recycled",
    "absent": "absent",
}
#: Options that only this provider has and that go to its driver as they are.
EXTRA: dict[str, Any] = {
    **registry.info("vastai").extra_options,
    "target_state": {"type": "str", "choices": ["running", "stopped"], "default": "running"},
}
VOLUME = {"id": {"type": "str"}, "size": {"type": "int"}, "name": {"type": "str"}, "path": {"type": "str"}}
OPTIONS: dict[str, Option] = {
    **base.ONE,
    "name": Option({**base.TEXT, "aliases": ["label"]}, "name"),
    "state": Option({**base.TEXT, "choices": list(STATES), "default": "present"}),
    "regions": Option(base.TEXTS),
    "hours": Option({**base.NUMBER, "default": 6}, "hours", base.or_none),
    "search": Option({"type": "raw"}),
    "prefer": Option({**base.TEXT, "choices": list(PREFERENCES), "default": ORDER}, "prefer"),
    # A bid makes the pod interruptible: see _bid.
    "interruptible": Option(base.YES_NO),
    "bid": Option(base.NUMBER),
    "volume": Option({"type": "dict", "options": VOLUME}),
    "onstart": Option(base.TEXT, "onstart"),
    **{name: Option(declared) for name, declared in EXTRA.items()},
}
ARGUMENTS = base.declared(OPTIONS)


def to_spec(module: AnsibleModule, provider: Provider) -> PodSpec:
    """Return the pod that the options describe. :raises BadRequest: when they contradict each other."""
    params = module.params
    volume, regions = params["volume"], params["regions"]
    given = {name: params[name] for name in EXTRA if params[name] is not None}
    return base.to_spec(
        OPTIONS,
        params,
        any_cloud=True,
        regions=provider.places(regions) if regions is not None else None,
        regions_option="regions",
        filters=provider.filters(params["search"]),
        bid=_bid(params),
        network_volume=_volume(volume),
        env=arguments.take_environment(module),
        bootstrap=bootstrap.NEVER,
        extra={**given, **({"volume_name": volume["name"]} if volume and volume["name"] else {})},
    )


def _volume(option: Mapping[str, Any] | None) -> Mount | None:
    """Return an existing volume, or a new one. :raises BadRequest: when neither or both are given."""
    if option is None:
        return None
    if (option["id"] is None) == (option["size"] is None):
        raise BadRequest(
            f"Nothing was rented: the option volume has id {option['id']!r} and size {option['size']!r}. Give either "
            "the id of an existing volume or the size of a new one in GB."
        )
    if option["id"] is not None and option["name"] is not None:
        raise BadRequest(
            f"Nothing was rented: the option volume has id {option['id']!r} and name {option['name']!r}, but only a "
            "new volume takes a name. Leave it out."
        )
    return Mount("network", option["path"], size_gb=option["size"], volume_id=option["id"])


def _refuse_stopped(params: Mapping[str, Any]) -> None:
    """Refuse to create a pod stopped that must run. :raises BadRequest: when both are requested."""
    if params["target_state"] == "stopped" and params["state"] == "running":
        raise BadRequest(
            "Nothing was rented: the options state=running and target_state=stopped exclude each other. Decide whether "
            "the new pod runs or stays stopped."
        )


def _bid(params: Mapping[str, Any]) -> float | None:
    """Return the bid of an interruptible pod. :raises BadRequest: for one of the two options without the other."""
    bid, interruptible = params["bid"], params["interruptible"]
    if interruptible and bid is None and params["state"] in ("present", "running"):
        raise BadRequest(
            "Nothing was rented: the option interruptible is true, but bid is not given, and without a bid the "
            "contract would be on demand, at the higher price. Set bid to USD per hour for the whole pod; "
            "podyard.gpu.vastai_offer_info shows the minimum bid of each offer."
        )
    if interruptible is False and bid is not None:
        raise BadRequest(
            f"Nothing was rented: the option bid is {bid}, but interruptible is false, and only interruptible pods "
            "have a bid. Leave one of the two out."
        )
    return float(bid) if bid is not None else None


def ensure(module: AnsibleModule, provider_name: str) -> PodOutcome:
    """Bring the pod into the requested state.

    :raises CloudError: with a message for the user.
    """
    params = module.params
    _bid(params)
    _refuse_stopped(params)
    provider = arguments.open_provider(module, provider_name)
    pod = to_spec(module, provider)
    work = base.context(params, provider)
    ready = base.readiness(module, pod, {}) if params["target_state"] == "running" else None
    lifecycle = PodLifecycle(work, pod, ready, params["attempts"], module.check_mode)
    outcome = lifecycle.ensure(STATES[params["state"]])
    outcome.warnings.extend(provider.notes)
    return outcome
