# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long each stage of readiness may take, and what to do when it takes longer. Private to this collection."""

from __future__ import annotations

from collections.abc import Mapping

from .._core import pod

#: Seconds for each stage, counted from the one before it; the first one from the first order, or from the last pod that
#: was given back.
DEADLINES: Mapping[str, float] = {
    # A refused offer costs seconds, and Vast.ai wants some between two orders: within ten minutes a hundred can be
    # asked for, and whoever has none by then does better to change the wishes.
    pod.RENTED: 600.0,
    # Image pulls of 6 to 12 GB were seen to take longer than ten minutes; a cached image needs one.
    pod.RUNNING: 900.0,
    # The address comes seconds after the container; on some hosts it never comes, and each minute is paid for.
    pod.ADDRESSED: 120.0,
    # sshd was seen to start up to 90 s after the pod called itself running; slow hosts take twice that.
    pod.PORT_OPEN: 180.0,
    # Keys are installed before sshd starts, so a refusal seldom heals; 90 s cover a stale address after a restart.
    pod.AUTHENTICATED: 90.0,
    # One command; a host that cannot run it within half a minute is no host to train on.
    pod.READY: 30.0,
}
ADVICE: Mapping[str, str] = {
    pod.RENTED: "Loosen a wish, or try again later (timeouts.rented).",
    pod.RUNNING: "A large image needs longer (timeouts.running), or the host is a bad one: rent again.",
    pod.ADDRESSED: "Some hosts never get a public address: rent again.",
    pod.PORT_OPEN: (
        "The image must start an SSH server (official runpod images do), or be made to (bootstrap_ssh); the log of the "
        "pod says what it did instead."
    ),
    pod.AUTHENTICATED: (
        "The key must be in public_keys when the pod is made, and its private half in private_key_file, else in one of "
        "SSH's own files; a key that was added later needs a new pod or a restart. "
        "An image whose user is not root needs the option ssh_user, or ssh_users to find out."
    ),
    pod.READY: "The pod lets us in but runs no command: look at its log, or rent again.",
}
