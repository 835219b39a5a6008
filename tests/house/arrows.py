# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the house rules share: the files of the tree, and which way an import may point.

The arrows: ``modules, inventory, action … -> plugin_utils -> _lifecycle -> _market -> _providers -> drivers -> _http``.
A file may import from its own layer and from those below, never from above. Drivers (the folders in module_utils) know
neither each other, nor Ansible, nor waiting. The collection and the sandbox know nothing of each other.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "ansible_collections.podyard.gpu"
UTILS = "plugins/module_utils/"

# The layers of module_utils from the bottom up, with patterns of their files. Every file of module_utils is in one of
# them, or is a driver. What runs on the pod itself is near the bottom: it knows nothing of any provider.
LAYERS: dict[str, tuple[str, ...]] = {
    "words": (
        "_errors",
        "_shown",
        "_pod",
        "_countries",
        "_models",
        "_throughput",
        "_offer",
        "_rates",
        "_names",
        "_wait",
        "_gpus",
        "_patterns",
        "_settings",
        "_values",
    ),
    "pod side": ("_training_*", "_gpu_*"),
    "wire": ("_http", "_exchange", "_retry", "_events", "_budget", "_shared", "_turns"),
    "promise": ("_provider", "_account", "_resource", "_resource_changes", "_resource_keys", "_variables"),
    "drivers": (),
    "providers": ("_providers",),
    "market": ("_market", "_single", "_desk", "_ranking", "_fits", "_misses", "_wishes"),
    "bookkeeping": (
        "_bounded",
        "_ssh_options",
        "_connection_file",
        "_books",
        "_fence",
        "_holder",
        "_ledger",
        "_progress",
        "_lease",
        "_hostkeys",
        "_ssh",
        "_bootstrap",
        "_watch",
        "_bad_hosts",
    ),
    "lifecycle": (
        "_lifecycle",
        "_readiness",
        "_trust",
        "_give_back",
        "_proof",
        "_termination",
        "_applying",
        "_changes",
        "_creation",
        "_deadlines",
        "_diagnosis",
        "_podlog",
        "_lookup",
        "_standing",
        "_wanted",
        "_history",
        "_supply",
        "_renting",
        "_fleet",
        "_fleet_crew",
        "_fleet_finding",
        "_fleet_rent",
        "_fleet_hosts",
    ),
    "edge": (
        "_arguments",
        "_pod_arguments",
        "_instance_arguments",
        "_pod_settings",
        "_resource_arguments",
        "_fleet_arguments",
    ),
    "plugin_utils": (),
    "plugins": (),
}
ORDER = list(LAYERS)
# Of these a driver may use everything, of our other files nothing.
SEEN_BY_DRIVERS = {
    *("_errors", "_pod", "_offer", "_countries", "_models", "_throughput", "_rates", "_names", "_gpus", "_values"),
    "_settings",
    *("_shown", "_http", "_retry", "_events", "_turns", "_provider", "_account", "_resource"),
}
# Only what stands at the edge to Ansible may import it; everything else works without.
KNOWS_ANSIBLE = {"edge", "plugin_utils", "plugins"}


@dataclass(frozen=True)
class Import:
    """One import in a file (a path below the root): the module it names, in full, and the line."""

    file: str
    module: str
    line: int


def tracked(*suffixes: str, root: Path = ROOT) -> list[str]:
    """Paths of the files git knows or would know, below the root."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted({name for name in names if name and name.endswith(suffixes) and (root / name).is_file()})


def imports_of(path: str, root: Path = ROOT) -> Iterator[Import]:
    """All imports of a file, wherever they stand in it; `from package import name` counts as `package.name` too."""
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
    """The package an import starts from, with the dots of a relative one resolved."""
    if not node.level:
        return node.module or ""
    package = Path(path).parts[: -node.level]
    prefix = [] if path.startswith("sandbox/") else COLLECTION.split(".")
    parts = package[1:] if path.startswith("sandbox/") else package
    return ".".join([*prefix, *parts, *([node.module] if node.module else [])])


def violations(root: Path = ROOT) -> list[str]:
    """Every import that points the wrong way, as one sentence each."""
    found = []
    for path in tracked(".py", root=root):
        if path.startswith("plugins/"):
            if path.startswith(UTILS) and layer_of(path) is None:
                found.append(f"{path}: belongs to no layer; say in tests/house/arrows.py where it stands")
                continue
            found += [f"{each.file}:{each.line}: {why}" for each in imports_of(path, root) if (why := _fault(each))]
        elif path.startswith("sandbox/"):
            found += [
                f"{each.file}:{each.line}: the sandbox knows nothing of the collection, but imports {each.module}"
                for each in imports_of(path, root)
                if each.module.startswith("ansible")
            ]
    return found


def layer_of(path: str) -> str | None:
    """The layer a file of plugins/ stands in, by its path or by that of its package."""
    if not path.startswith(UTILS):
        return "plugin_utils" if path.startswith("plugins/plugin_utils") else "plugins"
    below = path[len(UTILS) :]
    if "/" in below:
        return "drivers"
    name = below.removesuffix(".py")
    return next((layer for layer, files in LAYERS.items() if any(fnmatch(name, each) for each in files)), None)


def _fault(found: Import) -> str | None:
    """What is wrong with an import of a file in plugins/, or None."""
    source = layer_of(found.file)
    if found.module.split(".")[0] == "podyard_sandbox":
        return f"the collection knows nothing of the sandbox, but imports {found.module}"
    if found.module.split(".")[0] == "ansible" and source not in KNOWS_ANSIBLE:
        return f"{source} knows nothing of Ansible, but imports {found.module}"
    if not found.module.startswith(f"{COLLECTION}.plugins."):
        return None
    target = _target(found.module)
    layer = layer_of(target)
    if source == "drivers" and (fault := _fault_of_driver(found, target)):
        return fault
    if layer is None or source is None:
        return f"imports {found.module}, which belongs to no layer"
    if ORDER.index(layer) > ORDER.index(source):
        return f"{source} is below {layer}, but imports {found.module}"
    if source == layer == "plugins" and not target.startswith("plugins/doc_fragments/"):
        return f"plugins share code in plugin_utils and module_utils, and do not import each other: {found.module}"
    if layer == "drivers" and source not in ("drivers", "providers"):
        return f"only _providers knows the drivers, but {source} imports {found.module}"
    return None


def _fault_of_driver(found: Import, target: str) -> str | None:
    own = "/".join(found.file.split("/")[:3])
    name = target[len(UTILS) :].partition("/")[0].removesuffix(".py")
    if target.startswith(UTILS) and (target.startswith(own + "/") or target == own or name in SEEN_BY_DRIVERS):
        return None
    return f"a driver knows its own folder and {', '.join(sorted(SEEN_BY_DRIVERS))}, but imports {found.module}"


def _target(module: str) -> str:
    """The path an import names: a file of module_utils, or something in a driver's folder (without the ending)."""
    parts = module.removeprefix(COLLECTION + ".").split(".")
    path = "/".join(parts)
    if parts[1] == "module_utils" and len(parts) > 2:
        # A driver is a folder: its name alone means the folder. Of a file only the file matters, not what it defines.
        is_folder = (ROOT / UTILS / parts[2]).is_dir()
        return f"{UTILS}{parts[2]}/" + "/".join(parts[3:]) if is_folder else f"{UTILS}{parts[2]}.py"
    return path
