#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin podyard.gpu.training_progress, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: training_progress
short_description: Follow a training until it ends, live
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Follows a training that M(podyard.gpu.training) started, shows its log and a line of progress, and fetches log,
    metrics, GPU samples and finished checkpoints while it runs.
  - Looks through short connections of its own, so that a lost connection ends nothing. Can be started again at any time
    and by another controller; no byte is fetched twice.
  - The task fails unless the training succeeded. The result is complete in either case.
options:
  dir:
    description:
      - The run's directory on the host, as given to M(podyard.gpu.training).
    type: str
    required: true
  run_dir:
    description:
      - The run's directory on the controller. C(train.log), C(metrics.jsonl), C(gpu.jsonl) and C(checkpoints/) are kept
        there.
    type: path
    required: true
  output_dir:
    description:
      - Directory on the host where the training leaves its results. Default is C(output) in O(dir).
    type: str
  metrics_file:
    description:
      - File on the host to which the training appends one JSON object a line, absolute or relative to O(output_dir).
        Default is C(metrics.jsonl).
    type: str
  checkpoints:
    description:
      - Patterns, relative to O(output_dir), of the checkpoints to fetch during the run, written as in
        O(podyard.gpu.transfer#module:include). An empty list brings none.
      - A file or directory with a name that programs use before it is complete, such as C(tmp-checkpoint-10),
        C(step_10.orbax-checkpoint-tmp-1) or C(w.pt.part), is left until it gets its final name.
    type: list
    elements: str
    default: []
  max_gb:
    description:
      - The most that one round of checkpoints may hold, in GB. V(0) means no limit but the free space.
    type: float
    default: 0
  poll_interval:
    description:
      - Longest time between two looks, in seconds. The first looks are closer together.
    type: float
    default: 5
  max_hours:
    description:
      - Stop the training when this many hours have passed since O(rented_at), or since its start where that is not
        given. V(0) means no limit.
    type: float
    default: 0
  max_cost:
    description:
      - Stop the training when the pod has cost this much, in USD. V(0) means no limit. Needs O(usd_per_hour).
    type: float
    default: 0
  usd_per_hour:
    description:
      - Price of the pod in USD per hour, for the cost shown and O(max_cost).
    type: float
    default: 0
  rented_at:
    description:
      - When the pod was rented, as RFC 3339 text in UTC. Default is the start of the training.
      - With O(pod), its provider is asked for this, so that one clock measures the pod's age. Otherwise the clock of
        this machine counts, or the pod's if the two disagree. A clock that disagrees is reported.
    type: str
  earlier_cost:
    description:
      - What earlier pods of the same run have cost, in USD. Counted for O(max_cost).
    type: float
    default: 0
  stall_timeout:
    description:
      - Stop the training when it has shown no sign of life for this many seconds. V(0) means never.
      - Signs of life are that its log, its metrics or files of O(output_dir) grow, that a GPU is busy or its memory
        changes, and that its processes take more than a twentieth of a processor or read and write more than 64 KiB per
        second.
      - What is unknown is not idle. For a GPU whose use is unknown, such as a MIG slice, memory in use counts as work.
        Where neither the use of a GPU nor the processes can be seen, nothing is stopped, and a message says so.
    type: float
    default: 0
  unreachable_timeout:
    description:
      - Seconds without an answer from the host after which the training counts as lost.
    type: float
    default: 120
  pod:
    description:
      - The pod that the host is, as M(podyard.gpu.pod_info) returns it. When the host does not answer, its provider is
        asked, and a training on a pod that was taken away (outbid, for lack of credit, at its contract's end), stopped
        or ended is lost at once. If not given, no provider is asked.
    type: dict
  env_file:
    description:
      - A file with the key of the provider's account, where the environment has none.
    type: path
  stop_grace:
    description:
      - Seconds that the training gets to end by itself when it is stopped by a limit, before it is killed.
    type: float
    default: 30
  show_log:
    description:
      - Show the training's new log lines.
    type: bool
    default: true
notes:
  - Only a failed connection counts as silence. What cannot be read on the host, such as a O(metrics_file) that is a
    directory, is left out and reported, and the rest goes on. Where no Python runs there, a shell reports how the
    training ended; O(max_hours) and O(max_cost) hold in any case.
  - Everything that the host reports is checked. At most 1 GiB of log, 256 MiB of metrics and 256 MiB of GPU samples are
    kept, as long as 512 MiB are free in O(run_dir); the rest stays on the host, and a message says so.
  - Metrics are cleaned. V(NaN) and the infinities are kept as text, incomplete characters as escapes, whole numbers of
    more than 40 digits as text; texts are cut at 2,000 characters, and 1,000 names are kept. C(metrics.jsonl) has the
    bytes unchanged.
  - The task needs the connection plugin P(ansible.builtin.ssh#connection) with a key, and Python on the host.
  - In check mode nothing is followed; the present state is returned.
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: partial
    details: Looks once and returns what it saw.
  diff_mode:
    support: none
    details: Nothing on the host is changed unless a limit is reached.
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.training
  - module: podyard.gpu.training_info
"""

EXAMPLES = r"""
- name: Follow the training
  podyard.gpu.training_progress:
    dir: /workspace/podyard/digits/runs/20261122_101500_4f2a
    run_dir: runs/20261122_101500_4f2a
    checkpoints: ["checkpoints/*"]
    max_cost: 5.00
    usd_per_hour: 0.69
    rented_at: "{{ now(utc=true).isoformat() }}"
    stall_timeout: 1800
  register: __followed
  failed_when: false
"""

RETURN = r"""
outcome:
  description:
    - V(succeeded) when the training ended with exit code 0, V(failed) when it ended otherwise or stalled, V(stopped)
      when a limit or a user stopped it, V(lost) when the host or the training vanished.
    - V(running) only in check mode.
  type: str
  returned: always
  sample: succeeded
reason:
  description: Why it ended.
  type: str
  returned: always
  sample: exit
  choices: [exit, stall, max_hours, max_cost, stopped, unreachable, vanished, absent, running]
message:
  description: One sentence about how it ended, and what to do.
  type: str
  returned: always
exit_code:
  description: Exit code of the training, or V(null) when there is none.
  type: int
  returned: always
last_lines:
  description: The last 20 lines of the log.
  type: list
  elements: str
  returned: always
metrics:
  description: The last value of each metric.
  type: dict
  returned: always
  sample: {epoch: 12, loss: 0.08, accuracy: 0.97}
cost_usd:
  description: Cost so far in USD, from O(rented_at) to now, with O(earlier_cost).
  type: float
  returned: always
  sample: 0.43
seconds:
  description: Duration of the training in seconds, or V(null) when it is not known.
  type: float
  returned: always
started_at:
  description: When the training started, RFC 3339 in UTC.
  type: str
  returned: when known
ended_at:
  description: When the training ended, RFC 3339 in UTC.
  type: str
  returned: when known
checkpoints:
  description: The checkpoints that were fetched, as paths relative to C(checkpoints/) of O(run_dir).
  type: list
  elements: str
  returned: always
reconnects:
  description: How often the connection had to be opened again.
  type: int
  returned: always
lease_ends_at:
  description: When the pod ends itself unless its lease is renewed, which each look does; RFC 3339 in UTC, V(null) when
    it has no lease. It is written to C(run.json) as well, at most once a minute.
  type: str
  returned: always
"""
