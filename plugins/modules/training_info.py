#!/usr/bin/python
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module podyard.gpu.training_info: state, new log, metrics and checkpoints of a training."""

from __future__ import annotations

DOCUMENTATION = r"""
module: training_info
short_description: Read a training's state and what is new in its log and metrics
version_added: 0.1.0
author: podyard.gpu contributors (@podyard)
description:
  - Reads what M(podyard.gpu.training) and the training itself wrote, from the given offsets on, so that nothing is sent
    twice.
options:
  dir:
    description:
      - The run's directory on the host.
    type: path
    required: true
  output_dir:
    description:
      - Directory where the training leaves its results. Default is C(output) in O(dir).
    type: path
  metrics_file:
    description:
      - File to which the training appends one JSON object a line, absolute or relative to O(output_dir). Default is
        C(metrics.jsonl).
    type: path
  log_offset:
    description:
      - Where to go on in the log, in bytes. A negative number counts from the end.
    type: int
    default: 0
  metrics_offset:
    description:
      - Where to go on in the metrics, in bytes.
    type: int
    default: 0
  gpu_offset:
    description:
      - Where to go on in the GPU samples, in bytes.
    type: int
    default: 0
  checkpoints:
    description:
      - Patterns of checkpoints, relative to O(output_dir), written as in O(podyard.gpu.transfer#module:include).
    type: list
    elements: str
    default: []
  max_bytes:
    description:
      - At most this many bytes of each file are read in one call.
    type: int
    default: 1048576
extends_documentation_fragment:
  - podyard.gpu.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: podyard.gpu.training
  - module: podyard.gpu.training_progress
"""

EXAMPLES = r"""
- name: How is it going
  podyard.gpu.training_info:
    dir: /workspace/podyard/digits/runs/20261122_101500_4f2a
    log_offset: -4096
  register: __training
"""

RETURN = r"""
state:
  description:
    - V(absent) was never started, V(running), V(succeeded) ended with 0, V(failed) ended otherwise, V(lost) is gone
      without an exit code, as after a stop of the pod.
  type: str
  returned: success
  choices: [absent, running, succeeded, failed, lost, unknown]
stopped:
  description: Whether M(podyard.gpu.training) ended it.
  type: bool
  returned: success
exit_code:
  description: Exit code, or V(null).
  type: int
  returned: success
pid:
  description: Process id of the runner, or V(null).
  type: int
  returned: success
started_at:
  description: When it started, RFC 3339 in UTC.
  type: str
  returned: success
ended_at:
  description: When it ended, RFC 3339 in UTC.
  type: str
  returned: success
seconds:
  description: Duration so far, or of the whole training, by the host's clock.
  type: float
  returned: success
heartbeat_age:
  description: Seconds since the last sign of life of the runner, or V(null).
  type: float
  returned: success
log:
  description: New text of the log. Bytes that are not UTF-8 are replaced; a character is never cut.
  type: str
  returned: success
log_offset:
  description: Where to go on next time, in bytes.
  type: int
  returned: success
log_size:
  description: Size of the log in bytes.
  type: int
  returned: success
metrics:
  description: New lines of the metrics file, as parsed. A line that is not a JSON object is left out.
  type: list
  elements: dict
  returned: success
metrics_offset:
  description: Where to go on next time, in bytes.
  type: int
  returned: success
gpu:
  description: New GPU samples.
  type: list
  elements: dict
  returned: success
  contains:
    time:
      description: When, RFC 3339 in UTC.
      type: str
    index:
      description: Number of the GPU.
      type: int
    utilization_percent:
      description: Utilisation in percent.
      type: float
    memory_used_mb:
      description: Used memory in MiB.
      type: float
    memory_total_mb:
      description: Memory in MiB.
      type: float
    temperature_c:
      description: Temperature in degrees Celsius.
      type: float
    power_w:
      description: Power in watts.
      type: float
gpu_offset:
  description: Where to go on next time, in bytes.
  type: int
  returned: success
checkpoints:
  description: Files of checkpoints that are complete, that is, not written to any more. The newest come first.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: Path relative to O(output_dir).
      type: str
    group:
      description: The checkpoint it belongs to; the path of the directory or file that matched the pattern.
      type: str
    bytes:
      description: Size in bytes.
      type: int
    mtime:
      description: Time of the last change, seconds since 1970.
      type: float
lease_ends_in:
  description: Seconds until the pod ends itself unless its lease is renewed; V(null) when it has none. This module does
    not renew it.
  type: float
  returned: success
lease_ends_at:
  description: The same as a time, RFC 3339 in UTC, by the pod's clock.
  type: str
  returned: success
trouble:
  description: What could not be read, by its name, with the reason; it is missing from the rest. The state is
    V(unknown) if it depends on that.
  type: dict
  returned: success
  sample: {metrics: "IsADirectoryError: it is a directory: /workspace/out/logs"}
disk_free_gb:
  description: Free space in GiB where O(dir) lies; means nothing on network volumes.
  type: float
  returned: success
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._core.patterns import BadPattern, to_regex
from ..module_utils._training.metrics import json_lines
from ..module_utils._training.state import look

ARGUMENTS: dict[str, Any] = {
    "dir": {"type": "path", "required": True},
    "output_dir": {"type": "path"},
    "metrics_file": {"type": "path"},
    "log_offset": {"type": "int", "default": 0},
    "metrics_offset": {"type": "int", "default": 0},
    "gpu_offset": {"type": "int", "default": 0},
    "checkpoints": {"type": "list", "elements": "str", "default": []},
    "max_bytes": {"type": "int", "default": 1048576},
}


def to_result(found: dict[str, Any]) -> dict[str, Any]:
    """Turn what `look` returns into the module's result."""
    streams = {name: found.pop(name) for name in ("log", "metrics", "gpu")}
    del found["now"], found["activity"]
    return {
        **found,
        **{f"{name}_offset": stream["offset"] for name, stream in streams.items()},
        "log": streams["log"]["data"].decode("utf-8", "replace"),
        "log_size": streams["log"]["size"],
        "metrics": json_lines(streams["metrics"]["data"]),
        "gpu": json_lines(streams["gpu"]["data"]),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    request = {**module.params, "dir": os.path.abspath(module.params["dir"])}
    if request["max_bytes"] < 1:
        module.fail_json(msg="max_bytes is a number of bytes and must be at least 1.")
    try:
        request["checkpoints"] = [to_regex(pattern) for pattern in request["checkpoints"]]
    except BadPattern as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **to_result(look(request)))


if __name__ == "__main__":
    main()
