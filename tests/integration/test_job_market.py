# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job on the market of both providers: fail-over from one to the other, what its pod must be and hold before the
training, and what is told when the pod is taken away.
"""

from __future__ import annotations

import pytest
import requests
from harness import wait_for

# Beside the data, which it names; the training reads it where it stands.
CONFIG = "data: {{ train_dataset_dir }}\nrun: {{ train_run_id }}\n{% for rate in rates %}\n- {{ rate }}\n{% endfor %}\n"
TOKEN = "hf_a_secret_of_a_file"
# What only one of the two providers' pods has: it stands in for a set-up that never ends there.
NEVER_ON_VASTAI = "echo loading the model; test ! -e /root/onstart.sh"
# Over the network, and with a listing of what is there: the mode, a checksum of the secret, the configuration.
LOOK = (
    "cat {{ train_dataset_dir }}/config/train.yml && stat -c 'mode %a' {{ train_code_dir }}/.token "
    "&& sha256sum {{ train_code_dir }}/.token && "
)


@pytest.fixture(autouse=True, name="market")
def _market(cloud, playbook):
    """Without the pauses that Vast.ai asks for."""
    cloud.command("up", "--vast-limits", "0")
    playbook.environ["PODYARD_VAST_THRESHOLD_SCALE"] = "0"


def cheapest_machine(cloud):
    """The machine that would be tried first, among the verified ones."""
    wishes = {"gpu_name": {"eq": "RTX 4090"}, "num_gpus": {"eq": 1}, "verified": {"eq": True}, "rentable": {"eq": True}}
    answer = requests.post(
        f"{cloud.settings['VAST_URL']}/api/v0/bundles/",
        json={**wishes, "direct_port_count": {"gte": 1}, "type": "on-demand", "limit": 500},
        headers={"Authorization": f"Bearer {cloud.settings['VAST_API_KEY']}"},
        timeout=30,
    )
    return min(answer.json()["offers"], key=lambda offer: offer["dph_total"])["machine_id"]


def test_a_pod_that_does_not_set_itself_up_is_replaced_across_providers(cloud, job, playbook, tmp_path):
    """And the files that are made of templates are on the one that does, and nowhere else."""
    machine = cheapest_machine(cloud)
    (tmp_path / "train.yml.j2").write_text(CONFIG)
    job.variables |= {
        # Only the keys say which providers there are.
        "train_providers": None,
        "train_gpus": ["RTX 4090"],
        "train_search": {"machine_id": {"eq": machine}, "reliability": "any", "inet_down": "any"},
        "train_ready_when": NEVER_ON_VASTAI,
        "train_ready_timeout": 1,
        "rates": [0.1, 0.01],
        "token": TOKEN,
        "train_files": [
            {"src": str(tmp_path / "train.yml.j2"), "dest": "{{ train_dataset_dir }}/config/train.yml", "mode": "0644"},
            {"content": "{{ token }}", "dest": ".token"},
        ],
        "train_command": LOOK + job.variables["train_command"],
    }
    done = playbook.run(job, "--diff", "-v")
    assert done.code == 0, done.output
    first, second = cloud.pods(f"podyard-{job.name}-")
    assert (first["provider"], second["provider"]) == ("vastai", "runpod")
    assert first["gone_at"] and second["gone_at"]

    record = job.record
    tried = record["attempts"]
    assert [(each["provider"], each["outcome"]) for each in tried] == [("vastai", "given back"), ("runpod", "rented")]
    assert tried[0]["host"] == str(machine) and tried[0]["stage"] == "ready"
    assert "has not set itself up within 1.0 s" in tried[0]["reason"] and "loading the model" in tried[0]["reason"]
    assert record["interruption"] is None and "given up" in done.output
    assert str(machine) in (job.run / "bad-hosts.json").read_text(), "it is not rented again"

    log = (job.run / "train.log").read_text()
    base = f"/workspace/podyard/{job.name}"
    assert f"data: {base}/data\nrun: {record['run_id']}\n- 0.1\n- 0.01\nmode 600\n" in log
    secret = "a13b8544d98693c0ff652646f5506b549d6cb6942f48211cc9cd17d08d3d4bcd"
    assert secret in log
    files = [path for path in job.run.rglob("*") if path.is_file()]
    assert TOKEN not in done.output
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


def test_a_pod_that_is_taken_away_is_told_in_its_providers_terms(cloud, job, playbook):
    job.train(2000)
    job.variables |= {"train_providers": ["vastai"], "train_interruptible": True, "train_unreachable_timeout": 2}
    job.variables["train_max_hours"] = 1
    process = playbook.start(job)
    wait_for(lambda: "step 3" in playbook.output(), "the training")
    [pod] = cloud.living(f"podyard-{job.name}-")
    cloud.fault("vast-outbid", "--param", f"pod={pod['id']}")
    assert process.wait(timeout=90) != 0
    record = job.record
    assert record["outcome"] == "lost" and cloud.living(f"podyard-{job.name}-") == []
    taken = record["interruption"]
    assert (taken["kind"], taken["pod_id"], taken["stage"]) == ("outbid", pod["id"], "follow")
    assert record["error"].startswith(
        f"The pod {pod['name']} ({pod['id']} on vastai) was taken away, since somebody pays"
    )
    assert "Bid more (train_bid)" in record["error"]
    assert "outbid in the stage follow" in (job.run / "report.html").read_text()
    assert "outbid in the stage follow" in playbook.output()
