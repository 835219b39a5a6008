# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings by environment: where they are looked for, which win, what is refused, and what documents them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._providers import registry, settings
from ansible_collections.podyard.gpu.plugins.module_utils._providers.settings import (
    FILES_VARIABLE,
    Sources,
    parse,
    take,
)

TABLE = registry.settings("runpod")
PROJECT = Path(__file__).resolve().parents[5]


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def taken(environ, given=()):
    return {name: found.value for name, found in take(TABLE, Sources(environ), given).items()}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=plain", "plain"),
        ("  export A = 'with blanks # and more'  ", "with blanks # and more"),
        ('A="quoted" # why', "quoted"),
        ("A=value # why", "value"),
        ("A=a#b", "a#b"),
        ("A=first\r\nA=last\r\n", "last"),
        ("A=# nothing", ""),
        ("#A=x\nnonsense\nA=y", "y"),
    ],
)
def test_a_file_is_read_as_people_write_it(text, value):
    assert parse(text)["A"] == value


def test_the_environment_wins_over_named_files_and_these_over_the_working_directory(tmp_path):
    (tmp_path / "beside.env").write_text("RUNPOD_TEMPLATE_ID=beside\nRUNPOD_DIRECT_SSH_USER=ubuntu\n")
    (tmp_path / ".env").write_text("RUNPOD_TEMPLATE_ID=here\nRUNPOD_WORKER_IMAGE=image\nRUNPOD_DIRECT_SSH_USER=x\n")
    environ = {"RUNPOD_DIRECT_SSH_USER": "root", FILES_VARIABLE: str(tmp_path / "beside.env")}
    found = take(TABLE, Sources(environ))
    assert {name: (each.value, each.origin) for name, each in found.items()} == {
        "RUNPOD_TEMPLATE_ID": ("beside", str(tmp_path / "beside.env")),
        "RUNPOD_WORKER_IMAGE": ("image", str(tmp_path / ".env")),
        "RUNPOD_DIRECT_SSH_USER": ("root", "the environment"),
    }


def test_a_named_file_must_be_there_and_be_text(tmp_path):
    with pytest.raises(BadRequest, match=r"nowhere.env cannot be read: No such file"):
        Sources({FILES_VARIABLE: str(tmp_path / "nowhere.env")})
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(BadRequest, match="binary is not a text file"):
        Sources({FILES_VARIABLE: str(tmp_path / "binary")})


def test_values_come_in_their_kind(tmp_path):
    (tmp_path / "key.pub").write_text("ssh-ed25519 AAAA me")
    environ = {
        "RUNPOD_GPU_TYPE": "RTX 4090, L40S",
        "RUNPOD_CONTAINER_DISK_GB": " 40 ",
        "RUNPOD_NO_GATEWAY": "true",
        "RUNPOD_SSH_PUBLIC_KEY_PATH": "key.pub",
        "RUNPOD_WORKER_IMAGE": "",
    }
    assert taken(environ) == {
        "RUNPOD_GPU_TYPE": ["RTX 4090", "L40S"],
        "RUNPOD_CONTAINER_DISK_GB": 40,
        "RUNPOD_NO_GATEWAY": True,
        "RUNPOD_SSH_PUBLIC_KEY_PATH": str(tmp_path / "key.pub"),
    }


def test_a_relative_path_in_a_file_starts_from_that_file(tmp_path):
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "key").write_text("key")
    (tmp_path / "job" / ".env").write_text("RUNPOD_SSH_PRIVATE_KEY_PATH=key\n")
    environ = {FILES_VARIABLE: str(tmp_path / "job" / ".env")}
    assert taken(environ) == {"RUNPOD_SSH_PRIVATE_KEY_PATH": str(tmp_path / "job" / "key")}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("RUNPOD_DISK_SIZE_GB", "ten", r"must be a whole number of GB, 10 or more, not 'ten'\.$"),
        ("RUNPOD_DISK_SIZE_GB", "5", "10 or more, not '5'"),
        ("RUNPOD_CONTAINER_DISK_GB", "0", "1 or more, not '0'"),
        ("RUNPOD_CONTAINER_DISK_GB", "20GB", "not '20GB'"),
        ("RUNPOD_NO_GATEWAY", "maybe", "must be 1 or 0, not 'maybe'"),
        ("RUNPOD_DIRECT_SSH_USER", "two words", "must be one word, not 'two words'"),
        ("RUNPOD_SSH_PRIVATE_KEY_PATH", "/nowhere/key", "names /nowhere/key, which this user cannot read as a file"),
    ],
)
def test_a_bad_value_is_refused_by_a_sentence_that_names_the_variable(name, value, words):
    with pytest.raises(BadRequest, match=f"^{name}, set in the environment, .*{words}"):
        taken({name: value})


def test_what_was_given_wins_and_is_not_even_looked_at():
    environ = {"RUNPOD_GPU_TYPE": "L40S", "RUNPOD_CONTAINER_DISK_GB": "ten", "RUNPOD_WORKER_IMAGE": "image"}
    assert taken(environ, ["gpus", "disk"]) == {"RUNPOD_WORKER_IMAGE": "image"}
    assert taken(environ, ["train_gpus", "train_disk"]) == {"RUNPOD_WORKER_IMAGE": "image"}


def test_a_network_volume_and_a_volume_disk_exclude_each_other():
    both = {"RUNPOD_STORAGE_NAME": "data", "RUNPOD_DISK_SIZE_GB": "50"}
    assert taken(both) == {"RUNPOD_STORAGE_NAME": "data"}
    assert taken(both, ["volume"]) == {}
    assert taken({"RUNPOD_DISK_SIZE_GB": "50"}, ["network_volume"]) == {}
    assert taken({"RUNPOD_DISK_SIZE_GB": "50"}, ["train_network_volume"]) == {}


def test_the_lines_for_the_plan_name_origins_and_no_values():
    found = take(TABLE, Sources({"RUNPOD_GPU_TYPE": "L40S", "RUNPOD_NO_GATEWAY": "1"}))
    assert settings.lines(found, [("RUNPOD_API_KEY", "/job/.env")]) == [
        "RUNPOD_API_KEY from /job/.env",
        "RUNPOD_GPU_TYPE from the environment as train_gpus",
        "RUNPOD_NO_GATEWAY from the environment",
    ]


def test_the_template_has_every_setting_commented_out_and_readable_by_ourselves():
    text = settings.template({"runpod": TABLE})
    assert parse(text) == {}
    values = parse("\n".join(line.removeprefix("#") for line in text.splitlines()))
    assert values == {setting.name: setting.example for setting in TABLE}
    for setting in TABLE:
        assert setting.meaning in text
        assert setting.variable is None or setting.variable in text


def test_the_key_is_looked_for_in_named_files_too(tmp_path):
    (tmp_path / "beside.env").write_text("RUNPOD_API_KEY=rpa_beside\n")
    environ = {"HOME": str(tmp_path), FILES_VARIABLE: str(tmp_path / "beside.env")}
    assert registry.key_origin("runpod", environ, Sources(environ)) == (
        "RUNPOD_API_KEY",
        str(tmp_path / "beside.env"),
    )
    assert registry.key_origin("runpod", {"HOME": str(tmp_path)}, Sources({})) is None
    (tmp_path / ".runpod").mkdir()
    (tmp_path / ".runpod" / "config.toml").write_text("apikey = 'x'\n")
    place = str(tmp_path / ".runpod" / "config.toml")
    assert registry.key_origin("runpod", {"HOME": str(tmp_path)}, Sources({})) == ("api_key", place)


# -- where a key is sent


ACCOUNTS = [("runpod", "RUNPOD_API_KEY", "RUNPOD_API_BASE_URL"), ("vastai", "VAST_API_KEY", "VAST_URL")]
ELSEWHERE = "https://elsewhere.example.com"


def address(provider, tmp_path, key=None, **environ):
    """Where the key of a provider would be sent."""
    return registry.connect(provider, api_key=key, environ={"HOME": str(tmp_path), **environ})._api.base_url


@pytest.mark.parametrize(("provider", "key", "url"), ACCOUNTS)
def test_a_file_says_where_its_own_key_is_sent(provider, key, url, tmp_path):
    (tmp_path / ".env").write_text(f"{key}=k\n{url}={ELSEWHERE}\n")
    assert address(provider, tmp_path) == ELSEWHERE


@pytest.mark.parametrize(("provider", "key", "url"), ACCOUNTS)
@pytest.mark.parametrize("where", ["option", "environment", "another file"])
def test_a_file_does_not_say_where_a_key_is_sent_that_it_does_not_hold(provider, key, url, where, tmp_path):
    (tmp_path / ".env").write_text(f"{key}=own\n{url}={ELSEWHERE}\n")
    environ, option = {}, None
    if where == "option":
        option = "mine"
    elif where == "environment":
        environ = {key: "mine"}
    else:
        (tmp_path / "first.env").write_text(f"{key}=mine\n")
        environ = {FILES_VARIABLE: str(tmp_path / "first.env")}
    with pytest.raises(BadRequest) as caught:
        address(provider, tmp_path, option, **environ)
    for words in (f"{url} in {tmp_path / '.env'} was not used", "elsewhere.example.com", "option api_url", key):
        assert words in str(caught.value)
    assert address(provider, tmp_path, option, **environ, **{url: ELSEWHERE}) == ELSEWHERE


def test_a_file_does_not_say_where_the_key_of_the_vendors_tool_is_sent(tmp_path):
    (tmp_path / ".runpod").mkdir()
    (tmp_path / ".runpod" / "config.toml").write_text("apikey = 'mine'\n")
    (tmp_path / ".env").write_text(f"RUNPOD_API_BASE_URL={ELSEWHERE}\n")
    with pytest.raises(BadRequest, match="was not used"):
        address("runpod", tmp_path)


@pytest.mark.parametrize("host", ["http://127.0.0.1:80", "http://localhost:80", "https://api.runpod.io"])
def test_a_file_may_name_this_machine_and_the_vendor(host, tmp_path):
    (tmp_path / ".env").write_text(f"RUNPOD_API_BASE_URL={host}\n")
    assert address("runpod", tmp_path, "mine") == host


@pytest.mark.parametrize("host", ["127.0.0.1.example.com", "localhost.example.com", "api.runpod.io.example.com"])
@pytest.mark.parametrize(("provider", "key", "url"), ACCOUNTS)
def test_a_name_that_only_looks_like_this_machine_or_the_vendor_is_neither(provider, key, url, host, tmp_path):
    (tmp_path / ".env").write_text(f"{url}=https://{host}\n")
    with pytest.raises(BadRequest, match="was not used"):
        address(provider, tmp_path, "mine")
    with pytest.raises(BadRequest, match="unencrypted"):
        address(provider, tmp_path, "mine", **{url: f"http://{host}"})


def test_the_template_in_examples_is_what_the_table_makes():
    file = PROJECT / "examples" / "env.template"
    if not file.exists():
        pytest.skip("the examples are not part of an installed collection")
    wanted = settings.template({name: registry.settings(name) for name in registry.names()})
    licence, text = file.read_text(encoding="utf-8").split("\n\n", 1)
    assert text == wanted
    assert all(line.startswith("# ") for line in licence.splitlines())


def test_the_page_on_runpod_has_a_row_for_every_setting_of_the_table():
    page = PROJECT / "docs" / "runpod.md"
    if not page.exists():
        pytest.skip("the guides are not part of an installed collection")
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `RUNPOD_")]

    def row(setting):
        unit = f" In {setting.unit}." if setting.unit else ""
        cells = [f"`{name}`" if name else "" for name in (setting.option, setting.variable)]
        return f"| `{setting.name}` | {setting.meaning}{unit} | {cells[0]} | {cells[1]} |"

    assert rows == [row(setting) for setting in TABLE]


@pytest.mark.parametrize(
    ("options", "keyed", "asked"),
    [
        ({"providers": ["vastai", "vastai"], "api_key": "k"}, (), ["vastai"]),
        ({"providers": None, "api_key": "k"}, (), ["runpod"]),
        ({"api_url": "http://127.0.0.1:9"}, ["vastai"], ["runpod"]),
        ({"providers": [], "api_key": "", "api_url": None}, (), ["vastai"]),
        ({}, ["runpod"], ["runpod", "vastai"]),
    ],
)
def test_which_providers_are_asked(options, keyed, asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environ = {"HOME": str(tmp_path), "VAST_API_KEY": "0123456789abcdef"}
    assert registry.meant(options, environ, keyed=keyed) == asked
    assert registry.meant({}, {"HOME": str(tmp_path)}) == []
