# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode is the plan of both providers: nothing is changed there, and here nothing is written but the plan."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
import requests
import yaml

#: What may be sent with another method than GET, for it changes nothing: Vast.ai's search, and GraphQL's queries. That
#: no mutation was among these the sandbox says, which reads them: it lists every request that was to change something.
READING_POSTS = {"/api/v0/bundles/", "/graphql"}
SANDBOX_TRAFFIC = "PODYARD_SANDBOX_TRAFFIC"


@pytest.fixture(name="traffic", scope="module")
def _traffic(cloud, tmp_path_factory):
    """The directory in which the sandbox records every exchange; where all are recorded, below that."""
    above = os.environ.get(SANDBOX_TRAFFIC)
    directory = Path(above) / "plan" if above else tmp_path_factory.mktemp("traffic")
    cloud.command("up", "--traffic", str(directory))
    return directory


@pytest.fixture(name="everything")
def _everything(job, playbook, tmp_path, monkeypatch):
    """A job for both providers, and all places of this user below the test's directory."""
    (tmp_path / "run").mkdir(mode=0o700)
    playbook.environ["XDG_RUNTIME_DIR"] = str(tmp_path / "run")
    playbook.environ.pop("PODYARD_STATE_DIR", None)
    job.variables |= {
        "train_providers": ["runpod", "vastai"],
        "train_gpus": ["RTX 4090", "RTX A6000", "RTX 3090"],
        "train_max_hours": 6,
    }
    return job


def seen(directory: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a directory but when it was last read: size, times of change, and content."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
        found[str(path.relative_to(directory))] = (
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_mode,
            content,
        )
    return found


def changed_below(before: dict[str, tuple[object, ...]], after: dict[str, tuple[object, ...]]) -> list[str]:
    """Files that came, went or changed. Of a directory only that it is there: it changes with what is in it."""
    return [path for path in {*before, *after} if (before.get(path) or ("",))[-1] != (after.get(path) or ("",))[-1]]


def exchanges(directory: Path) -> list[dict]:
    return [json.loads(line) for file in directory.rglob("*.jsonl") for line in file.read_text().splitlines()]


def test_a_plan_changes_nothing_there_and_writes_nothing_here_but_itself(cloud, traffic, everything, playbook):
    before_there = cloud.status()
    everything.write()
    heads = [everything.directory / name for name in ("code", "data")]
    sources, before = [seen(head) for head in heads], seen(everything.directory)

    done = playbook.run(everything, "--check")

    assert done.code == 0, done.output
    asked = exchanges(traffic)
    changing = [each for each in asked if each["method"] != "GET" and each["path"] not in READING_POSTS]
    assert not changing, "something was sent that may change something"
    after_there = cloud.status()
    assert after_there["requests"] == before_there["requests"], "the sandbox was asked to change something"
    assert after_there["pods"] == before_there["pods"]
    paths = {each["path"] for each in asked}
    assert {"/graphql", "/api/v0/bundles/", "/v2/catalog/gpus", "/v2/pods", "/api/v1/instances/"} <= paths

    assert [seen(head) for head in heads] == sources, "what is to be sent was touched"
    written = changed_below(before, seen(everything.directory))
    (plan_file,) = [path for path in written if path.startswith("runs/")]
    assert plan_file.endswith("/plan.json")
    # Ansible's own, the budget of requests that all processes share, and what the harness writes.
    own = ("home/.ansible/", "run/", "home/.cache/podyard/", "output.txt")
    assert [path for path in written if path != plan_file and not path.startswith(own)] == []

    plan = json.loads((everything.directory / plan_file).read_text())
    assert plan["schema"] == 1 and plan["problems"] == []
    assert {each["provider"] for each in plan["offers"]} == {"runpod", "vastai"}
    assert {each["provider"]: each["balance_usd"] > 0 for each in plan["accounts"]} == {"runpod": True, "vastai": True}
    assert plan["dataset"]["files"] == 3 and plan["estimate"]["usd"] > 0
    for words in ("Plan: ", "USD/h", "train_bandwidth", "RTX 4090", "VAST_API_KEY from the environment"):
        assert words in done.output, words
    assert "\x1b[" not in done.output
    for key in ("RUNPOD_API_KEY", "VAST_API_KEY"):
        assert playbook.environ[key] not in done.output + (everything.directory / plan_file).read_text()


def test_a_change_would_be_seen(cloud, traffic):
    """Else the test above proves nothing: a mutation of GraphQL, whose body no record holds, and a plain create."""
    before = cloud.status()["requests"]
    url, key = cloud.settings["RUNPOD_API_BASE_URL"], cloud.settings["RUNPOD_API_KEY"]
    head = {"Authorization": f"Bearer {key}"}
    query = 'mutation { updateUserSettings(input: {pubKey: ""}) { id } }'
    assert requests.post(f"{url}/graphql", json={"query": query}, headers=head, timeout=30).status_code == 200
    requests.post(f"{url}/v2/templates", json={}, headers=head, timeout=30)
    assert len(cloud.status()["requests"]) == len(before) + 2
    assert any(each["method"] == "POST" and each["path"] == "/v2/templates" for each in exchanges(traffic))


def test_the_role_by_itself(cloud, everything, playbook):
    """Its own variables, one provider, and a refusal that names them as they are called here."""
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "roles": [
            {
                "role": "podyard.gpu.plan",
                "plan_pod": {
                    "providers": ["vastai"],
                    "gpus": ["RTX 4090", "RTX A6000", "RTX 3090"],
                    "max_price": 0.0001,
                },
                "plan_dataset": str(everything.directory / "data"),
                "plan_max_hours": 2,
                "plan_file": str(everything.directory / "plan.json"),
            }
        ],
    }
    book = everything.directory / "play.yml"
    book.write_text(yaml.safe_dump([play]))
    done = playbook.run(everything, book=str(book))
    assert done.code != 0 and "Traceback" not in done.output
    assert "plan_pod.max_price" in " ".join(done.output.split())
    plan = json.loads((everything.directory / "plan.json").read_text())
    assert plan["offers"] == [] and len(plan["problems"]) == 1
