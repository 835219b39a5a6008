# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes from a call of podyard.gpu.pod until its pod is ready, and how much of that is ours.

    .venv/bin/python tests/benchmarks/time_to_ready.py [--rounds 10] [--providers runpod vastai] [--poll 0.2] \
        [--pace fast]

Pods of a sandbox of its own, with a real SSH server each, are rented and given back, one after the other. The sandbox
tells when it had made the contract and when the key would have been let in; what lies between is its own time, which
stands for the provider's. Ours is the rest: what comes before the contract (settings, keys, search, prices), and what
comes after the key works (until the next look, the login, one command on the pod). It holds the pauses between two
looks (``--poll`` seconds; the module's own are 5 to 10) and those that Vast.ai wants, scaled as the sandbox's. Python's
own start and Ansible's are not part of it: the module runs in this process, after a first pod that does not count.

Seconds are medians; the worst round stands beside the total. Ten rounds at two providers take about a minute.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / ".venv" / "collections"), str(REPOSITORY / "tests" / "integration")]

from ansible.module_utils.testing import patch_module_args  # noqa: E402 - found only now
from harness import Cloud  # noqa: E402

from ansible_collections.podyard.gpu.plugins.modules import pod  # noqa: E402

IMAGES = {
    "runpod": "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
    "vastai": "pytorch/pytorch:2.8.0-cuda12.8-cudnn9-devel",
}


def called(directory: Path, **options: Any) -> dict[str, Any]:
    """The result of the module. :raises SystemExit: with its message when it fails."""
    printed = io.StringIO()
    module_process = mock.patch("ansible.module_utils._internal.is_controller", False, create=True)
    given = {"settings": False, "consistency_grace": 1, **options, "_ansible_tmpdir": str(directory)}
    ended = contextlib.suppress(SystemExit)
    with patch_module_args(given), module_process, contextlib.redirect_stdout(printed), ended:
        pod.main()
    result = json.loads(printed.getvalue())
    if result.get("failed"):
        sys.exit(result["msg"])
    return result


def one(cloud: Cloud, directory: Path, provider: str, number: int, poll: float) -> dict[str, float]:
    """The seconds of one pod."""
    wish = {
        "name": f"bench-ready-{number}", "providers": [provider], "gpus": ["RTX 4090"], "image": IMAGES[provider],
        "public_keys": [(directory / "key.pub").read_text()], "private_key_file": str(directory / "key"),
        "known_hosts_file": str(directory / "known_hosts"), "poll_interval": poll,
    }  # fmt: skip
    began = time.time()
    result = called(directory, **wish)
    ended = time.time()
    [made] = [each for each in cloud.status()["pods"] if each["id"] == result["pod"]["id"]]
    called(directory, **{**wish, "state": "absent"})
    rented = datetime.fromisoformat(made["created_at"]).timestamp()
    theirs = made["stages"]["authenticated"]
    return {
        "total": ended - began,
        "before": rented - began,
        "theirs": theirs,
        "after": ended - rented - theirs,
        "ours": ended - began - theirs,
    }


def line(provider: str, found: list[dict[str, float]]) -> str:
    """One line of the table."""
    middle = {name: statistics.median(each[name] for each in found) for name in found[0]}
    worst = max(each["total"] for each in found)
    return (
        f"{provider:<9} {len(found):>6} {middle['total']:>7.2f} {worst:>7.2f} {middle['theirs']:>9.2f} "
        f"{middle['ours']:>6.2f} {middle['before']:>8.2f} {middle['after']:>7.2f} "
        f"{middle['ours'] / middle['total']:>6.0%}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--providers", nargs="+", choices=["runpod", "vastai"], default=["runpod", "vastai"])
    parser.add_argument("--poll", type=float, default=0.2, help="seconds between two looks")
    parser.add_argument("--pace", choices=["fast", "real"], default="fast")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="podyard-ready-") as text:
        directory, cloud = Path(text), Cloud(Path(text) / "sandbox")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "key")], check=True)
        try:
            cloud.up()
            cloud.command("up", "--pace", arguments.pace, "--balance", "10000")
            cloud.settings.update(
                each.removeprefix("export ").replace("'", "").split("=", 1)
                for each in cloud.command("env").splitlines()
            )
            os.environ.update(cloud.settings, HOME=text, PODYARD_STATE_DIR=str(directory / "state"))
            print(
                f"{'provider':<9} {'rounds':>6} {'total':>7} {'worst':>7} {'sandbox':>9} {'ours':>6} {'before':>8} "
                f"{'after':>7} {'share':>6}"
            )
            for provider in arguments.providers:
                rounds = range(arguments.rounds + 1)
                found = [one(cloud, directory, provider, number, arguments.poll) for number in rounds]
                print(line(provider, found[1:]), flush=True)
        finally:
            cloud.down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
