# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vast.ai's own command line believes the sandbox: searching, renting, living with an instance, and its end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import vast_cli as tool
from harness import Cloud, ran, wait_for
from vast_cli import Cli

pytestmark = pytest.mark.skipif(not tool.READY, reason=tool.ABSENT)

IMAGE = "pytorch/pytorch:2.4.0-cuda12.4-cudnn9-devel"
ONE_CARD = "gpu_name=RTX_4090 num_gpus=1 direct_port_count>=1 inet_down>200 cuda_vers>=12.0 gpu_ram>=20 duration>=1"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A sandbox with real pods, whose market keeps still."""
    sandbox = Cloud(tmp_path_factory.mktemp("sandbox"))
    sandbox.up()
    sandbox.command("up", "--vast-limits", "0")
    yield sandbox
    sandbox.down()


@pytest.fixture(scope="module")
def cli(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The program with the account's key."""
    home = tmp_path_factory.mktemp("vastai") / "home"
    return Cli(home, cloud.settings["VAST_URL"], cloud.settings["VAST_API_KEY"])


@pytest.fixture(autouse=True)
def nothing_left(cloud: Cloud, cli: Cli) -> Iterator[None]:
    """No instance, key and fault of one test reaches the next."""
    yield
    cloud.clear_faults()
    while rows := rest(cloud, "GET", "/api/v1/instances/").json()["instances"]:
        rest(cloud, "DELETE", "/api/v0/instances/", json={"instance_ids": [row["id"] for row in rows]})
    for key in rest(cloud, "GET", "/api/v0/ssh/").json():
        rest(cloud, "DELETE", f"/api/v0/ssh/{key['id']}/")
    cli.forget_addresses()


def rest(cloud: Cloud, method: str, path: str, **options: Any) -> requests.Response:
    """The API itself."""
    headers = {"Authorization": f"Bearer {cloud.settings['VAST_API_KEY']}"}
    answer = requests.request(method, cloud.settings["VAST_URL"] + path, headers=headers, timeout=60, **options)
    assert answer.status_code < 400, answer.text
    return answer


def show(cloud: Cloud, number: str) -> Any:
    return rest(cloud, "GET", f"/api/v0/instances/{number}/").json()["instances"]


def offer(cli: Cli, *more: str) -> dict[str, Any]:
    return cli.raw("search", "offers", ONE_CARD, "-o", "dph", *more)[0]


def found(cloud: Cloud) -> int:
    """The number of a fitting offer, without the program: its search has a test of its own, and takes a second."""
    body = {"gpu_name": {"eq": "RTX 4090"}, "num_gpus": {"eq": 1}, "direct_port_count": {"gte": 1}}
    return rest(cloud, "POST", "/api/v0/bundles/", json=body).json()["offers"][0]["id"]


def created(cli: Cli, cloud: Cloud, *more: str, number: int | None = None) -> str:
    """Rent a fitting offer; returns the instance's number."""
    said = cli("create", "instance", str(number or found(cloud)), "--image", IMAGE, "--disk", "20", *more)
    contract = re.search(r"'new_contract': (\d+)", said)
    assert said.startswith("Started.") and contract is not None, said
    return contract[1]


def running(cli: Cli, cloud: Cloud, *more: str, number: int | None = None) -> str:
    made = created(cli, cloud, *more, number=number)
    wait_for(lambda: show(cloud, made)["actual_status"] == "running", f"instance {made} to run")
    return made


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private SSH key; the public one is beside it."""
    return new_key(tmp_path / "key")


def new_key(path: Path) -> Path:
    made = ran(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "me@laptop", "-f", str(path)])
    assert made.returncode == 0, made.stderr
    return path


def public(key: Path) -> str:
    return key.with_name(key.name + ".pub").read_text(encoding="utf-8").strip()


def login(url: str, key: Path, command: str) -> tuple[int, str]:
    """Log in with an address as the program prints it."""
    where = urlsplit(url.strip())
    assert where.scheme == "ssh" and where.username == "root"
    options = ["-F", "none", "-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o",
               "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]  # fmt: skip
    done = ran(["ssh", *options, "-p", str(where.port), f"root@{where.hostname}", command])
    return done.returncode, done.stdout


# Search


def test_search_offers(cli):
    rows = cli.raw("search", "offers", "num_gpus=1 geolocation in [US,CA] compute_cap>=800", "-o", "dph")
    assert rows and all(row["num_gpus"] == 1 and row["geolocation"][-2:] in ("US", "CA") for row in rows)
    assert [row["dph_total"] for row in rows] == sorted(row["dph_total"] for row in rows)
    assert "RTX_4090" in cli("search", "offers", "gpu_name=RTX_4090")
    bid = cli.raw("search", "offers", "gpu_name=RTX_4090", "--type", "bid")[0]
    assert bid["is_bid"] is True
    assert cli.raw("search", "offers", "-n", "verified=false", "--limit", "3")[0]["verification"] == "unverified"
    near, far = (offer(cli, "--storage", size)["dph_total"] for size in ("10", "500"))
    assert near < far


def test_offers_that_cannot_be(cli, cloud):
    done = cli.run("create", "instance", "1", "--image", IMAGE)
    assert "404" in done.stderr and "no_such_ask" in done.stderr
    done = cli.run("create", "instance", "1", "--image", IMAGE, "--raw")
    assert json.loads(done.stderr)["status_code"] == 404 and done.stdout == ""


# Rent


def test_create_show_and_destroy(cli, cloud):
    number = running(cli, cloud, "--ssh", "--direct", "--label", "mine", "--env", "-e A=b -p 8080:8080")
    row = cli.raw("show", "instance", number)
    assert (row["actual_status"], row["label"], row["image_runtype"]) == ("running", "mine", "ssh_direc ssh_proxy")
    assert "running" in cli("show", "instance", number)
    assert dict(row["extra_env"]) == {"A": "b", "-p 8080:8080": "1"} and "8080/tcp" in row["ports"]
    assert [each["id"] for each in cli.raw("show", "instances")] == [int(number)]
    assert "mine" in cli("show", "instances")
    assert cli("destroy", "instance", number, "-y").strip() == f"destroying instance {number}."
    assert cli.raw("show", "instances") == []
    gone = cli.run("show", "instance", number)
    assert gone.returncode == 1 and "not found" in gone.stdout + gone.stderr
    assert "404" in cli.run("destroy", "instance", number, "-y").stderr


def test_more_than_a_page(cli, cloud):
    numbers = [row["id"] for row in cli.raw("search", "offers", "num_gpus=1", "--limit", "27")]
    made = []
    for each in numbers:
        body = {"client_id": "me", "image": IMAGE, "disk": 10, "target_state": "stopped", "runtype": "ssh"}
        made.append(rest(cloud, "PUT", f"/api/v0/asks/{each}/", json=body).json()["new_contract"])
    assert len(made) == 27
    assert sorted(row["id"] for row in cli.raw("show", "instances")) == made
    assert cli("destroy", "instances", *map(str, made[:2]), "-y").count("destroy") >= 1
    assert sorted(row["id"] for row in cli.raw("show", "instances")) == made[2:]


def test_label_stop_start_reboot_and_recycle(cli, cloud):
    number = running(cli, cloud, "--ssh", "--direct")
    assert "set to new" in cli("label", "instance", number, "new") and show(cloud, number)["label"] == "new"
    assert cli("stop", "instance", number).strip() == f"stopping instance {number}."
    assert show(cloud, number)["actual_status"] == "exited"
    for words in (("start",), ("reboot",), ("recycle",)):
        assert number in cli(*words, "instance", number)
        wait_for(lambda: show(cloud, number)["actual_status"] == "running", f"the end of {words[0]}")


def test_a_start_that_must_wait(cli, cloud):
    number = running(cli, cloud, "--ssh")
    cli("stop", "instance", number)
    cloud.fault("vast-start-unavailable", "--times", "1")
    done = cli.run("start", "instance", number)
    assert done.returncode == 0 and "Required resources are currently unavailable" in done.stdout + done.stderr


def test_change_bid(cli, cloud):
    bid = cli.raw("search", "offers", ONE_CARD, "-o", "dph", "--type", "bid")[0]
    high = f"{bid['min_bid'] + 0.1:.3f}"
    number = running(cli, cloud, "--ssh", "--bid_price", high, number=bid["id"])
    assert cli.raw("show", "instance", number)["is_bid"] is True
    cli("change", "bid", number, "--price", "0.01")
    wait_for(lambda: show(cloud, number)["cur_state"] == "stopped", "the end of a bid that is too low")
    cli("change", "bid", number, "--price", high)
    wait_for(lambda: show(cloud, number)["actual_status"] == "running", "a bid that wins again")


# SSH


@pytest.mark.parametrize(
    "mode", [("--ssh", "--direct"), ("--ssh",), ("--jupyter", "--direct"), ("--jupyter",)], ids=" ".join
)
def test_one_can_log_in_with_the_address_that_is_printed(cli, cloud, key, mode):
    assert "ssh-key created" in cli("create", "ssh-key", public(key))
    number = running(cli, cloud, *mode, "--onstart-cmd", "echo $CONTAINER_ID > /root/number")
    url = cli("ssh-url", number)
    wait_for(lambda: login(url, key, "true")[0] == 0, "a login")
    wait_for(lambda: login(url, key, "cat /root/number") == (0, f"{number}\n"), "onstart")
    assert cli("scp-url", number) == url.replace("ssh://", "scp://")
    row = show(cloud, number)
    direct = "--direct" in mode
    assert (urlsplit(url.strip()).hostname == row["public_ipaddr"].strip()) == direct
    assert direct or urlsplit(url.strip()).port == row["ssh_port"] + ("--jupyter" in mode)


def test_keys(cli, cloud, key, tmp_path):
    assert cli.raw("show", "ssh-keys") == []
    number = running(cli, cloud, "--ssh", "--direct")
    assert "attached" in cli("attach", "ssh", number, str(key.with_name("key.pub")))
    url = cli("ssh-url", number)
    wait_for(lambda: login(url, key, "true")[0] == 0, "a login with a key that was attached from its file")
    again = cli("attach", "ssh", number, public(key))
    assert "already associated" in again
    other = new_key(tmp_path / "other")
    cli("create", "ssh-key", public(other))
    (shown,) = cli.raw("show", "ssh-keys")
    assert shown["public_key"] == public(other)
    assert login(url, other, "true")[0] != 0, "a key of the account reaches new instances alone"
    cli("delete", "ssh-key", str(shown["id"]))
    assert cli.raw("show", "ssh-keys") == []


def test_logs(cli, cloud):
    number = running(cli, cloud, "--ssh", "--onstart-cmd", "echo words of onstart")
    wait_for(lambda: "words of onstart" in cli("logs", number), "the log")
    assert "words" not in cli("logs", number, "--filter", "nothing like it")
    assert f"pulling image {IMAGE}" in cli("logs", number, "--daemon-logs")
    cloud.fault("vast-logs-late", "--times", "1", "--param", "polls=3")
    assert "words of onstart" in cli("logs", number)


# Account, volumes, templates


def test_the_account(cli):
    assert cli.raw("show", "user")["credit"] > 0
    assert "sandbox@podyard.invalid" in cli("show", "user")
    cli("create", "env-var", "HF_HOME", "cache")
    assert "HF_HOME" in cli("show", "env-vars")
    cli("update", "env-var", "HF_HOME", "other")
    cli("delete", "env-var", "HF_HOME")
    assert "HF_HOME" not in cli("show", "env-vars")


def test_a_bad_key(cli, cloud, tmp_path):
    stranger = Cli(tmp_path / "stranger", cloud.settings["VAST_URL"], "0" * 64)
    done = stranger.run("show", "instances")
    assert "key" in (done.stdout + done.stderr).lower()
    assert "Traceback" not in done.stderr


def test_volumes_and_templates(cli, cloud):
    machine = offer(cli)
    disk = next(row for row in cli.raw("search", "volumes", "disk_space>10")
                if row["machine_id"] == machine["machine_id"])  # fmt: skip
    assert "V." in cli("create", "volume", str(disk["id"]), "-s", "10")
    (volume,) = cli.raw("show", "volumes")
    assert "deleted" in cli("delete", "volume", str(volume["id"])).lower()
    assert json.loads(cli("search", "templates", "count_created>0", "recommended=True", "use_ssh=True")) == []
    said = cli("create", "template", "--name", "t", "--image", IMAGE, "--env", "-e A=b", "--ssh", "--direct",
               "--disk_space", "20")  # fmt: skip
    hash_id = re.search(r"'hash_id': '([0-9a-f]+)'", said)
    assert hash_id is not None, said
    for key in ("creator_id>0", "count_created<1", "recommended=False", "use_ssh=True", "ssh_direct=True", "tag=None"):
        assert [row["hash_id"] for row in json.loads(cli("search", "templates", key))] == [hash_id[1]], key
    number = cli("create", "instance", str(machine["id"]), "--template_hash", hash_id[1], "--disk", "20")
    made = re.search(r"'new_contract': (\d+)", number)
    assert made is not None
    row = show(cloud, made[1])
    assert (row["image_uuid"], row["template_hash_id"]) == (IMAGE, hash_id[1])
    cli("delete", "template", "--hash-id", hash_id[1])


def test_charges(cli, cloud):
    number = running(cli, cloud, "--ssh", "--label", "billed")
    shown = cli.raw("show", "invoices-v1", "--charges", "--start-date", "2020-01-01", "--end-date", "2099-01-01",
                    "--latest-first")  # fmt: skip
    assert f"instance-{number}" in json.dumps(shown)
