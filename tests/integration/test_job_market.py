# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job on the market of both providers: fail-over from one to the other, what its pod must be and hold before the
training, and what is told when the pod is taken away.
"""

from __future__ import annotations

import hashlib

from harness import wait_for

# Beside the data, which it names; the training reads it where it stands.
CONFIG = "data: {{ train_dataset_dir }}\nrun: {{ train_run_id }}\n{% for rate in rates %}\n- {{ rate }}\n{% endfor %}\n"
TOKEN = "hf_a_secret_of_a_file"
# What only pods of Vast.ai have: it stands in for a set-up that never ends at the other one.
NEVER_ON_RUNPOD = "echo loading the model; test -e /root/onstart.sh"
LOOK = (
    "cat {{ train_dataset_dir }}/config/train.yml && stat -c 'mode %a' {{ train_code_dir }}/.token "
    "&& sha256sum {{ train_code_dir }}/.token && "
)


def test_a_job_goes_from_one_provider_to_the_other_and_is_told_who_took_its_pod(cloud, job, playbook, tmp_path):
    cloud.command("up", "--vast-limits", "0")
    playbook.environ["PODYARD_VAST_THRESHOLD_SCALE"] = "0"
    (tmp_path / "train.yml.j2").write_text(CONFIG)
    job.train(2000)
    job.variables |= {
        # Only the keys say which providers there are.
        "train_providers": None,
        # The first one is to be had on RunPod alone, the second is cheapest on Vast.ai.
        "train_gpus": ["RTX A4500", "RTX 4090"],
        "train_min_gpu_memory": 20,
        "train_max_hours": 1,
        "train_ready_when": NEVER_ON_RUNPOD,
        "train_ready_timeout": 1,
        "train_unreachable_timeout": 2,
        "rates": [0.1, 0.01],
        "token": TOKEN,
        "train_files": [
            {"src": str(tmp_path / "train.yml.j2"), "dest": "{{ train_dataset_dir }}/config/train.yml", "mode": "0644"},
            {"content": "{{ token }}", "dest": ".token"},
        ],
        "train_command": LOOK + job.variables["train_command"],
    }
    process = playbook.start(job, "--diff", "-v")
    wait_for(lambda: "step 3" in playbook.output(), "the training")
    first, second = cloud.pods(f"podyard-{job.name}-")
    assert (first["provider"], second["provider"]) == ("runpod", "vastai")
    assert first["gone_at"] and not second["gone_at"]
    cloud.fault("vast-expired", "--param", f"pod={second['id']}")
    assert process.wait(timeout=90) != 0

    record = job.record
    assert record["outcome"] == "lost" and cloud.living(f"podyard-{job.name}-") == []
    taken, label = record["interruption"], f"The pod {second['name']} ({second['id']} on vastai)"
    assert (taken["kind"], taken["pod_id"], taken["stage"]) == ("expired", second["id"], "follow")
    assert record["error"].startswith(f"{label} was stopped because the time for which its host offered it is over")
    assert "train_max_hours" in record["error"]

    tried = record["attempts"]
    assert [(each["provider"], each["outcome"]) for each in tried] == [("runpod", "given back"), ("vastai", "rented")]
    assert tried[0]["stage"] == "ready" and tried[0]["cost_usd"] > 0
    assert "has not set itself up within 1 s" in tried[0]["reason"] and "loading the model" in tried[0]["reason"]
    for told in ("expired in the stage follow", "RTX A4500 in EU-SE-1 on runpod"):
        assert told in (job.run / "report.html").read_text() and told in " ".join(playbook.output().split())

    log, base = (job.run / "train.log").read_text(), f"/workspace/podyard/{job.name}"
    assert f"data: {base}/runs/{record['run_id']}/data\nrun: {record['run_id']}\n- 0.1\n- 0.01\nmode 600\n" in log
    assert hashlib.sha256(TOKEN.encode()).hexdigest() in log
    assert TOKEN not in playbook.output()
    assert not [path for path in job.run.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
