# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every file, package and page that a document names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from arrows import APART, PLUGIN_STAIR, PLUGIN_UTILS, ROOT, STAIR, UTILS, tracked

DOCUMENTS = [name for name in tracked(".md") if not name.startswith(("changelogs/", "CHANGELOG", "tests/"))]
#: Folders of the tree; a path that begins with another word is one of the reader's own.
FOLDERS = (
    *("awx", "changelogs", "ci", "docs", "examples", "extensions", "inventory", "meta", "playbooks", "plugins"),
    *("roles", "sandbox", "scripts", "tests", ".ci"),
)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
PLACEHOLDER = re.compile(r"[<>{}…*]")


def named_paths(text: str) -> list[str]:
    """Return the paths of the tree in the text: code that begins with one of its folders, or with one of our packages.

    A command with a path in it, or a path with a placeholder, is not one.
    """
    found = []
    for code in CODE.findall(text):
        first, slash, _rest = code.partition("/")
        if " " in code or PLACEHOLDER.search(code):
            continue
        if (slash and first in FOLDERS) or re.fullmatch(r"_[a-z]+", first):
            found.append(code)
    return found


def exists(name: str, root: Path = ROOT) -> bool:
    """Tell whether the tree has that path; a package of ours may be named without the folder that it is in."""
    first = name.split("/")[0]
    if first in STAIR + APART:
        name = UTILS + name
    elif first in PLUGIN_STAIR:
        name = PLUGIN_UTILS + name
    return (root / name).exists()


def missing(document: str, text: str, root: Path = ROOT) -> list[str]:
    """Return what the document names and the tree has not: paths, and pages that it links to."""
    pages = [link.split("#")[0] for link in LINK.findall(text) if "://" not in link]
    beside = Path(document).parent
    gone = [page for page in pages if page and not (root / beside / page).exists()]
    return gone + [path for path in named_paths(text) if not (exists(path, root) or (root / beside / path).exists())]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_a_document_names_exists(document):
    assert missing(document, (ROOT / document).read_text(encoding="utf-8")) == []


def classes_of_the_glossary(text: str) -> list[str]:
    """Return the classes in the first column of the glossary's table of classes."""
    table = text.partition("## Classes in the code")[2]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in CODE.findall(row)]


def test_every_class_of_the_glossary_exists():
    defined = set()
    for name in tracked(".py"):
        if name.startswith("plugins/"):
            defined.update(re.findall(r"^class (\w+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
    named = classes_of_the_glossary((ROOT / "docs/glossary.md").read_text(encoding="utf-8"))
    assert named and [name for name in named if name not in defined] == []


def test_what_does_not_exist_is_found():
    text = "See `plugins/nothing.py`, `_pods/nothing.py`, `_nothing` and [a page](nothing.md#part)."
    assert missing("docs/page.md", text) == ["nothing.md", "plugins/nothing.py", "_pods/nothing.py", "_nothing"]
    for fine in (
        "`plugins/modules/`, `_pods/create.py`, `_pods` and [a page](architecture.md#part)",
        "`runs/<run_id>/run.json`, `templates/train.toml.j2`, `roles/*/meta`, `make down`, `scripts/no such command`",
    ):
        assert missing("docs/page.md", fine) == []
