# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Vast.ai's key, address and pace come from."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import AuthError, BadRequest
from ansible_collections.podyard.gpu.plugins.module_utils._providers import registry
from ansible_collections.podyard.gpu.plugins.module_utils._providers.settings import Sources
from ansible_collections.podyard.gpu.plugins.module_utils._providers.vastai.config import find_key, find_scale, find_url


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keep(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_key_is_looked_for_where_the_vendors_tool_keeps_it(home):
    environ = {"HOME": str(home)}
    keep(home / ".vast_api_key", "old\n")
    assert find_key(None, environ) == "old"
    keep(home / ".config" / "vastai" / "vast_api_key", "new\n")
    assert find_key(None, environ) == "new"
    keep(home / ".config" / "vastai" / "vast_tfa_key", "session\n")
    assert find_key(None, environ) == "session"
    keep(home / "elsewhere" / "vastai" / "vast_api_key", "moved")
    assert find_key(None, {**environ, "XDG_CONFIG_HOME": str(home / "elsewhere")}) == "moved"
    (home / ".env").write_text("VAST_API_KEY=dotenv\n")
    assert find_key(None, environ) == "dotenv"
    assert find_key(None, {**environ, "VAST_API_KEY": "environment"}) == "environment"
    assert find_key("option", {**environ, "VAST_API_KEY": "environment"}) == "option"


def test_without_a_key_every_place_is_named(home):
    with pytest.raises(AuthError) as caught:
        find_key(None, {"HOME": str(home)})
    for place in ("api_key", "VAST_API_KEY", ".env", "vast_tfa_key", "vast_api_key", ".vast_api_key"):
        assert place in caught.value.message
    with pytest.raises(AuthError, match="contains a blank or an unprintable character"):
        find_key("two words", {})


def test_a_place_of_the_key_is_told_and_not_the_key(home):
    keep(home / ".vast_api_key", "secret")
    assert registry.key_origin("vastai", {"HOME": str(home)}, Sources({})) == ("the key", str(home / ".vast_api_key"))
    assert registry.key_origin("vastai", {"HOME": str(home / "none")}, Sources({})) is None


@pytest.mark.parametrize("path", ["", "/", "/api/v0", "/api/v0/", "/api"])
def test_the_address_is_a_host(path, home):
    assert find_url(f"http://127.0.0.1:8000{path}", {}) == "http://127.0.0.1:8000"


def test_the_address_is_that_of_the_vendors_tool(home):
    assert find_url(None, {}) == "https://console.vast.ai"
    assert find_url(None, {"VAST_URL": "http://localhost:1"}) == "http://localhost:1"
    for wrong, why in (
        ("ftp://x", "not an http"),
        ("http://example.com", "unencrypted"),
        ("https://u@x", "can have only a scheme, a host, a port and a path"),
    ):
        with pytest.raises(BadRequest, match=why):
            find_url(wrong, {})


def test_the_pace_can_be_scaled():
    assert find_scale({}) == 1.0
    assert find_scale({"PODYARD_VAST_THRESHOLD_SCALE": "0.05"}) == 0.05
    with pytest.raises(BadRequest, match="THRESHOLD_SCALE is 'fast'"):
        find_scale({"PODYARD_VAST_THRESHOLD_SCALE": "fast"})


def test_it_is_connected_by_its_name(home):
    provider = registry.connect("vastai", api_key="k", environ={})
    assert provider.name == "vastai"
    assert "https://console.vast.ai/api/v0/instances/7/" in provider.end_command("7")
    assert "VAST_API_KEY" in provider.end_command("7")
    assert provider.capabilities.watched == 60.0
    assert registry.capabilities("vastai").interruptible
