#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module podyard.gpu.pod_termination: gives back every pod of a run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_termination
short_description: Give back every pod of a run, and prove that they are gone
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Ends every pod whose name says that it belongs to the run, and proves each of them gone. Gone is proved by reading,
    twice absent from the provider's answer for the pod and from the complete list of pods.
  - Touches no pod with a name of another pattern.
  - With O(run_dir), nothing can be rented for this run afterwards, and pods whose create was not answered are looked
    for until O(consistency_grace) is over. A provider at which that record places a pod is asked, whatever O(providers)
    says.
  - A damaged record costs what it held and no more. When it cannot be read, or is missing, an empty list of pods is
    read again after O(consistency_grace), and only then believed.
  - Known pods are ended first. Then the module waits for a create in flight, 100 seconds at most.
  - Only the account that rented a pod can prove it gone. With the key of another one the task fails and says which
    account it was.
  - When a full disk keeps the module from starting, its action plugin does the work itself.
  - A provider that cannot be asked fails the task, but the pods at the others are ended all the same.
  - Fails when a pod is not proved gone, with its id, its price, and the command that ends it.
options:
  project:
    description:
      - The project in the names of the run's pods.
    type: str
    required: true
  run_id:
    description:
      - The run in the names of the run's pods.
    type: str
    required: true
  run_dir:
    description:
      - The run's directory on the controller, with the record of what was asked for.
    type: path
  consistency_grace:
    description:
      - Seconds after a create during which the provider may not show the pod yet.
    type: float
    default: 60
  poll_interval:
    description:
      - Seconds between two looks at the pods. If not given, two seconds at first, later five to ten.
    type: float
  progress_file:
    description:
      - Set by the action plugin of this name, which shows the lines that are written there.
    type: path
extends_documentation_fragment:
  - podyard.gpu.attributes
  - podyard.gpu.api
  - podyard.gpu.api.providers
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.runpod_pod
  - module: podyard.gpu.pod_info
"""

EXAMPLES = r"""
- name: Give back everything that the run has rented
  podyard.gpu.pod_termination:
    project: digits
    run_id: 20260715_140000_1f2e
    run_dir: runs/20260715_140000_1f2e
  delegate_to: localhost
"""

RETURN = r"""
pods:
  description: The pods that were ended, or in check mode would be.
  returned: always
  type: list
  elements: dict
  contains:
    provider:
      description: The provider.
      type: str
      sample: runpod
    id:
      description: The provider's id of the pod.
      type: str
      sample: 7h9k2m4n6p
    name:
      description: The pod's name.
      type: str
      sample: podyard-digits-20260715_140000_1f2e-0-1
    usd_per_hour:
      description: What it cost, in USD per hour.
      type: float
      sample: 0.69
    gone_proved:
      description: Whether it was absent twice.
      type: bool
      sample: true
    gone_at:
      description: When it was proved gone, in UTC; V(none) if it was not.
      type: str
      sample: "2026-07-15T15:10:42Z"
    reason:
      description: Why it is not proved gone; V(none) if it is.
      type: str
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.clock import PollInterval
from ..module_utils._core.errors import CloudError
from ..module_utils._core.names import prefix_of_run
from ..module_utils._module.common import API, PROVIDERS, asked, failure, open_provider
from ..module_utils._pods.give_back import GiveBack, to_result
from ..module_utils._pods.ledger import Ledger
from ..module_utils._pods.progress import Progress
from ..module_utils._pods.terminate import give_back_run, pods_of_run
from ..module_utils._providers.base import Provider

ARGUMENTS: dict[str, Any] = {
    "project": {"type": "str", "required": True},
    "run_id": {"type": "str", "required": True},
    "run_dir": {"type": "path"},
    "consistency_grace": {"type": "float", "default": 60},
    "poll_interval": {"type": "float"},
    "progress_file": {"type": "path"},
    **API,
    **PROVIDERS,
}


# A key in the options belongs to a provider that was named.
NO_KEY: Mapping[str, Any] = {"api_key": None, "api_url": None}


def providers_of(module: AnsibleModule, prefix: str) -> dict[str, Callable[[], Provider]]:
    """Return name -> a function that connects, for the requested providers and those that the run's ledger names."""
    named = asked(module)
    found: dict[str, Callable[[], Provider]] = {name: partial(open_provider, module, name) for name in named}
    for name in sorted(Ledger(module.params["run_dir"]).open_at(prefix) - set(named)):
        found[name] = partial(open_provider, module, name, NO_KEY)
    return found


def give_back(module: AnsibleModule) -> list[dict[str, Any]]:
    """End the run's pods at every provider, then raise an error for those that are not proved gone.

    A provider that cannot be asked does not keep the pods of another one from being ended.
    """
    params = module.params
    prefix = prefix_of_run(params["project"], params["run_id"])
    providers = providers_of(module, prefix)
    if module.check_mode:
        return [result for connect in providers.values() for result in pods_of_run(connect(), prefix)]
    run = GiveBack(
        prefix,
        params["run_dir"],
        params["consistency_grace"],
        PollInterval(interval=params["poll_interval"]),
        Progress(params["progress_file"]),
        module.warn,
        end=give_back_run,
    )
    return run.everywhere(providers)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        pods = give_back(module)
    except CloudError as error:
        module.fail_json(**{"pods": error.facts.pop("pods_gone", []), **failure(error)})
    module.exit_json(**to_result(pods))


if __name__ == "__main__":
    main()
