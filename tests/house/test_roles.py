# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role declares its variables once, repeats the defaults truly, and says what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir())
STEPS = [
    "plan",
    "provision",
    "verify",
    "prepare",
    "data",
    "launch",
    "follow",
    "fetch",
    "give_back",
    "report",
    "failure",
]


def declared(role: str) -> dict[str, dict[str, Any]]:
    """Return the entry points of a role, by name."""
    return yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]


def options(role: str) -> dict[str, dict[str, Any]]:
    """Return all options of a role's entry points, by name."""
    return {name: option for entry in declared(role).values() for name, option in (entry.get("options") or {}).items()}


@pytest.mark.parametrize("role", NAMES)
def test_defaults_repeat_the_declaration(role):
    given = yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    optional = {name: option.get("default") for name, option in options(role).items() if not option.get("required")}
    assert given == optional


@pytest.mark.parametrize("role", NAMES)
def test_every_option_is_described_and_carries_the_name_of_its_role(role):
    for name, option in options(role).items():
        assert name.startswith(f"{role}_"), name
        assert option["description"] and option["type"], name


@pytest.mark.parametrize("role", NAMES)
def test_every_entry_point_is_described_and_there(role):
    for entry, content in declared(role).items():
        assert content["short_description"] and content["description"], entry
        assert (ROLES / role / "tasks" / f"{entry}.yml").is_file(), entry


@pytest.mark.parametrize("role", NAMES)
def test_every_role_has_a_readme_with_an_example(role):
    text = (ROLES / role / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {role}\n") and "```" in text


def test_the_playbook_reads_as_the_cycle():
    text = (ROLES.parent / "playbooks" / "train.yml").read_text(encoding="utf-8")
    places = [text.index(f"tasks_from: {step}.yml") for step in STEPS if step != "failure"]
    assert places == sorted(places)
    assert sorted(declared("train")) == sorted([*STEPS, "main"])
