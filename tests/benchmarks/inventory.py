# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long ansible-inventory takes for an account of many pods, against what cannot be spared.

    .venv/bin/python tests/benchmarks/inventory.py [--pods 10000] [--rounds 5]

Side by side, in turns, on one sandbox with that many pods at RunPod:

    fetch    every page of the list, fetched and parsed in Python, and nothing else
    static   ``ansible-inventory --list`` on a JSON file of the same hosts and variables
    grouped  the same, with the same groups as well
    ours     ``ansible-inventory --list`` with ``plugin: podyard.gpu.pods`` and its native groups

The ratio is ``ours / (fetch + static)`` of the medians. Exit code 1 when it is above 1.5, or when the hosts differ.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "integration"))

from harness import BIN, Cloud  # noqa: E402 - found only now

LIMIT = 1.5
# What ansible-inventory adds to every host or group on its own.
OWN_GROUPS = ("all", "ungrouped", "_meta")


class Bench:
    """One sandbox, one inventory file of each kind, and the times that they took: seconds on the clock and of CPU."""

    def __init__(self, directory: Path, cloud: Cloud) -> None:
        self.directory = directory
        self.cloud = cloud
        self.times: dict[str, list[tuple[float, float]]] = {}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "VAST_"))}
        config = directory / "ansible.cfg"
        config.write_text(f"[defaults]\ncollections_path = {REPOSITORY / '.venv' / 'collections'}\n")
        own = {"HOME": str(directory), "PODYARD_STATE_DIR": str(directory / "state"), "ANSIBLE_CONFIG": str(config)}
        self.environ = {**kept, **cloud.settings, **own}
        # One provider alone, as the others of this comparison.
        self.environ.pop("VAST_API_KEY", None)
        ours = {"plugin": "podyard.gpu.pods", "include_unaddressed": True, "timeout": 600}
        self.file("ours.yml").write_text(json.dumps(ours))

    def file(self, name: str) -> Path:
        return self.directory / name

    def run(self, name: str) -> Path:
        """Let ansible-inventory read an inventory file; returns where it wrote what it found."""
        output = self.file(f"{name}.out")
        command = [str(BIN / "ansible-inventory"), "-i", str(self.file(name)), "--list", "--output", str(output)]
        options = {"env": self.environ, "cwd": self.directory, "capture_output": True, "text": True}
        done = subprocess.run(command, check=False, **options)
        if done.returncode != 0:
            raise SystemExit(f"ansible-inventory failed on {name}: {done.stderr}")
        return output

    def list(self, name: str) -> dict[str, Any]:
        """What it found."""
        return json.loads(self.run(name).read_text())

    def fetch(self) -> int:
        """Fetch and parse every page; returns how many pods there are."""
        session = requests.Session()
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {self.cloud.settings['RUNPOD_API_KEY']}"
        query: dict[str, str] = {}
        pods: list[Any] = []
        while True:
            answer = session.get(self.cloud.settings["RUNPOD_API_BASE_URL"] + "/v2/pods", params=query, timeout=600)
            page = answer.json()
            pods += page["pods"]
            if not page["pagination"]["hasNextPage"]:
                return len(pods)
            query = {"cursor": page["pagination"]["nextCursor"]}

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        """Do something, and note how long it took."""
        began, cpu = time.monotonic(), _cpu()
        found = work()
        self.times.setdefault(name, []).append((time.monotonic() - began, _cpu() - cpu))
        return found

    def median(self, name: str, which: int = 0) -> float:
        return statistics.median(each[which] for each in self.times[name])

    def ratio(self, static: str, which: int = 0) -> float:
        return self.median("ours", which) / (self.median("fetch", which) + self.median(static, which))


def _cpu() -> float:
    """Seconds of CPU that this process and its ended children took; the sandbox is neither."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def statics(listed: Mapping[str, Any]) -> dict[str, Any]:
    """Static inventories of what was listed: without and with groups."""
    hosts = listed["_meta"]["hostvars"]
    groups = {name: {"hosts": dict.fromkeys(each["hosts"])} for name, each in listed.items() if name not in OWN_GROUPS}
    return {"static.json": {"all": {"hosts": hosts}}, "grouped.json": {"all": {"hosts": hosts, "children": groups}}}


def differences(ours: Mapping[str, Any], static: Mapping[str, Any]) -> list[str]:
    """Hosts whose variables, and groups whose hosts are not the same."""
    mine, other = ours["_meta"]["hostvars"], static["_meta"]["hostvars"]
    wrong = [name for name in {*mine, *other} if mine.get(name) != other.get(name)]
    return wrong + [name for name in ours if name not in OWN_GROUPS and ours[name] != static.get(name)]


def measure(bench: Bench, rounds: int) -> bool:
    """Run everything in turns; returns whether all is as it should be."""
    ours = bench.list("ours.yml")  # also warms up what each later run finds in the system's cache
    for name, content in statics(ours).items():
        bench.file(name).write_text(json.dumps(content))
    wrong = differences(ours, bench.list("grouped.json"))
    works: dict[str, Callable[[], Any]] = {
        "fetch": bench.fetch,
        "static": lambda: bench.run("static.json"),
        "grouped": lambda: bench.run("grouped.json"),
        "ours": lambda: bench.run("ours.yml"),
    }
    for number in range(rounds):
        turn = number % len(works)
        names = [*works]
        for name in names[turn:] + names[:turn]:
            bench.timed(name, works[name])
        took = ", ".join(f"{name} {bench.times[name][-1][0]:.2f} s" for name in works)
        print(f"round {number + 1} of {rounds}: {took}", flush=True)
    hosts, groups = len(ours["_meta"]["hostvars"]), len(ours.keys() - {*OWN_GROUPS})
    print(f"\n{hosts} pods, {groups} groups, {rounds} rounds; medians in seconds")
    print(f"{'':10}{'clock':>8}{'CPU':>8}")
    for name in works:
        print(f"{name:10}{bench.median(name):8.2f}{bench.median(name, 1):8.2f}")
    for static in ("static", "grouped"):
        clock, cpu = bench.ratio(static), bench.ratio(static, 1)
        print(f"ours / (fetch + {static:7}) = {clock:.2f} by the clock, {cpu:.2f} of CPU")
    if wrong:
        print(f"{len(wrong)} hosts or groups differ from those of the static file, for instance {wrong[0]}")
    return not wrong and bench.ratio("static") <= LIMIT


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=10_000, help="how many (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often (default %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="podyard-benchmark-") as directory:
        cloud = Cloud(Path(directory) / "sandbox")
        cloud.up()
        try:
            cloud.command("up", "--many-pods", str(arguments.pods))
            return 0 if measure(Bench(Path(directory), cloud), arguments.rounds) else 1
        finally:
            cloud.down()


if __name__ == "__main__":
    sys.exit(main())
