# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules runpod_ssh_key and runpod_ssh_key_info."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._resources import ssh_keys
from ansible_collections.podyard.gpu.plugins.modules import runpod_ssh_key, runpod_ssh_key_info
from ansible_collections.podyard.gpu.tests.unit.fakes.conversation import KEY, Conversation, expect
from ansible_collections.podyard.gpu.tests.unit.fakes.modules import Runner

OURS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILXGDN/SclOozk1xsDztpmhGiKkkrfQB9SKoO8dSIQQZ me@laptop"
ANNA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMbfQvkjmjrWZMtmUGi4AMg51XRERD3cWjP7AHGaJeFw anna@office"
PATH = "/v2/account/ssh-keys"


def read(*lines):
    return expect("GET", PATH).reply({"keys": list(lines)})


def put(*lines):
    return expect("PUT", PATH, body={"keys": list(lines)}).reply({"keys": list(lines)})


@pytest.fixture(name="module")
def made_module(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(ssh_keys, "SETTLE", (0.0, 0.0))
    return Runner(capsys, tmp_path)


@pytest.fixture(name="ensure")
def ensuring(module):
    def ensure(*script, check=False, failing=False, **options):
        with Conversation(*script) as api:
            how = module.fail if failing else module.run
            return how(runpod_ssh_key.main, check, api_key=KEY, api_url=api.url, **options)

    return ensure


def test_a_key_is_added_and_then_there(ensure):
    result = ensure(read(ANNA), put(ANNA, OURS), read(ANNA, OURS), key=[OURS])
    assert (result["changed"], result["changes"]) == (True, ["me@laptop"])
    assert [key["comment"] for key in result["ssh_keys"]] == ["anna@office", "me@laptop"]
    assert result["diff"] == {"before": {"keys": [ANNA]}, "after": {"keys": [ANNA, OURS]}}
    again = ensure(read(ANNA, OURS), key=[OURS])
    assert (again["changed"], again["ssh_keys"]) == (False, result["ssh_keys"])
    predicted = ensure(read(ANNA), check=True, key=[OURS])
    assert (predicted["changed"], predicted["diff"]) == (True, result["diff"])


def test_a_key_is_removed(ensure):
    result = ensure(read(ANNA, OURS), put(ANNA), read(ANNA), key=[OURS], state="absent")
    assert (result["changed"], [key["comment"] for key in result["ssh_keys"]]) == (True, ["anna@office"])
    assert ensure(read(), key=[OURS], state="absent")["changed"] is False


def test_a_write_that_came_too_early_is_made_anew_after_another_look(ensure):
    other = "ssh-rsa QkVSVA== bert"
    early = expect("PUT", PATH, body={"keys": [ANNA, OURS]}).problem(429, "too many requests", Retry_After="0")
    script = (read(ANNA), early, read(ANNA, other), put(ANNA, other, OURS), read(ANNA, other, OURS))
    result = ensure(*script, key=[OURS])
    assert [key["comment"] for key in result["ssh_keys"]] == ["anna@office", "bert", "me@laptop"]


def test_what_another_writer_undid_is_made_again(ensure):
    other = "ssh-rsa QkVSVA== bert"
    script = (read(ANNA), put(ANNA, OURS), read(other), put(other, ANNA, OURS), read(other, ANNA, OURS))
    result = ensure(*script, key=[OURS])
    assert [key["comment"] for key in result["ssh_keys"]] == ["bert", "anna@office", "me@laptop"]
    assert any("were added back" in str(warning) for warning in result["warnings"])


def test_a_write_without_an_answer_is_not_repeated_with_an_old_list(ensure):
    lost = expect("PUT", PATH, body={"keys": [ANNA, OURS]}).reply({"detail": "oops"}, status=500)
    other = "ssh-rsa QkVSVA== bert"
    script = (read(ANNA), lost, read(ANNA, other), put(ANNA, other, OURS), read(ANNA, other, OURS))
    result = ensure(*script, key=[OURS])
    assert [key["comment"] for key in result["ssh_keys"]] == ["anna@office", "bert", "me@laptop"]


def test_keys_come_from_a_file(ensure, tmp_path):
    file = tmp_path / "keys.pub"
    file.write_text(f"# ours\n\n{OURS}\n{ANNA}\n")
    assert ensure(read(), put(OURS, ANNA), read(OURS, ANNA), path=str(file))["changed"] is True


def test_a_text_may_hold_several_keys(ensure):
    assert ensure(read(), put(OURS, ANNA), read(OURS, ANNA), key=[f"{OURS}\n{ANNA}\n"])["changed"] is True


def test_an_entry_of_several_lines_is_several_keys(ensure):
    assert ensure(read(f"{ANNA}\n{OURS}"), key=[OURS])["changed"] is False


def test_a_file_that_is_not_there_is_said_before_any_request(ensure, tmp_path):
    result = ensure(failing=True, path=str(tmp_path / "none.pub"))
    assert "none.pub cannot be read: No such file" in result["msg"]
    assert "ssh-keygen" in result["msg"]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "no SSH public key in the option key"),
        ("id_ed25519.pub", "'id_ed25519.pub' (option key or path) is not an SSH public key"),
    ],
)
def test_what_is_no_key_is_refused_before_any_request(ensure, key, words):
    assert words in ensure(failing=True, key=[key])["msg"]


def test_a_private_key_is_never_shown(ensure, module, tmp_path):
    file = tmp_path / "id_ed25519"
    file.write_text(
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
    )
    assert "This is a private key. Give the public one" in ensure(failing=True, path=str(file))["msg"]
    assert "b3BlbnNz" not in module.printed


@pytest.mark.parametrize("answer", [{}, {"keys": None}, None, []])
def test_an_answer_without_a_list_is_not_an_account_without_keys(ensure, answer):
    result = ensure(expect("GET", PATH).reply(answer), failing=True, key=[OURS])
    assert result["failure"]["kind"] == "BadAnswer"


def test_a_refused_write_is_one_sentence(ensure):
    refused = expect("PUT", PATH).problem(422, "Request validation failed.", ["$.keys[0]: does not match"])
    result = ensure(read("garbage"), refused, failing=True, key=[OURS])
    assert "entries that are not SSH keys (1: 'garbage')" in result["msg"]


def test_keys_are_read(module):
    with Conversation(read(ANNA), read()) as api:
        given = {"api_key": KEY, "api_url": api.url}
        result = module.run(runpod_ssh_key_info.main, **given)
        assert (result["changed"], result["ssh_keys"][0]["type"]) == (False, "ssh-ed25519")
        assert result["ssh_keys"][0]["fingerprint"].startswith("SHA256:")
        assert module.run(runpod_ssh_key_info.main, **given)["ssh_keys"] == []
