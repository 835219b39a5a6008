# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where RunPod's key and address come from."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import AuthError, BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._providers import registry
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod import config
from ansible_collections.podyard.gpu.plugins.module_utils._providers.runpod.config import find_key, find_url


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """A working directory and a home of the test's own."""
    (tmp_path / "work").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def environ(tmp_path, **variables):
    return {"HOME": str(tmp_path / "home"), **variables}


def write_config(tmp_path, text):
    (tmp_path / "home" / ".runpod").mkdir()
    (tmp_path / "home" / ".runpod" / "config.toml").write_text(text)


def test_the_key_is_looked_for_in_order(tmp_path):
    write_config(tmp_path, '[default]\napi_key = "from_config"\n')
    assert find_key(None, environ(tmp_path)) == "from_config"
    (tmp_path / "work" / ".env").write_text("OTHER=1\nexport RUNPOD_API_KEY='from_dotenv'\n")
    assert find_key(None, environ(tmp_path)) == "from_dotenv"
    assert find_key(None, environ(tmp_path, RUNPOD_API_KEY="from_environment")) == "from_environment"
    assert find_key("from_option", environ(tmp_path, RUNPOD_API_KEY="from_environment")) == "from_option"


def test_the_vendors_command_line_tool_writes_its_own_form(tmp_path):
    write_config(tmp_path, "apikey = 'from_ctl' # comment\napiurl = 'x'\n")
    assert find_key(None, environ(tmp_path)) == "from_ctl"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[work]\napi_key = 'w'\n[default]\napi_key = 'd'\n", "d"),
        ("apikey = 'top'\n[work]\napi_key = 'w'\n", "top"),
        ("[work]\napi_key = 'w'\n", "w"),
        ("['default'] # mine\napi_key = \"d\"\n[b]\napi_key = 'b'\n", "d"),
    ],
)
def test_of_several_profiles_the_default_one_counts(tmp_path, text, key):
    write_config(tmp_path, text)
    assert find_key(None, environ(tmp_path)) == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("default = { api_key = 'inline' }\n", "inline"),
        ("default.api_key = 'dotted'\n", "dotted"),
        ('[default]\napi_key = """\nmany"""\n', "many"),
        ('[default]\napi_key = "esc\\u0041ped"\n', "escAped"),
        ("[default]\nnote = 'api_key = \"in a text\"'\napi_key = 'true'\n", "true"),
    ],
)
def test_every_spelling_of_toml_is_read(tmp_path, text, key):
    write_config(tmp_path, text)
    assert find_key(None, environ(tmp_path)) == key


@pytest.mark.parametrize("text", ["[default]\napi_key = 'd'\napi_key = 'again'\n", "[default]\napi_key = 'd'\noops\n"])
def test_a_damaged_file_still_gives_its_key(tmp_path, text):
    write_config(tmp_path, text)
    assert find_key(None, environ(tmp_path)) == "d"


def test_a_python_without_tomllib_reads_what_the_vendors_tools_write(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "tomllib", None)
    write_config(tmp_path, "[work]\napi_key = 'w'\n[default]\napi_key = 'd'\n")
    assert find_key(None, environ(tmp_path)) == "d"


@pytest.mark.parametrize("text", ["[default]\napi_key = 7\n", "a = " + "[" * 100_000, "[default]\napi_key = ''\n"])
def test_what_is_no_key_is_none(tmp_path, text):
    write_config(tmp_path, text)
    with pytest.raises(AuthError, match="There is no API key"):
        find_key(None, environ(tmp_path))


def test_of_several_other_profiles_none_is_guessed(tmp_path):
    write_config(tmp_path, "[a]\napi_key = 'a'\n[b]\napi_key = 'b'\n")
    with pytest.raises(AuthError):
        find_key(None, environ(tmp_path))


@pytest.mark.parametrize(
    ("line", "value"),
    [("RUNPOD_API_KEY=plain # why", "plain"), ('RUNPOD_API_KEY="a # b"', "a#b"), ("RUNPOD_API_KEY = x ", "x")],
)
def test_a_dotenv_line_is_read_as_people_write_it(tmp_path, line, value):
    (tmp_path / "work" / ".env").write_text(line.replace(" # b", "#b"))
    assert find_key(None, environ(tmp_path)) == value


@pytest.mark.parametrize("text", ["", "RUNPOD_API_KEY=\n", "#RUNPOD_API_KEY=x\n"])
def test_without_a_key_every_place_is_named(tmp_path, text):
    (tmp_path / "work" / ".env").write_text(text)
    with pytest.raises(AuthError) as caught:
        find_key("", environ(tmp_path, RUNPOD_API_KEY=""))
    for place in ("api_key", "RUNPOD_API_KEY", ".env", "config.toml"):
        assert place in str(caught.value)


@pytest.mark.parametrize("key", ["two words", "tab\tbed", "kéy"])
def test_a_key_that_was_copied_badly_is_refused(tmp_path, key):
    with pytest.raises(AuthError, match="contains a blank or an unprintable character"):
        find_key(key, environ(tmp_path))


def test_the_address_is_looked_for_in_order(tmp_path):
    assert find_url(None, {}) == "https://api.runpod.io"
    (tmp_path / "work" / ".env").write_text("RUNPOD_API_BASE_URL=http://127.0.0.1:1\n")
    assert find_url(None, {}) == "http://127.0.0.1:1"
    assert find_url(None, {"RUNPOD_API_BASE_URL": "http://localhost:2/"}) == "http://localhost:2"
    assert find_url("https://proxy.example.com/v2/", {}) == "https://proxy.example.com"


@pytest.mark.parametrize(
    "url", ["api.runpod.io", "ftp://x", "http://", "https://user:word@example.com", "https://x/?a=1"]
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(BadRequest):
        find_url(url, {})


def test_the_key_is_not_sent_unencrypted_over_a_network():
    with pytest.raises(BadRequest, match="unencrypted"):
        find_url("http://api.example.com", {})


def test_a_provider_is_connected_by_its_name(tmp_path):
    assert registry.names() == ["runpod", "vastai"]
    provider = registry.connect("runpod", api_key="k", environ=environ(tmp_path))
    assert provider.name == "runpod"
    assert "https://api.runpod.io/v2/pods/p1" in provider.end_command("p1")
    with pytest.raises(BadRequest, match="the providers are: runpod"):
        registry.connect("elsewhere")
