# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter podyard.gpu.pod_fate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._status.lost_pod import diagnose_lost_pod

DOCUMENTATION = r"""
name: pod_fate
short_description: Say what became of a pod that fell silent
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Looks a pod up among those that M(podyard.gpu.pod_info) found, and says in the provider's terms what became of it.
  - Makes no request.
options:
  _input:
    description:
      - The pods of the provider, all of them, as RV(podyard.gpu.pod_info#module:pods).
    type: list
    elements: dict
    required: true
  pod:
    description:
      - The pod that fell silent, with C(provider), C(id) and C(name). With the C(endpoint) that it had, a restart is
        noticed.
    type: dict
    required: true
positional: pod
"""

EXAMPLES = r"""
- name: Ask for the pods of a run
  podyard.gpu.pod_info:
    run_id: 20260715_140000_1f2e
  register: found

- name: Say what became of the first one
  ansible.builtin.debug:
    msg: "{{ (found.pods | podyard.gpu.pod_fate(silent)).message }}"
  vars:
    silent:
      provider: runpod
      id: 7h9k2m4n6p
      name: podyard-digits-20260715_140000_1f2e-0-1
"""

RETURN = r"""
_value:
  description: What became of it.
  type: dict
  contains:
    kind:
      description:
        - V(outbid), V(no credit), V(expired) or V(host lost), as the provider reports; V(gone), it is not in the list;
          V(stopped), a user stopped it; V(failed); V(restarted), it runs at another address. V(none), the provider
          knows of nothing.
      type: str
    message:
      description: A sentence about the pod.
      type: str
    advice:
      description: A sentence on what to do, or empty text.
      type: str
    raw_status:
      description: The provider's own word for its state.
      type: str
"""


def pod_fate(pods: Any, pod: Any) -> dict[str, Any]:
    """Diagnose what happened to a pod, from the list of all pods."""
    try:
        return diagnose_lost_pod(pods, pod)
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(
            "pod_fate takes the pods that pod_info returns, and a pod with provider, id and name."
        ) from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file by their names."""
        return {"pod_fate": pod_fate}
