# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every file of the tree holds to: a licence, no place of one machine; and what the collection says of itself."""

from __future__ import annotations

import re
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from arrows import ROOT, tracked

EVERYTHING = tracked("")
# Files whose form has no place for a comment, or that are the licence; all others carry it.
WITHOUT_HEADER = {"COPYING"}
# What the molecule scenarios push to a host: it is there to be counted and hashed.
CARGO = re.compile(r"extensions/molecule/[^/]+/files/")
WITHOUT_COMMENTS = (".md", ".rst", ".json", ".png", ".csv", ".svg", ".html", ".j2", ".lock")
SPDX = "SPDX-License-Identifier: GPL-3.0-or-later"
COPYRIGHT = "Copyright (c) 2026, the podyard.gpu contributors"
# Hosts that the tree means to name. Where packages come from, say, is the business of each machine's own settings.
HOSTS = {
    "127.0.0.1",
    "api.runpod.io",
    "console.vast.ai",
    "json-schema.org",
    "docs.ansible.com",
    "forum.ansible.com",
    "fsf.org",
    "github.com",
    "localhost",
    "semver.org",
    "www.w3.org",  # the namespace of SVG
    "www.gnu.org",
    "www.runpod.io",
}
HOST = re.compile(r"https?://(?:[^/@\s]*@)?([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)")
PACKAGE_INDEX = re.compile(r"--(?:extra-)?index-url|\b(?:extra_)?index_url\b")
# Names reserved for examples.
EXAMPLES = re.compile(r"(?:^|\.)example(?:\.(?:com|org|net))?$|\.(?:test|invalid)$")
# Directories that every machine has, so that naming them says nothing of this one.
COMMON = {"/", "/home", "/opt", "/root", "/srv", "/tmp", "/usr", "/usr/local", "/var", "/workspace"}


def machine_places() -> list[str]:
    """Where this clone and its Python lie, and the directory around the clone."""
    places = {str(ROOT), str(ROOT.parent), sys.base_prefix, sys.prefix}
    return sorted(places - COMMON)


def names_place(text: str, place: str) -> bool:
    """True if the text has that path, or one below it, and not just a longer path with the same letters in it."""
    return re.search(rf"(?<![\w.~}}/-]){re.escape(place)}(?![\w-])", text) is not None


def foreign_hosts(text: str) -> list[str]:
    """Hosts in addresses of the text (or in patterns of such) that it is not meant to name; a lone word is none."""
    hosts = [host for host in HOST.findall(text.replace("\\", "")) if "." in host]
    return [host for host in hosts if host not in HOSTS and not EXAMPLES.search(host)]


def text_of(name: str) -> str | None:
    """The text of a file, None for one that is no text."""
    try:
        return Path(ROOT, name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


@pytest.mark.parametrize("name", [name for name in EVERYTHING if not name.endswith(WITHOUT_COMMENTS)])
def test_every_file_says_its_licence(name):
    text = text_of(name)
    if text and name not in WITHOUT_HEADER and not CARGO.match(name) and not name.startswith("changelogs/changelog"):
        head = "\n".join(text.splitlines()[:8])
        assert SPDX in head
        assert COPYRIGHT in head


@pytest.mark.parametrize("name", EVERYTHING)
def test_no_file_names_a_place_of_one_machine(name):
    text = text_of(name) or ""
    assert [place for place in machine_places() if names_place(text, place)] == []
    assert foreign_hosts(text) == []
    if name != "tests/house/test_tree.py":
        assert not PACKAGE_INDEX.search(text)


def test_a_place_of_this_machine_is_found():
    assert names_place(f"see {ROOT}/Makefile", str(ROOT))
    assert names_place('"/place/below"', "/place")
    for text in ("/places/x", "{{ x }}/place/y", "a/place", "./place", "/place-2"):
        assert not names_place(text, "/place")


def test_a_host_that_is_not_meant_is_found():
    address = "https" + "://packages.somewhere.io/simple"
    assert foreign_hosts(f"pip install -i {address}") == ["packages.somewhere.io"]
    assert foreign_hosts("http://127.0.0.1:8000/ https://pods.example.org/ https://github.com/x") == []


def test_the_action_group_has_every_module():
    group = yaml.safe_load(text_of("meta/runtime.yml") or "")["action_groups"]["all"]
    modules = sorted(path.stem for path in Path(ROOT, "plugins/modules").glob("[!_]*.py"))
    assert sorted(group) == modules


def test_the_api_group_has_every_module_that_takes_a_key():
    """module_defaults for a group fails on a member that does not know the option."""
    group = yaml.safe_load(text_of("meta/runtime.yml") or "")["action_groups"]["api"]
    modules = Path(ROOT, "plugins/modules").glob("[!_]*.py")
    takes_key = ("podyard.gpu.api\n", "  api_key:\n")
    assert sorted(group) == sorted(path.stem for path in modules if any(text in path.read_text() for text in takes_key))


def test_every_action_plugin_is_documented_by_a_module_of_its_name():
    actions = {path.stem for path in Path(ROOT, "plugins/action").glob("[!_]*.py")}
    assert actions
    assert actions <= {path.stem for path in Path(ROOT, "plugins/modules").glob("*.py")}


def test_an_execution_environment_gets_what_the_controller_needs():
    def requirements(name):
        return {line for line in (text_of(name) or "").splitlines() if line and not line.startswith("#")}

    controller = requirements("requirements.txt")
    core = {line for line in controller if line.startswith("ansible-core")}
    assert core
    assert requirements("meta/ee-requirements.txt") == controller - core
    more = requirements("tests/unit/requirements.txt") - (controller - core)
    assert (controller - core) <= requirements("tests/unit/requirements.txt")
    assert {line.partition(">")[0] for line in more} == {"jsonschema"}, "the unit tests validate records"


@pytest.mark.parametrize("name", [name for name in EVERYTHING if re.fullmatch(r"requirements.*\.txt", name)])
def test_every_requirement_has_its_reason_above_it(name):
    lines = (text_of(name) or "").splitlines()
    bare = []
    for number, line in enumerate(lines):
        above = lines[number - 1] if number else ""
        if line and not line.startswith("#") and not above:
            bare.append(line)
    assert bare == []


def test_the_archive_holds_what_a_user_needs_and_nothing_else(tmp_path):
    from ansible.galaxy.collection import build_collection

    built = build_collection(str(ROOT), str(tmp_path), force=True)
    with tarfile.open(built) as archive:
        names = {Path(name).parts[0] for name in archive.getnames()}
        inside = archive.getnames()
    assert {"plugins", "roles", "playbooks", "meta", "inventory", "examples", "README.md", "COPYING"} <= names
    assert names <= {
        "COPYING", "CHANGELOG.md", "CHANGELOG.rst", "FILES.json", "MANIFEST.json", "README.md", "changelogs",
        "docs", "examples", "inventory", "meta", "playbooks", "plugins", "requirements.txt", "requirements-example.txt",
        "roles",
    }  # fmt: skip
    assert not [name for name in inside if name.endswith(".pyc") or "/data/" in name or "digits/runs/" in name]
