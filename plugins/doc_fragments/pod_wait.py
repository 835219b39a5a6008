# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that say how long a module waits for its pods, and until when."""

from __future__ import annotations


class ModuleDocFragment:
    """The options timeouts, poll_interval, wait, wait_for, consistency_grace and progress_file."""

    DOCUMENTATION = r"""
options:
  timeouts:
    description:
      - Seconds for each stage, counted from the end of the stage before.
    type: dict
    suboptions:
      rented:
        description:
          - For a provider to accept one of the offers, counted from the first order, or from the last pod that was
            given back. If not given, 600, enough to try about a hundred offers. If none was accepted by then, change
            the requirements.
        type: float
      running:
        description:
          - For the image to be pulled and the container to start. If not given, 900, because images of 6 to 12 GB have
            taken more than ten minutes. Choose less where images are small and every minute is billed.
        type: float
      addressed:
        description:
          - For a public address. If not given, 120, because the address comes seconds after the container, or on some
            hosts never.
        type: float
      port_open:
        description:
          - For an SSH server to answer. If not given, 180, twice what the slowest server has taken, and 240 more where
            the start command has to install the server.
        type: float
      authenticated:
        description:
          - For the key to be accepted. If not given, 90, because keys are there before the server, and a refusal seldom
            turns into an acceptance.
        type: float
      ready:
        description:
          - For a command to run. If not given, 30, because a host that cannot run a command is of no use.
        type: float
  poll_interval:
    description:
      - The longest time between two looks at the pods, in seconds. One look serves all pods. If not given, five to ten.
    type: float
  wait:
    description:
      - Wait until the pods can be used. Otherwise the module returns as soon as they are rented, changed or started.
    type: bool
    default: true
  wait_for:
    description:
      - The stage to wait for, each later than the one before. V(rented), the provider has accepted the order.
        V(running), the container has started. V(addressed), it has a public address. V(port_open), an SSH server
        answers there. V(authenticated), the server accepts the key. V(ready), a command runs.
    type: str
    choices: [rented, running, addressed, port_open, authenticated, ready]
    default: ready
  consistency_grace:
    description:
      - Seconds after a create during which the provider may not show the pod yet.
    type: float
    default: 60
  progress_file:
    description:
      - Set by the action plugin of the same name, which shows the lines that the module writes there.
    type: path
"""
