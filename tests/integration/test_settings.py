# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing of the user's decides by accident: ansible.cfg, environment, inventory, ssh_config, where they keep things.

Whole cycles, all hostile settings at once; `make matrix` runs each of them alone too.
"""

from __future__ import annotations

import shutil

import pytest
from harness import REPOSITORY, Job

#: Settings that people have for the machines they look after, each of which would end, hang or redirect a run.
CONFIG = {
    "strategy": "[defaults]\nstrategy = free\n",
    "time-out of tasks": "[defaults]\ntask_timeout = 2\n",
    "login": "[defaults]\nremote_user = deploy\nremote_port = 2222\nprivate_key_file = /nonexistent\ntimeout = 1\n",
    "become": "[privilege_escalation]\nbecome = true\nbecome_user = nobody\nbecome_method = su\n",
    "pipelining": "[defaults]\npipelining = false\n[connection]\npipelining = false\n",
    "ssh": (
        "[ssh_connection]\nssh_args = -o ProxyCommand=false -o ControlMaster=yes\nssh_common_args = -o Port=1\n"
        "ssh_extra_args = -o User=nobody\ntransfer_method = scp\nretries = 0\nssh_executable = /bin/false\n"
    ),
    "host keys": "[defaults]\nhost_key_checking = true\n",
    "hash": "[defaults]\nhash_behaviour = merge\n",
    "facts": "[defaults]\ngathering = explicit\nfact_caching = jsonfile\nfact_caching_connection = {directory}/facts\n",
    "shells": "[defaults]\nexecutable = /bin/bash\nremote_tmp = /tmp/$USER/tmp\ninterpreter_python = /nonexistent\n",
    "output": "[defaults]\ndisplay_args_to_stdout = true\ndisplay_skipped_hosts = false\n",
    "few": "[defaults]\nforks = 1\ninternal_poll_interval = 0.01\nany_errors_fatal = true\n",
}
ENVIRONMENT = {
    "ANSIBLE_KEEP_REMOTE_FILES": "1",
    "ANSIBLE_PIPELINING": "0",
    "ANSIBLE_BECOME": "true",
    "ANSIBLE_TASK_TIMEOUT": "2",
    "ANSIBLE_STRATEGY": "free",
    "ANSIBLE_SSH_ARGS": "-o ProxyCommand=false",
    "ANSIBLE_SSH_COMMON_ARGS": "-o ProxyCommand=false",
    "ANSIBLE_SSH_EXTRA_ARGS": "-o ProxyCommand=false",
    "ANSIBLE_REMOTE_USER": "deploy",
    "ANSIBLE_REMOTE_PORT": "2222",
    "ANSIBLE_PRIVATE_KEY_FILE": "/nonexistent",
    "ANSIBLE_TRANSFER_METHOD": "scp",
    "RSYNC_RSH": "false",
    "ENV": "/nonexistent",
}
INVENTORY = """\
localhost ansible_connection=local ansible_python_interpreter=/nonexistent
[web]
web1 ansible_host=203.0.113.9
[all:vars]
ansible_user=deploy
ansible_port=2222
ansible_become=true
ansible_ssh_private_key_file=/nonexistent
ansible_ssh_common_args='-o ProxyJump=bastion.example.invalid'
ansible_pipelining=false
run_id=42
name=web
"""
SSH_CONFIG = """\
Host *
  ForwardAgent yes
  RemoteCommand bash -l
  RequestTTY force
  SendEnv *
  PermitLocalCommand yes
  LocalCommand touch '{directory}/local-command'
  ControlMaster auto
  ControlPath {directory}/cm-%C
  ProxyCommand false
  User someone
  Port 2200
  IdentityFile /nonexistent
  UserKnownHostsFile /dev/null
  LocalForward 18080 127.0.0.1:8080
  ExitOnForwardFailure yes
"""
#: Says what it was called with, and which names its environment has; then the real one, with the user's file.
SSH = """\
#!/bin/sh
{{ printf '%s ' "$@" | tr '\\n' ' '; printf 'ENV '; env | cut -d= -f1 | tr '\\n' ' '; echo; }} >>'{directory}/calls'
exec {ssh} -F '{directory}/ssh_config' "$@"
"""


@pytest.fixture(name="hostile")
def _hostile(playbook, tmp_path):
    """Puts settings into place; `ssh_config` stands before every ssh that is found on the PATH."""

    def make(config=(), environment=(), inventory=False, ssh_config=False):
        text = "".join(CONFIG[name].format(directory=tmp_path) for name in config)
        ansible_cfg = tmp_path / "ansible.cfg"
        sections: dict[str, list[str]] = {"[defaults]": [f"collections_path = {REPOSITORY}/.venv/collections"]}
        for line in text.splitlines():
            if line.startswith("["):
                current = sections.setdefault(line, [])
            else:
                current.append(line)
        ansible_cfg.write_text("".join(f"{name}\n" + "\n".join(lines) + "\n" for name, lines in sections.items()))
        playbook.environ |= {"ANSIBLE_CONFIG": str(ansible_cfg), **{name: ENVIRONMENT[name] for name in environment}}
        if ssh_config:
            (tmp_path / "ssh_config").write_text(SSH_CONFIG.format(directory=tmp_path))
            playbook.program_before("ssh", SSH.format(directory=tmp_path, ssh=shutil.which("ssh")))
        if inventory:
            (tmp_path / "hosts.ini").write_text(INVENTORY)
            return ["-i", str(tmp_path / "hosts.ini")]
        return []

    return make


def succeeded(playbook, cloud, job, *arguments):
    done = playbook.run(job, *arguments)
    assert done.code == 0, done.output
    assert job.record["outcome"] == "succeeded"
    assert (job.run / "artifacts" / "model.bin").stat().st_size == 5000
    assert not cloud.living(f"podyard-{job.name}-")
    return done


def test_all_of_them_at_once_and_an_odd_place(hostile, playbook, cloud, tmp_path):
    """Every setting, an ssh_config, an inventory, and runs below a directory whose name ssh would split and expand."""
    place = tmp_path / "O'Brien's jobs" / '100%h a$b "c" [d]\\e ü'
    place.mkdir(parents=True)
    job = Job(place)
    # Longer than the time-out of the user's tasks.
    job.train(15)
    job.variables["train_env"] = {"HF_TOKEN": "hf_a_secret_of_the_user"}
    words = hostile(config=CONFIG, environment=ENVIRONMENT, inventory=True, ssh_config=True)
    done = succeeded(playbook, cloud, job, *words, "-e", "ansible_pipelining=false")
    assert "hf_a_secret_of_the_user" not in done.output, "the arguments of tasks are shown"
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) > 10
    for call in calls:
        said, _env, names = call.partition(" ENV ")
        assert "-F /dev/null" in said, call
        # What ends a shared connection talks to a socket of this machine only.
        if "-O exit" not in said:
            assert "ForwardAgent=no" in said, call
            assert not {"RUNPOD_API_KEY", "VAST_API_KEY"} & set(names.split()), call
    assert not (tmp_path / "local-command").exists()


@pytest.mark.matrix
@pytest.mark.parametrize("name", CONFIG)
def test_a_setting_of_ansible_cfg(hostile, playbook, cloud, job, name):
    job.train(15)
    succeeded(playbook, cloud, job, *hostile(config=[name]))


@pytest.mark.matrix
@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_variable_of_the_environment(hostile, playbook, cloud, job, name):
    job.train(15)
    succeeded(playbook, cloud, job, *hostile(environment=[name]))


@pytest.mark.matrix
def test_an_inventory_of_the_users(hostile, playbook, cloud, job):
    succeeded(playbook, cloud, job, *hostile(inventory=True))


@pytest.mark.matrix
def test_an_ssh_config(hostile, playbook, cloud, job):
    succeeded(playbook, cloud, job, *hostile(ssh_config=True))
