# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it takes to get a good pod in a market of which a share of the hosts is bad.

    .venv/bin/python tests/benchmarks/market.py [--runs 50] [--shares 0.1 0.3 0.6] [--providers runpod vastai] \
        [--attempts 5] [--out results.jsonl]

Each run rents one pod with podyard.gpu.pod in a market of its own (the run's number is the seed of the sandbox's bad
hosts, and nothing is remembered from the run before) and gives it back. A bad host never leaves loading, has no SSH
server, fails with the container engine's words, or has no GPU. The last is what the role ``verify`` finds: here the
sandbox is asked, the pod is given back as condemned, and another is rented, as the playbooks do. ``both`` among the
providers rents at whichever of the two ranks first. With 50 runs for each of three shares at two providers it takes
some minutes; with ``--out``, a run that was written down is not done again.

The pods are the cheap ones of the sandbox's own tests, of which only the SSH port is real, and the deadlines are
seconds, so that what matters is counted and not waited for. Printed are, for each provider and share: the runs that
ended with a good pod, the pods that were rented for it (all runs), the USD for the pods that were given up, as the
module tells them, and the same had each pod been waited for until the module's own deadlines (900 s for the container,
180 s for the port).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / ".venv" / "collections"), str(REPOSITORY / "sandbox")]
sys.path.insert(0, str(REPOSITORY / "tests" / "sandbox"))

from ansible.module_utils.testing import patch_module_args  # noqa: E402 - found only now
from stand_in import Api, ServerThread  # noqa: E402
from vast_stand_in import KEY  # noqa: E402

from ansible_collections.podyard.gpu.plugins.modules import pod  # noqa: E402
from podyard_sandbox.settings import Settings  # noqa: E402

GPUS = ["RTX 4090", "RTX A6000", "L40S", "RTX 3090", "A100 PCIe", "H100 PCIe"]
# Seconds for a pod to run and for its port to open, of which a good one needs a fifth.
RUNNING, PORT_OPEN = 1.0, 0.8
# The module's own.
USUAL_RUNNING, USUAL_PORT_OPEN = 900.0, 180.0
NAME = "bench-market"


class Market:
    """One sandbox with cheap pods, and the module that rents there."""

    def __init__(self, directory: Path, attempts: int) -> None:
        self.directory, self.attempts = directory, attempts
        os.environ.update(HOME=str(directory), PODYARD_STATE_DIR=str(directory / "state"))
        os.environ["PODYARD_VAST_THRESHOLD_SCALE"] = "0"
        self.sandbox = ServerThread(directory / "sandbox", Settings(balance=1e6, vast_limits=0))
        self.control = Api(self.sandbox.url, self.sandbox.home.api_key())

    def close(self) -> None:
        """Give all pods back."""
        self.sandbox.close()

    def module(self, **options: Any) -> dict[str, Any]:
        """The result of podyard.gpu.pod, be it one of a failure."""
        home, url = self.sandbox.home, self.sandbox.url
        given = {
            "name": NAME,
            "runpod": {"api_key": home.api_key(), "api_url": url},
            "vastai": {"api_key": home.vast_api_key(), "api_url": url},
            "settings": False,
            "consistency_grace": 0.2,
            "poll_interval": 0.05,
            **options,
            "_ansible_tmpdir": str(self.directory),
        }
        printed = io.StringIO()
        module_process = mock.patch("ansible.module_utils._internal.is_controller", False, create=True)
        ended = contextlib.suppress(SystemExit)
        with patch_module_args(given), module_process, contextlib.redirect_stdout(printed), ended:
            pod.main()
        return json.loads(printed.getvalue())

    def run(self, providers: list[str], share: float, seed: int) -> dict[str, Any]:
        """One pod, from the first search until there is a good one or no attempt is left."""
        (self.directory / "state" / "bad-hosts.json").unlink(missing_ok=True)
        body = {"bad_hosts": share, "seed": seed}
        assert self.control.call("PATCH", "/_sandbox/settings", json=body).status_code == 200
        wish = {
            "providers": providers, "gpus": GPUS, "rank_by": "price", "public_keys": [KEY], "wait_for": "port_open",
            "image": "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
            "timeouts": {"running": RUNNING, "addressed": 1.0, "port_open": PORT_OPEN},
            "run_dir": str(self.directory / f"run-{'-'.join(providers)}-{share}-{seed}"),
        }  # fmt: skip
        Path(wish["run_dir"]).mkdir(exist_ok=True)
        tried: list[dict[str, Any]] = []
        began, good, failure = time.monotonic(), False, ""
        while len(tried) < self.attempts and not good:
            result = self.module(**wish, attempts=self.attempts - len(tried))
            made = [each for each in result["attempts"] if each["outcome"] != "refused"]
            tried += made
            if result.get("failed"):
                failure = result["msg"]
                break
            good = self._has_gpu(result["pod"]["id"])
            if not good:
                made[-1]["outcome"] = "condemned"
                self.module(**{**wish, "state": "absent", "condemned": "nvidia-smi finds no GPU"})
        if good:
            self.module(**{**wish, "state": "absent"})
        lost = [each for each in tried if each["outcome"] != "rented"]
        assert not [each for each in self.control.status()["pods"] if not each["gone_at"]], "something still bills"
        return {
            "providers": providers, "share": share, "seed": seed, "good": good, "attempts": len(tried),
            "wasted_usd": sum(each["cost_usd"] or 0.0 for each in lost), "usual_usd": sum(map(usual, lost)),
            "seconds": time.monotonic() - began, "failure": failure,
        }  # fmt: skip

    def _has_gpu(self, pod_id: str) -> bool:
        return not next(spec for spec in self.sandbox.pods.specs if spec.id == pod_id).gpu_lost


def usual(attempt: dict[str, Any]) -> float:
    """USD for a pod that was given up, had it been waited for as long as usual."""
    cost, reason = attempt["cost_usd"] or 0.0, attempt["reason"] or ""
    if attempt["outcome"] == "condemned" or "OCI" in reason:
        return cost  # found at once
    return cost * (USUAL_RUNNING / RUNNING if attempt["stage"] == "rented" else USUAL_PORT_OPEN / PORT_OPEN)


def results(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every run, those of the file first."""
    done = []
    if arguments.out is not None and arguments.out.exists():
        done = [json.loads(line) for line in arguments.out.read_text().splitlines()]
        yield from done
    known = {(tuple(each["providers"]), each["share"], each["seed"]) for each in done}
    with tempfile.TemporaryDirectory(prefix="podyard-market-") as directory:
        market = Market(Path(directory), arguments.attempts)
        try:
            for word in arguments.providers:
                providers = ["runpod", "vastai"] if word == "both" else [word]
                for share in arguments.shares:
                    for seed in range(1, arguments.runs + 1):
                        if (tuple(providers), share, seed) in known:
                            continue
                        found = market.run(providers, share, seed)
                        if arguments.out is not None:
                            with arguments.out.open("a") as file:
                                file.write(json.dumps(found) + "\n")
                        yield found
        finally:
            market.close()


def row(found: list[dict[str, Any]]) -> str:
    """One line of the table."""
    good = statistics.mean(each["good"] for each in found)
    attempts, wasted = (statistics.mean(each[name] for each in found) for name in ("attempts", "wasted_usd"))
    usual_usd, seconds = (statistics.mean(each[name] for each in found) for name in ("usual_usd", "seconds"))
    first = found[0]
    return (
        f"{'+'.join(first['providers']):<14} {first['share']:>5.0%} {len(found):>5} {good:>8.0%} {attempts:>9.2f} "
        f"{wasted:>13.6f} {usual_usd:>15.4f} {seconds:>8.2f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.3, 0.6])
    parser.add_argument("--providers", nargs="+", choices=["runpod", "vastai", "both"], default=["runpod", "vastai"])
    parser.add_argument("--attempts", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a file of JSON lines to go on with")
    arguments = parser.parse_args()
    print(
        f"{'provider':<14} {'bad':>5} {'runs':>5} {'good pod':>8} {'pods/run':>9} {'USD lost/run':>13} "
        f"{'at 900/180 s':>15} {'seconds':>8}"
    )
    groups: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for each in results(arguments):
        group = groups.setdefault(("+".join(each["providers"]), each["share"]), [])
        group.append(each)
        if len(group) == arguments.runs:
            print(row(group), flush=True)
    failures = [each["failure"] for group in groups.values() for each in group if not each["good"] and each["failure"]]
    if failures:
        print(f"The last of {len(failures)} failures: {failures[-1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
