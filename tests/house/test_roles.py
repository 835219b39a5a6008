# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role declares its variables once, repeats the defaults truly, and says what it is."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
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
    "keep_results",
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


def included(document: Any) -> Iterator[str]:
    """The task files that a task file includes or imports, by name."""
    for key, value in document.items() if isinstance(document, dict) else ():
        if key in ("ansible.builtin.include_tasks", "ansible.builtin.import_tasks"):
            yield str(value["file"] if isinstance(value, dict) else value)
        else:
            yield from included(value)
    for each in document if isinstance(document, list) else ():
        yield from included(each)


def circles(graph: dict[str, set[str]]) -> list[str]:
    """The files that come to themselves by what they include."""
    found = []
    for start in graph:
        reached, ahead = set(), set(graph[start])
        while ahead:
            reached |= ahead
            ahead = {name for each in ahead for name in graph.get(each, ())} - reached
        if start in reached:
            found.append(start)
    return found


@pytest.mark.parametrize("role", NAMES)
def test_no_task_file_includes_itself(role):
    """A loop whose end an action decides is bounded, and read from above to below."""
    files = {path.name: path for path in (ROLES / role / "tasks").glob("*.yml")}
    graph = {name: set(included(yaml.safe_load(path.read_text("utf-8")))) for name, path in files.items()}
    assert circles(graph) == []
    assert {name for each in graph.values() for name in each} <= set(files)


def test_a_circle_is_seen():
    block = [{"ansible.builtin.include_tasks": {"file": "b.yml"}}]
    assert set(included([{"block": block, "rescue": [{"ansible.builtin.import_tasks": "c.yml"}]}])) == {
        "b.yml",
        "c.yml",
    }
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert circles({"a": {"a"}}) == ["a"] and circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


NUMBERS = ("int", "float", "bool")
#: Jinja's default with true also takes the place of 0 and false, which somebody gave: no cap instead of a cap of 0.
FALSY = re.compile(r"default\([^()]*,\s*(?:boolean\s*=\s*)?true\)", re.IGNORECASE)
#: So do `x or y`, unless that is 0 again, and `x if x else y`.
OTHER_FALSY = (r"([\w.]+)\s+or\s+(?!0\b)", r"([\w.]+)\s+if\s+\1\s+else\b")
#: In these a value is only asked.
CONDITIONS = ("when", "that", "until", "failed_when", "changed_when")
#: Mappings that hold the values of a job, and options of a pod.
HOLDERS = ("_train_job", "_train_job.pod", "plan_pod", "provision_pod")


def values(node: Any) -> Iterator[tuple[str, str]]:
    """Every key of a YAML document with a text as its value."""
    if isinstance(node, list):
        for each in node:
            yield from values(each)
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str):
                yield str(key), value
            yield from values(value)


def tasks(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every call of a module of ours in a YAML document: its name and arguments."""
    for each in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
        yield from tasks(each)
    for key, value in node.items() if isinstance(node, dict) else ():
        if str(key).startswith("podyard.gpu.") and isinstance(value, dict):
            yield key.rpartition(".")[2], value


def documented(module: str) -> dict[str, str]:
    """The types of a module's options, by name, those of its documentation fragments too."""
    plugins = ROLES.parent / "plugins"
    found = parsed(plugins / "modules" / f"{module}.py", "DOCUMENTATION")
    options = dict(found.get("options") or {})
    for fragment in found.get("extends_documentation_fragment") or []:
        name, _, part = fragment.removeprefix("podyard.gpu.").partition(".")
        options.update(parsed(plugins / "doc_fragments" / f"{name}.py", part.upper() or "DOCUMENTATION")["options"])
    return {name: option.get("type", "str") for name, option in options.items()}


def parsed(file: Path, name: str) -> dict[str, Any]:
    """A piece of documentation in a file of ours."""
    text = file.read_text(encoding="utf-8").split(f'{name} = r"""', 1)[1].split('"""')[0]
    return {"options": {}, **yaml.safe_load(text)}


def lost_zeros(document: Any, types: dict[str, str]) -> list[str]:
    """Where a document puts something else in the place of a 0 or a false that was given."""
    lost = [
        f"{module}.{option}"
        for module, arguments in tasks(document)
        for option, value in arguments.items()
        if isinstance(value, str) and FALSY.search(value) and documented(module).get(option) in NUMBERS
    ]
    return lost + [
        f"{key}: {value}"
        for key, value in values(document)
        for pattern in (rf"([\w.]+)\s*\|\s*{FALSY.pattern}", *(() if key in CONDITIONS else OTHER_FALSY))
        for name in re.findall(pattern, value)
        if types.get(name) in NUMBERS
    ]


def numbers_of_all() -> dict[str, str]:
    """The types of all variables of roles, and of what a job and a pod hold."""
    types = {name: option["type"] for role in NAMES for name, option in options(role).items()}
    held = {**documented("pod"), **{name.removeprefix("train_"): kind for name, kind in types.items()}}
    return {**types, **{f"{holder}.{name}": kind for holder in HOLDERS for name, kind in held.items()}}


def test_no_zero_is_taken_for_nothing():
    types = numbers_of_all()
    files = [*ROLES.glob("*/tasks/*.yml"), *ROLES.glob("*/vars/*.yml"), *(ROLES.parent / "playbooks").glob("*.yml")]
    lost = {str(path): lost_zeros(yaml.safe_load(path.read_text(encoding="utf-8")), types) for path in files}
    assert len(files) > 40
    assert {path: found for path, found in lost.items() if found} == {}


@pytest.mark.parametrize(
    "document",
    [
        [{"podyard.gpu.pod": {"max_price": "{{ price | default(omit, true) }}"}}],
        {"block": [{"podyard.gpu.pod": {"settings": "{{ x | default(false, boolean=True) }}"}}]},
        [{"set_fact": {"cap": "{{ train_max_price | default(omit, true) }}"}}],
        [{"set_fact": {"cap": "{{ _train_job.max_price | default(omit, true) }}"}}],
        [{"set_fact": {"pod": "{{ {'lease': provision_pod.lease | default(2, true)} }}"}}],
        [{"set_fact": {"strict": "{{ _train_job.strict_shell | default(true, true) }}"}}],
        [{"set_fact": {"hours": "{{ _train_job.lease_hours or 2 }}"}}],
        [{"set_fact": {"hours": "{{ _train_job.lease_hours if _train_job.lease_hours else omit }}"}}],
    ],
)
def test_a_zero_that_is_lost_is_found(document):
    assert lost_zeros(document, numbers_of_all())


@pytest.mark.parametrize(
    "text",
    [
        "{{ _train_job.max_hours or 0 }}",
        "{{ _train_job.max_price if _train_job.max_price is not none else omit }}",
        "{{ train_max_price | default(omit) }}",
        "{{ _train_job.template | default(omit, true) }}",
    ],
)
def test_a_zero_that_arrives_is_left_alone(text):
    assert lost_zeros([{"set_fact": {"x": text}}], numbers_of_all()) == []


def test_a_script_that_has_nothing_to_do_reads_what_it_is_sent(tmp_path):
    """Else its writer, the module that runs it, fails with a broken pipe and without a word."""
    script = ROLES / "workspace" / "files" / "prepare.sh"
    command = ["sh", script, "python3", tmp_path / "venvs", "x", "", "", tmp_path / "code"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        # It waits for its input, however long that takes to come.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        output, _errors = process.communicate(b"\n", timeout=60)
    assert (process.returncode, output.splitlines()[-1]) == (0, b"venv=")
