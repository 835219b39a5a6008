# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action transfer over real SSH, as playbooks use it: both ways, with rsync and with tar, on well and badly
equipped hosts.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest
from pod_side import path_without, playing, put_program, serving, wait_for

REFUSING_FIND = """#!/bin/sh
for word; do
  [ "$word" != -printf ] || { echo "find: unknown predicate -printf" >&2; exit 1; }
done
exec /usr/bin/find "$@"
"""
ODD_NAMES = [
    "a b.txt", "-rf", "new\nline", "quo'te\"d", "ümläut", "#hash", ";semi", "back\\slash", "$(touch x)", "*", "~",
    " lead", "sub/deep/x.bin", "sub/[a].bin", ".hidden",
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server") / "s") as found:
        yield found


@pytest.fixture(scope="module")
def bare_server(tmp_path_factory):
    """A host without rsync, GNU find's -printf, sha256sum -z and Python: what busybox offers."""
    directory = tmp_path_factory.mktemp("bare")
    path = path_without(directory, "rsync", "python3", "python")
    put_program(path, "find", REFUSING_FIND)
    put_program(path, "sha256sum", '#!/bin/sh\n[ "$1" = -z ] && exit 1\nexec /usr/bin/sha256sum "$@"\n')
    with serving(directory / "s", path=path) as found:
        yield found


@pytest.fixture
def plays(server, tmp_path):
    with playing(server, tmp_path / "plays") as found:
        yield found


@pytest.fixture
def bare(bare_server, tmp_path):
    with playing(bare_server, tmp_path / "plays") as found:
        yield found


@pytest.fixture
def tree(tmp_path):
    """A tree with names that break careless programs, empty things, and links inside and outside."""
    root = tmp_path / "source"
    for number, name in enumerate(ODD_NAMES):
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(os.urandom(100 + number))
    with open(os.fsencode(root) + b"/raw\xff", "wb") as stream:
        stream.write(b"no UTF-8")
    (root / "zero").touch()
    (root / "empty" / "inside").mkdir(parents=True)
    (root / "sub" / "deep" / "x.bin").chmod(0o755)
    (root / "inner").symlink_to("sub/deep/x.bin")
    (root / "folder").symlink_to("sub")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "far.txt").write_text("from outside")
    (root / "file-outside").symlink_to(outside / "far.txt")
    (root / "folder-outside").symlink_to("../outside")
    return root


def task(direction, src, dest, name="transfer", **options):
    return {
        "name": name,
        "podyard.gpu.transfer": {"direction": direction, "src": str(src), "dest": str(dest), **options},
    }


def content(root: Path) -> dict[str, tuple[str, Any]]:
    """Everything in a tree: kind and content of each name, links as such."""
    found: dict[str, tuple[str, Any]] = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            place = Path(folder, name)
            path = str(place.relative_to(root))
            if place.is_symlink():
                found[path] = ("link", os.readlink(place))
            elif place.is_dir():
                found[path] = ("folder", None)
            else:
                found[path] = ("file", place.read_bytes())
    return found


def arrived(root: Path) -> dict[str, tuple[str, Any]]:
    """What a push of `root` must leave: as `content`, with links to the outside followed."""
    expected = content(root)
    for path, (kind, _target) in list(expected.items()):
        place = root / path
        if kind == "link" and not place.resolve().is_relative_to(root):
            expected[path] = ("file", place.read_bytes()) if place.is_file() else ("folder", None)
            if place.is_dir():
                expected.update({f"{path}/{name}": entry for name, entry in content(place).items()})
    return expected


def check_round_trip(plays, tree, tmp_path, mode, **options):
    there, back = tmp_path / "there", tmp_path / "back"
    ran = plays.good(
        task("push", tree, there, "push", **options),
        task("push", tree, there, "push again", **options),
        task("pull", there, back, "pull", **options),
        task("pull", there, back, "pull again", **options),
    )
    expected = arrived(tree)
    assert content(there) == expected
    # A pull brings files and links; it has no use for empty directories.
    kept = {path: entry for path, entry in expected.items() if not path.startswith("empty")}
    assert content(back) == kept
    assert os.access(back / "sub/deep/x.bin", os.X_OK)
    files = {path: entry[1] for path, entry in expected.items() if entry[0] == "file"}
    for name in ("push", "pull"):
        assert ran[name]["mode"] == mode
        assert ran[name]["changed"] is True
        assert ran[name]["files"] == len(files)
        assert ran[name]["bytes"] == ran[name]["sent_bytes"] == sum(map(len, files.values()))
        sums = {hashlib.sha256(data).hexdigest() for data in files.values()}
        assert {entry["sha256"] for entry in ran[name]["manifest"]} == sums
    for name in ("push again", "pull again"):
        assert ran[name]["changed"] is False, ran[name]
        assert ran[name]["sent"] == []
        assert ran[name]["manifest"] == ran["push"]["manifest"]
    assert not list(tmp_path.glob("*/.podyard-*"))


def test_everything_arrives_with_rsync(plays, tree, tmp_path):
    check_round_trip(plays, tree, tmp_path, "rsync")


def test_everything_arrives_with_tar(plays, tree, tmp_path):
    check_round_trip(plays, tree, tmp_path, "tar", method="tar")


def test_everything_arrives_at_a_bare_host(bare, tree, tmp_path):
    check_round_trip(bare, tree, tmp_path, "tar")


@pytest.mark.parametrize("method", ["rsync", "tar"])
def test_only_what_differs_goes(plays, tree, tmp_path, method):
    there = tmp_path / "there"
    push = task("push", tree, there, method=method)
    plays.good(push)
    (tree / "a b.txt").write_text("changed here")
    (tree / "more").write_text("new")
    # The same size and the same time, but other content: only the change time and the hash tell.
    damaged = there / ".hidden"
    before = damaged.stat()
    damaged.write_bytes(b"x" * before.st_size)
    os.utime(damaged, ns=(before.st_atime_ns, before.st_mtime_ns))
    (there / "zero").unlink()
    result = plays.good(push)["transfer"]
    assert result["sent"] == [".hidden", "a b.txt", "more", "zero"]
    assert content(there) == arrived(tree)
    # rsync takes the damaged file for the right one; the proof does not.
    assert result["resent"] == ([".hidden"] if method == "rsync" else [])


def test_an_unchanged_push_reads_nothing_twice(tmp_path, tree):
    directory = tmp_path / "host"
    directory.mkdir()
    path = path_without(directory, "python3", "python")
    put_program(path, "sha256sum", f'#!/bin/sh\necho "$*" >> {directory}/hashed\nexec /usr/bin/sha256sum "$@"\n')
    hashed = directory / "hashed"
    with serving(directory / "s", path=path) as server, playing(server, tmp_path / "plays") as plays:
        plays.good(task("push", tree, tmp_path / "there"))
        assert b"./a b.txt" in hashed.read_bytes()
        hashed.write_text("")
        assert plays.good(task("push", tree, tmp_path / "there"))["transfer"]["changed"] is False
        assert b"./" not in hashed.read_bytes()


def test_delete_spares_what_is_excluded(plays, tree, tmp_path):
    there = tmp_path / "there"
    (there / "old" / "deep").mkdir(parents=True)
    (there / "old" / "deep" / "file").touch()
    (there / "cache").mkdir()
    (there / "cache" / "kept.tmp").touch()
    (there / "cache" / "gone").touch()
    (there / "old link").symlink_to("nowhere")
    result = plays.good(task("push", tree, there, exclude=["*.tmp", "#hash"], delete=True))["transfer"]
    assert result["removed"] == ["cache/gone", "old", "old link"]
    expected = arrived(tree)
    del expected["#hash"]
    assert content(there) == {**expected, "cache": ("folder", None), "cache/kept.tmp": ("file", b"")}


@pytest.mark.parametrize("method", ["rsync", "tar"])
def test_files_and_directories_change_places(plays, tmp_path, method):
    source, there = tmp_path / "source", tmp_path / "there"
    for root, folder, file in ((source, "a", "b"), (there, "b", "a")):
        (root / folder).mkdir(parents=True)
        (root / folder / "x").write_text(folder)
        (root / file).write_text(file)
    plays.good(task("push", source, there, method=method), task("pull", there, tmp_path / "back", method=method))
    assert content(there) == content(source) == content(tmp_path / "back")


def test_check_mode_says_what_would_go_and_moves_nothing(plays, tree, tmp_path):
    there, back = tmp_path / "there", tmp_path / "back"
    push, pull = task("push", tree, there, "push"), task("pull", there, back, "pull")
    checked = plays.good(push, arguments=("--check", "--diff"))
    predicted = checked["push"]
    assert not there.exists()
    done = plays.good(push)["push"]
    assert predicted["sent"] == done["sent"]
    assert predicted["sent_bytes"] == done["sent_bytes"]
    assert predicted["changed"] is True
    assert "+send a b.txt\n" in checked.output
    again = plays.good(push, pull, arguments=("--check",))
    assert again["push"]["changed"] is False
    assert again["pull"]["changed"] is True
    assert not back.exists()
    assert again["pull"]["sent"] == plays.good(pull)["pull"]["sent"]


def test_patterns_choose_what_is_pulled(plays, tmp_path):
    there, back = tmp_path / "there", tmp_path / "back"
    for name in ("model.safetensors", "metrics.jsonl", "x/deep.safetensors", "x/other", "checkpoints/e1/w.bin"):
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_text(name)
    (there / "best.safetensors").symlink_to("model.safetensors")
    (there / "alone.safetensors").symlink_to("x/other")
    (there / "lost.safetensors").symlink_to("nowhere")
    wanted = ["*.safetensors", "checkpoints/*", "*.onnx", "x/[p-z]*"]
    result = plays.good(task("pull", there, back, include=wanted, exclude=["deep.*"]))["transfer"]
    assert content(back) == {
        "model.safetensors": ("file", b"model.safetensors"),
        "best.safetensors": ("link", "model.safetensors"),
        "alone.safetensors": ("file", b"x/other"),
        "checkpoints": ("folder", None),
        "checkpoints/e1": ("folder", None),
        "checkpoints/e1/w.bin": ("file", b"checkpoints/e1/w.bin"),
    }
    assert result["unmatched"] == ["*.onnx", "x/[p-z]*"]
    assert result["skipped_links"] == ["lost.safetensors"]


def test_a_single_file_and_an_empty_tree(plays, tmp_path):
    (tmp_path / "one.txt").write_text("1")
    (tmp_path / "nothing").mkdir()
    ran = plays.good(
        task("push", tmp_path / "one.txt", tmp_path / "a", "file"),
        task("push", tmp_path / "nothing", tmp_path / "b", "nothing"),
        task("pull", tmp_path / "b", tmp_path / "c", "back"),
    )
    assert content(tmp_path / "a") == {"one.txt": ("file", b"1")}
    assert content(tmp_path / "b") == {}
    assert ran["nothing"]["files"] == ran["back"]["files"] == ran["back"]["bytes"] == 0


def test_a_push_to_the_home_directory(plays, tmp_path):
    (tmp_path / "one.txt").write_text("1")
    result = plays.good(task("push", tmp_path / "one.txt", "~/new place/here"))["transfer"]
    assert result["dest"] == str(plays.server.home / "new place" / "here")
    assert (plays.server.home / "new place" / "here" / "one.txt").read_text() == "1"


def test_a_banner_of_the_shell_does_no_harm(tmp_path, tree):
    with serving(tmp_path / "s") as server, playing(server, tmp_path / "plays") as plays:
        # Only bash reads this file when sshd starts it; any other shell has no banner to print.
        (server.home / ".bashrc").write_text("echo Welcome to the pod; printf 'no line end'\n")
        ran = plays.good(
            task("push", tree, tmp_path / "there", "push"), task("pull", tmp_path / "there", tmp_path / "b", "pull")
        )
        assert ran["push"]["mode"] == ran["pull"]["mode"]
        assert content(tmp_path / "there") == arrived(tree)


def cut_a_push(plays, tmp_path, method, **options):
    """Begin a push of six MiB, cut its connection when a third has arrived, and wait for the end of the play."""
    source, there = tmp_path / "source", tmp_path / "there"
    source.mkdir()
    for number in range(6):
        (source / f"{number}.bin").write_bytes(os.urandom(1 << 20))
    # Slow enough that the cut surely hits it: six MiB at one a second.
    process = plays.start(task("push", source, there, method=method, bandwidth_limit=1, **options))
    wait_for(lambda: sum(1 for place in there.glob("*.bin") if place.stat().st_size == 1 << 20) >= 2, "two whole files")
    plays.server.cut()
    return plays.finish(process)


@pytest.mark.parametrize("method", ["rsync", "tar"])
def test_a_push_goes_on_over_a_new_connection(plays, tmp_path, method):
    ran = cut_a_push(plays, tmp_path, method)
    assert ran.code == 0, ran.output
    assert "it continues over a new connection" in ran.output
    assert content(tmp_path / "there") == content(tmp_path / "source")
    assert 0 < len(ran["transfer"]["sent"]) <= 4


@pytest.mark.parametrize("method", ["rsync", "tar"])
def test_an_interrupted_push_fails_clearly_and_goes_on(plays, tmp_path, method):
    ran = cut_a_push(plays, tmp_path, method, reconnects=0)
    assert ran.code == 4, ran.output
    assert "transfer (push source)" in ran["transfer"]["msg"]
    assert "Traceback" not in ran.output
    result = plays.good(task("push", tmp_path / "source", tmp_path / "there", method=method))["transfer"]
    assert content(tmp_path / "there") == content(tmp_path / "source")
    assert 0 < len(result["sent"]) <= 4


def test_a_slow_transfer_shows_its_progress(plays, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "big.bin").write_bytes(os.urandom(4 << 20))
    begun = time.monotonic()
    ran = plays.good(task("push", source, tmp_path / "there", bandwidth_limit=1))
    assert time.monotonic() - begun > 3
    lines = [line for line in ran.output.splitlines() if line.startswith("push source: ")]
    assert lines
    assert "of 4.2 MB" in lines[0]
    assert "MB/s" in lines[0] or "kB/s" in lines[0]


def test_a_file_that_always_arrives_wrong_is_named(tmp_path):
    directory = tmp_path / "liar"
    directory.mkdir()
    path = path_without(directory, "python3", "python")
    # A host whose disk returns something else for one file than was written.
    lie = (
        '#!/bin/sh\n/usr/bin/sha256sum "$@" | sed "s/^[0-9a-f]\\{64\\}\\(  [.]\\/bad[.]bin\\)/$(printf %064d 0)\\1/"\n'
    )
    put_program(path, "sha256sum", lie)
    source = tmp_path / "source"
    source.mkdir()
    for name in ("bad.bin", "good.bin"):
        (source / name).write_text(name)
    with serving(directory / "s", path=path) as server, playing(server, tmp_path / "plays") as plays:
        for ran in (
            plays.run(task("push", source, tmp_path / "there")),
            plays.run(task("pull", source, tmp_path / "back")),
        ):
            assert ran.code == 2, ran.output
            assert "bad.bin" in ran["transfer"]["msg"]
            assert "good.bin" not in ran["transfer"]["msg"]
            assert "SHA-256" in ran["transfer"]["msg"]
    # What was not proved is not put in its place.
    assert not (tmp_path / "back" / "bad.bin").exists()
    assert (tmp_path / "back" / "good.bin").read_text() == "good.bin"


def test_an_unreachable_host_is_said_so(plays, tmp_path):
    (tmp_path / "one.txt").write_text("1")
    plays.server.refusing = True
    try:
        plays.server.cut()
        ran = plays.run(task("push", tmp_path / "one.txt", tmp_path / "there", reconnects=1))
    finally:
        plays.server.refusing = False
    assert ran.code == 4
    assert f"reading {tmp_path / 'there'}: the SSH connection to pod (127.0.0.1) failed" in ran["transfer"]["msg"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"src": "/no/such/place"}, "/no/such/place does not exist on this machine"),
        ({"include": ["../x"]}, "leads out of the tree"),
        ({"delete": True, "include": ["*.py"]}, "delete works only for a push without include"),
        ({"bandwidth_limit": -1}, "must not be negative"),
        ({"reconnects": -1}, "reconnects must not be negative"),
        ({"sorce": "x"}, "Unsupported parameters"),
    ],
)
def test_wrong_options_get_a_sentence(plays, tmp_path, options, words):
    wrong = task("push", tmp_path, "/nowhere")
    wrong["podyard.gpu.transfer"].update(options)
    ran = plays.run(wrong)
    assert ran.code == 2
    assert words in ran["transfer"]["msg"]


def test_what_cannot_work_is_refused_in_a_sentence(plays, tmp_path):
    push = task("push", tmp_path, tmp_path / "there")
    for extra, words in (
        ({"ansible_connection": "local"}, "connection is 'local'"),
        ({"ansible_password": "secret-word"}, "keys only"),
        ({"ansible_become": True, "ansible_become_user": "nobody"}, "does not support become"),
    ):
        ran = plays.run({**push, "vars": extra})
        assert ran.code == 2, ran.output
        assert words in ran["transfer"]["msg"]
        assert "secret-word" not in ran.output


def test_a_pull_from_nowhere_is_a_failure(plays, tmp_path):
    ran = plays.run(task("pull", tmp_path / "missing", tmp_path / "here"))
    assert ran.code == 2
    assert f"There is no directory {tmp_path / 'missing'} on pod" in ran["transfer"]["msg"]
    assert not (tmp_path / "here").exists()


def test_links_that_cannot_be_moved_are_refused(plays, tmp_path):
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "lost").symlink_to("/no/such/file")
    ran = plays.run(task("push", source, tmp_path / "there"))
    assert f"{source}/lost leads to /no/such/file, which is not there" in ran["transfer"]["msg"]
    (source / "lost").unlink()
    (source / "deep" / "circle").symlink_to(source)
    ran = plays.run(task("push", source, tmp_path / "there"))
    assert "leads back to a directory above it" in ran["transfer"]["msg"]


def test_two_pulls_into_one_directory_do_not_mix(plays, tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    (there / "big.bin").write_bytes(os.urandom(8 << 20))
    pull = task("pull", there, tmp_path / "back", bandwidth_limit=1)
    first = plays.start(pull)
    wait_for((tmp_path / "back" / ".podyard-incoming").exists, "the first pull's directory")
    second = plays.start(task("pull", there, tmp_path / "back"))
    wait_for(lambda: "waits for another transfer" in plays.output(), "the second pull to wait")
    assert not (tmp_path / "back" / "big.bin").exists()
    plays.kill(first)
    # The dead one left its directory and no lock.
    assert plays.finish(second)["transfer"]["files"] == 1
    assert content(tmp_path / "back") == content(there)
