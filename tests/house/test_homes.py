# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each small thing has one home: a second one would drift from the first, and each would be right in half the places.

A home is a file that does something once for all of `plugins`. Beside it stand the files that have a reason of their
own to do the same, such as programs that are sent to a pod alone.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import pytest
from arrows import ROOT, tracked

PLUGINS = [name for name in tracked(".py") if name.startswith("plugins/")]
CORE = "plugins/module_utils/_core/"


@dataclass(frozen=True)
class Home:
    """A thing that is done in one place.

    :param files: where it may be done: the home first, then the exceptions.
    :param instead: what to do elsewhere.
    :param finds: the nodes of a file that do it.
    :param planted: code that would be a second home.
    :param innocent: code that looks like it and is none.
    """

    thing: str
    files: tuple[str, ...]
    instead: str
    finds: Callable[[ast.AST], Iterator[ast.AST]]
    planted: tuple[str, ...]
    innocent: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.thing


@cache
def parsed(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Yield each call of a file, with what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func)


def imported(tree: ast.AST, *modules: str) -> Iterator[ast.AST]:
    """Yield the imports of these modules and of what is in them."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        if any(name == module or name.startswith(f"{module}.") for name in names for module in modules):
            yield node


#: A number, a dot and a number, as a regular expression for a version has them and one for a decimal has not: there,
#: what follows the dot is optional as a whole, and no group of its own.
_DIGITS = r"\(*(?:\\d|\[0-9\])(?:[+*]|\{[0-9,]+\})?\)*"
VERSION = re.compile(rf"{_DIGITS}(?:\\\.{_DIGITS}|\(\?:\\\.\({_DIGITS}|\(\?:\\\.{_DIGITS}\)\*)")


def versions(tree: ast.AST) -> Iterator[ast.AST]:
    yield from imported(tree, "packaging", "distutils", "ansible.module_utils.compat.version", "pkg_resources")
    for call, name in calls(tree):
        pattern = call.args[0] if call.args and name.startswith("re.") else None
        if isinstance(pattern, ast.Constant) and VERSION.search(str(pattern.value)):
            yield call
        splits = name.endswith(".split") and call.args
        if splits and isinstance(call.args[0], ast.Constant) and call.args[0].value in (".", b"."):
            yield call


def written_units(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield formatted texts in which a number is followed by seconds or bytes, or follows the sign of the dollar."""
    for node in ast.walk(tree):
        parts = node.values if isinstance(node, ast.JoinedStr) else []
        for before, after in itertools.pairwise(parts):
            if isinstance(before, ast.FormattedValue) and before.format_spec and isinstance(after, ast.Constant):
                number = re.search(r"[0-9,][fgd]|^[fgd]", "".join(ast.unparse(before.format_spec).split("'")[1:2]))
                if number and re.match(r" ?(s|ms|min|seconds|minutes|B|kB|MB|bytes)\b", str(after.value)):
                    yield node
            sign = isinstance(before, ast.Constant) and str(before.value).endswith(("USD ", "$"))
            # A command for people names the variable that holds their key.
            if sign and isinstance(after, ast.FormattedValue) and "KEY_VARIABLE" not in ast.unparse(after):
                yield node


def key_readers(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what computes a fingerprint, compares keys by their parts, or has a pattern of its own for them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and re.search(r"\bkeys?\b.*\.split\(.*\)\[:2\]", ast.unparse(node)):
            yield node
        if isinstance(node, (ast.BinOp, ast.JoinedStr)) and re.match(r"f?'SHA256:", ast.unparse(node)):
            yield node
        if isinstance(node, ast.FunctionDef) and node.name in ("fingerprint", "identity"):
            named = {each.arg for each in node.args.args}
            if named & {"line", "blob", "key"}:
                yield node
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and "(ssh|" in ast.unparse(node):
            yield node


def threads(tree: ast.AST) -> Iterator[ast.AST]:
    for call, name in calls(tree):
        if name.endswith(("Thread", "ThreadPoolExecutor", "ThreadPool", "pthread_sigmask")):
            yield call


def toml(tree: ast.AST) -> Iterator[ast.AST]:
    yield from imported(tree, "tomllib", "tomli", "toml")
    for call, name in calls(tree):
        pattern = call.args[0] if call.args and name.startswith("re.") else None
        if isinstance(pattern, ast.Constant) and re.match(r"\^(\\s\*)?\\\[", str(pattern.value)):
            yield call


def providers_with_a_key(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield lists that take from all providers those that fit, and a default that is taken for a name."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
            texts = [ast.unparse(each) for part in node.generators for each in (part.iter, *part.ifs)]
            asked = "key_origin" in " ".join(texts) or any(re.search(r"\bin \w*key", text) for text in texts)
            if asked and re.search(r"registry\.names\(\)|PROVIDERS\b", texts[0]):
                yield node
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "registry.default":
            yield node


#: Without a name, a key is the first provider's.
FIRST = {
    # An address does not name one there: it may be given for each provider beside its key.
    "plugins/modules/offer_info.py",
    # A run that has no pod yet has no provider; its result has to name one.
    "plugins/plugin_utils/_status/runs.py",
}

HOMES = [
    Home(
        "money, durations and sizes in a text",
        # What runs on a pod imports nothing of the collection.
        (
            f"{CORE}units.py",
            "plugins/module_utils/_training/launch.py",
            "plugins/module_utils/_training/supervisor.py",
        ),
        "use usd, usd_total, duration or size of _core/units.py",
        written_units,
        (
            "f'after {seconds:.0f} s'",
            "f'{most:g} seconds'",
            "f'{count / 1e6:.1f} MB in all'",
            "f'{count:,d} bytes'",
            "f'a bid is USD {least}'",
            "f'${price:.2f}'",
        ),
        ("f'{count} seconds'", "f'{hours:g} hours'", "f'M{x:.1f} {y:.1f}'", "f'{name:<8}s'"),
    ),
    Home(
        "reading a public key",
        (f"{CORE}public_keys.py",),
        "use is_public_key, identity, key_lines or fingerprint of _core/public_keys.py",
        key_readers,
        (
            "'SHA256:' + digest",
            "f'SHA256:{digest}'",
            "[key.split()[:2] for key in public_keys]",
            "def identity(line): return tuple(line.split()[:2])",
            "re.compile(r'(ssh|ecdsa|sk)-[a-z0-9-]+ ')",
        ),
        ("out.split()[1:2]", "def identity(pid): pass", "key.split(' ', 1)"),
    ),
    Home(
        "starting a thread",
        (
            f"{CORE}threads.py",
            f"{CORE}workers.py",
            # The thread of one exchange or one log, which its caller leaves behind when the time is over.
            "plugins/module_utils/_http/events.py",
            "plugins/module_utils/_http/exchange.py",
            # Those read or feed a process that they start, which must get signals, or hash files beside it.
            "plugins/plugin_utils/_follow/checkpoints.py",
            "plugins/plugin_utils/_transfer/bounds.py",
            "plugins/plugin_utils/_transfer/manifest.py",
            "plugins/plugin_utils/_transfer/push.py",
            "plugins/plugin_utils/_transfer/tar.py",
        ),
        "use begin or run_together of _core/threads.py, or WorkerPool of _core/workers.py",
        threads,
        (
            "threading.Thread(target=work).start()",
            "with ThreadPoolExecutor(4) as pool: pass",
            "signal.pthread_sigmask(signal.SIG_BLOCK, signals)",
        ),
        ("threading.Event()", "run_together(works, 'x')"),
    ),
    Home(
        "reading TOML",
        ("plugins/module_utils/_providers/runpod/config.py",),
        "read it where RunPod's config.toml is read",
        toml,
        ("import tomllib", r"re.compile(r'^\s*\[\s*(?P<name>[^\]]*)\]')", "from tomli import loads"),
        (r"re.compile(r'[\w.]+')",),
    ),
    Home(
        "which providers are asked",
        ("plugins/module_utils/_providers/registry.py", *sorted(FIRST)),
        "use registry.meant",
        providers_with_a_key,
        (
            "[name for name in registry.names() if registry.key_origin(name, environ, sources)]",
            "[name for name in registry.names() if name in used or name in keyed]",
            "[each.name for each in PROVIDERS if each.key_origin(environ, sources) is not None]",
            "providers or [registry.default()]",
        ),
        (
            "[name for name in registry.names() if registry.capabilities(name).query]",
            "[name for name in registry.names() if (params[name] or {}).get('api_key')]",
        ),
    ),
    Home(
        "reading a version",
        # An image's name has versions such as cu128, which are turned into 12.8 before they are read.
        (f"{CORE}units.py", "plugins/plugin_utils/_plan/cuda.py"),
        "use version, whole_version, major_minor or is_cuda_version of _core/units.py",
        versions,
        (
            "tuple(map(int, text.split('.')))",
            r"re.compile(r'^\d+\.\d+$')",
            r"re.match(r'v?([0-9]+)(?:\.([0-9]+))?', text)",
            r"re.match(r'[0-9]+(?:\.[0-9]+)*', text)",
            "from packaging.version import Version",
            "from ansible.module_utils.compat.version import LooseVersion",
        ),
        (
            r"re.fullmatch(r'\d+(\.\d+)?', text)",
            r"re.search(r'threshold=(\d+(?:\.\d+)?)', text)",
            "text.rpartition('.')",
        ),
    ),
]


@pytest.mark.parametrize("home", HOMES, ids=str)
def test_it_has_one_home(home):
    assert not [path for path in home.files if path not in PLUGINS]
    found = [
        f"{path}:{node.lineno}: {home.thing} has a home: {home.instead}"
        for path in PLUGINS
        if path not in home.files
        for node in home.finds(parsed(path))
    ]
    assert found == []


@pytest.mark.parametrize("home", HOMES, ids=str)
def test_no_exception_is_out_of_date(home):
    assert [path for path in home.files if not any(home.finds(parsed(path)))] == []


@pytest.mark.parametrize(("home", "code"), [(home, code) for home in HOMES for code in home.planted], ids=str)
def test_a_second_home_is_found(home, code):
    assert any(home.finds(ast.parse(code)))


@pytest.mark.parametrize(("home", "code"), [(home, code) for home in HOMES for code in home.innocent], ids=str)
def test_what_only_looks_like_it_is_left_alone(home, code):
    assert not any(home.finds(ast.parse(code)))
