#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.run_decision, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_decision
short_description: Say what happens next to a run and its pods
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Answers the questions that the roles C(train) and C(runs) have between their steps, such as whether a bad host is
    replaced, and gives the reason in sentences. It decides from the run's record and from the facts that the task
    passes.
  - Changes nothing and asks no provider.
options:
  about:
    description:
      - V(found_run), the state of a run that was named. Of the O(facts) it needs C(pods), all of the run's pods as
        M(podyard.gpu.pod_info) returns them.
      - V(search), how much of the search for a suitable pod is left, with C(attempts) and C(deadline) as the job has
        them, and C(began) of an earlier answer; without it the search begins now.
      - V(checked_pod), whether a pod that was checked is used, replaced or the end of the run, with C(pod), C(state) of
        the first answer, C(reason) (null where the check found no fault), C(measured) as M(podyard.gpu.gpu_info)
        returns it, or null, C(set_up_failed), C(attempts), C(deadline) and C(began).
      - V(lost_run), why a run is lost whose end was not recorded, with its C(pod), or null.
      - V(lost_pod), how a run ended whose pod fell silent or whose training failed, with C(pod), C(ended_itself), and
        C(pods) as M(podyard.gpu.pod_info) returns them, or null, with the reason in C(trouble).
      - V(kept_pod), what the user must know of a pod that stays, with C(pod), C(pods) as M(podyard.gpu.run_status)
        returns them, and C(connection), the content of C(connection.json), or null.
      - V(result), whether the run has succeeded.
      - V(stopped_run), how a run that the user stops has ended, with C(run) and C(current) as M(podyard.gpu.run_info)
        returns it before and after the training was ended, C(training), its state as M(podyard.gpu.run_results) returns
        it, or empty, C(trouble), why results could not be fetched, or null, and C(reached), whether the pod answered.
      - V(ended_run), a sentence on a run that is over, with C(run) as M(podyard.gpu.run_info) returns it.
      - V(fetched_runs), a sentence on each run, with C(runs) as M(podyard.gpu.run_info) returns them, and by the name
        of a run's host C(fetched), what M(podyard.gpu.run_results) returned, and C(troubles), why it failed.
    type: str
    choices:
      - found_run
      - search
      - checked_pod
      - lost_run
      - lost_pod
      - kept_pod
      - result
      - stopped_run
      - ended_run
      - fetched_runs
    required: true
  run_dir:
    description:
      - The run's directory on the controller. Needed by all but V(stopped_run), V(ended_run) and V(fetched_runs).
      - Relative paths start at the directory in which C(ansible-playbook) was called.
    type: path
  facts:
    description:
      - What the decision depends on besides the record; see O(about). A fact that it does not use is refused.
    type: dict
    default: {}
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Nothing is changed.
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.run_record
  - module: podyard.gpu.run_info
"""

EXAMPLES = r"""
- name: Begin the search for a pod
  podyard.gpu.run_decision:
    about: search
    run_dir: runs/20260716_090000_5c3d
    facts: {attempts: 5, deadline: 3600}
  register: begun

- name: See how much of it is left
  podyard.gpu.run_decision:
    about: search
    run_dir: runs/20260716_090000_5c3d
    facts: {attempts: 5, deadline: 3600, began: "{{ begun.decision.began }}"}
  register: rest

- name: Say it
  ansible.builtin.debug:
    msg: "{{ rest.decision.attempts_left }} pods may still be tried"
"""

RETURN = r"""
decision:
  description: The answer.
  returned: success
  type: dict
  contains:
    state:
      description: Of V(found_run), V(new), V(attach) (its pod lives), V(unproved) (its pods are not proved gone) or
        V(ended).
      type: str
    began:
      description: Of V(search), when it began, in seconds on a clock that cannot be set.
      type: float
    attempts_left:
      description: Of V(search), how many pods may still be rented.
      type: int
    seconds_left:
      description: Of V(search), how many seconds are left.
      type: float
    limits:
      description: Of V(search), the same as the options C(attempts) and C(deadline) of M(podyard.gpu.pod), which takes
        no less than one attempt and one second.
      type: dict
    next:
      description: Of V(checked_pod), V(use), V(replace) or V(fail).
      type: str
    bad_host:
      description: Of V(checked_pod), whether the pod is given back and its machine not rented again.
      type: bool
    reason:
      description: Of V(checked_pod), why the check failed, and what to do about it.
      type: str
    message:
      description: Of V(checked_pod), V(result) and V(ended_run), what to say.
      type: str
    outcome:
      description: Of V(lost_pod), V(result) and V(stopped_run), how the run ended.
      type: str
    error:
      description: Why, where something went wrong; else null or empty.
      type: str
    interruption:
      description: Of V(lost_pod), what took the pod away, as RV(podyard.gpu.run_record#module:run.interruption).
      type: dict
    pod:
      description: Of V(kept_pod), the pod that stays.
      type: dict
    entry:
      description: Of V(kept_pod), what the run's record keeps of it.
      type: dict
    has_lease:
      description: Of V(kept_pod), whether it ends itself.
      type: bool
    call:
      description: Of V(kept_pod), the options of the playbooks for this run.
      type: str
    lines:
      description: Of V(kept_pod), how to use it, what it costs, and how to give it back.
      type: list
      elements: str
    succeeded:
      description: Of V(result), whether the run has succeeded.
      type: bool
    arrived:
      description: Of V(fetched_runs), a sentence on each run of which something came, or whose results are here.
      type: list
      elements: str
    missed:
      description: Of V(fetched_runs), a sentence on each other run.
      type: list
      elements: str
"""
