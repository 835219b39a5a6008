# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Share the tree's files among the tests of the house rules, and say which way an import may point.

A package imports from itself and from those before it in its stair, never from one behind it. What runs on a pod knows
the standard library only. A provider's folder knows neither the other providers nor the registry that names it, and
only that registry knows the folders. The collection and the sandbox know nothing of each other.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.podyard.gpu"
UTILS = "plugins/module_utils/"
PLUGIN_UTILS = "plugins/plugin_utils/"

#: The packages of module_utils and then of plugin_utils, from the bottom up.
STAIR = ("_core", "_http", "_resources", "_providers", "_market", "_pods", "_module")
PLUGIN_STAIR = (
    "_common",
    "_transfer",
    "_record",
    "_job",
    "_plan",
    "_follow",
    "_guard",
    "_report",
    "_inventory",
    "_status",
)
#: Packages that run on a pod, and import nothing but the standard library.
APART = ("_training", "_host")
#: The lowest packages that may import those.
READS_APART = "_pods"
REGISTRY = f"{UTILS}_providers/registry.py"
PROVIDERS = f"{UTILS}_providers/"
#: Only these may import Ansible; everything else works without it.
KNOWS_ANSIBLE = ("_module", *PLUGIN_STAIR, "plugins")


@dataclass(frozen=True)
class Import:
    """One import in a file (a path below the root): the module it names, in full, and the line."""

    file: str
    module: str
    line: int


def tracked(*suffixes: str, root: Path = ROOT) -> list[str]:
    """Return the paths of the files that git knows or would know, below the root."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted({name for name in names if name and name.endswith(suffixes) and (root / name).is_file()})


def imports_of(path: str, root: Path = ROOT) -> Iterator[Import]:
    """Yield all imports of a file, wherever they stand; `from package import name` counts as `package.name` too."""
    for node in _import_nodes((root / path).read_text(encoding="utf-8")):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(path, node)
            for alias in node.names:
                yield Import(path, f"{base}.{alias.name}", node.lineno)


@lru_cache(maxsize=1000)  # most files are read again and again without having changed
def _import_nodes(source: str) -> tuple[ast.Import | ast.ImportFrom, ...]:
    return tuple(node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Import, ast.ImportFrom)))


def _absolute(path: str, node: ast.ImportFrom) -> str:
    """Return the package an import starts from, with the dots of a relative one resolved."""
    if not node.level:
        return node.module or ""
    package = Path(path).parts[: -node.level]
    prefix = [] if path.startswith("sandbox/") else COLLECTION.split(".")
    parts = package[1:] if path.startswith("sandbox/") else package
    return ".".join([*prefix, *parts, *([node.module] if node.module else [])])


def violations(root: Path = ROOT) -> list[str]:
    """Return every import that points the wrong way, as one sentence each."""
    found = []
    for path in tracked(".py", root=root):
        if path.startswith("plugins/"):
            if package_of(path) is None:
                found.append(f"{path}: belongs to no package; tests/house/arrows.py names them")
                continue
            found += [f"{each.file}:{each.line}: {why}" for each in imports_of(path, root) if (why := _fault(each))]
        elif path.startswith("sandbox/"):
            found += [
                f"{each.file}:{each.line}: the sandbox knows nothing of the collection, but imports {each.module}"
                for each in imports_of(path, root)
                if each.module.startswith("ansible")
            ]
    return found


def package_of(path: str) -> str | None:
    """Return the package a file of plugins/ is in, ``plugins`` for a plugin, or None for a file without a place."""
    for place, stair in ((UTILS, (*STAIR, *APART)), (PLUGIN_UTILS, PLUGIN_STAIR)):
        if path.startswith(place):
            package, _slash, below = path[len(place) :].partition("/")
            return package if package in stair and below else None
    return "plugins"


def _fault(found: Import) -> str | None:
    """Return what is wrong with an import of a file in plugins/, or None."""
    source = package_of(found.file)
    top = found.module.split(".")[0]
    if top == "podyard_sandbox":
        return f"the collection knows nothing of the sandbox, but imports {found.module}"
    if top == "ansible" and source not in KNOWS_ANSIBLE:
        return f"{source} knows nothing of Ansible, but imports {found.module}"
    if source in APART and top not in (*sys.stdlib_module_names, COLLECTION.split(".")[0]):
        return f"{source} runs on a pod and knows the standard library only, but imports {found.module}"
    if not found.module.startswith(f"{COLLECTION}.plugins."):
        return None
    target = _target(found.module)
    package = package_of(target + "/x" if target.count("/") == 2 else target)
    if source is None or package is None:
        return f"imports {found.module}, which belongs to no package"
    return _fault_of_stair(found, source, package, target) or _fault_of_provider(found, target)


def _fault_of_stair(found: Import, source: str, package: str, target: str) -> str | None:
    if source == package:
        alone = source == "plugins" and not target.startswith("plugins/doc_fragments/")
        return f"plugins share code in the utils, and do not import each other: {found.module}" if alone else None
    if source in APART:
        return f"{source} runs on a pod and knows the standard library only, but imports {found.module}"
    order = (*STAIR, *PLUGIN_STAIR, "plugins")
    if package in APART:
        return (
            None if order.index(source) >= order.index(READS_APART) else f"{source} is below {package}: {found.module}"
        )
    if order.index(package) > order.index(source):
        return f"{source} is below {package}, but imports {found.module}"
    return None


def _fault_of_provider(found: Import, target: str) -> str | None:
    """Return what is wrong with an import from or into the folder of one provider."""
    own, other = _provider_of(found.file), _provider_of(target)
    if own is None:
        into = other is not None and found.file != REGISTRY
        return (
            f"only the registry knows the folders of providers, but {found.file} imports {found.module}"
            if into
            else None
        )
    if (
        other == own
        or not target.startswith(PROVIDERS)
        or target.startswith((f"{PROVIDERS}base", f"{PROVIDERS}settings"))
    ):
        return None
    return f"a provider knows its own folder, base and settings, but imports {found.module}"


def _provider_of(path: str) -> str | None:
    """Return the provider in whose folder a path (with or without the ending) is, or None."""
    name, _slash, _below = path[len(PROVIDERS) :].partition("/")
    is_folder = path.startswith(PROVIDERS) and (ROOT / PROVIDERS / name).is_dir()
    return name if is_folder and name else None


def _target(module: str) -> str:
    """Return the path an import names, below the root, without the ending and whatever stands in the file."""
    parts = module.removeprefix(COLLECTION + ".").split(".")
    if parts[1] not in ("module_utils", "plugin_utils"):
        return "/".join(parts)
    deep = 5 if (ROOT / "/".join(parts[:4])).is_dir() else 4
    return "/".join(parts[:deep])


def circles(root: Path = ROOT) -> list[tuple[str, ...]]:
    """Return the files of plugins/ that import each other in a loop, typing included, one loop a group."""
    files = [path for path in tracked(".py", root=root) if path.startswith("plugins/")]
    names = {path.removesuffix(".py"): path for path in files}
    arrows: dict[str, set[str]] = {}
    for path in files:
        modules = (each.module for each in imports_of(path, root) if each.module.startswith(f"{COLLECTION}.plugins."))
        paths = ("/".join(module.removeprefix(COLLECTION + ".").split(".")) for module in modules)
        arrows[path] = {names[hit] for each in paths for hit in (each, each.rpartition("/")[0]) if hit in names} - {
            path
        }
    return _loops(arrows)


def _loops(arrows: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """Return the groups of names that reach each other."""
    reach = {name: _reached(name, arrows) for name in arrows}
    groups = {
        tuple(sorted(other for other in reach[name] if name in reach[other])) for name in arrows if name in reach[name]
    }
    return sorted(groups)


def _reached(start: str, arrows: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for target in arrows.get(todo.pop(), ()):
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return seen
