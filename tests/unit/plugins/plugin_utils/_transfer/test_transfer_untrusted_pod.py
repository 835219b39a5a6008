# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pulls from a pod that lies: nothing of the user is written or deleted but below the destination, and it is told."""

from __future__ import annotations

import io
import os
import resource
import shutil
import subprocess
import sys
import tarfile

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from ansible_collections.podyard.gpu.plugins.plugin_utils._common.ssh import SshHost
from ansible_collections.podyard.gpu.plugins.plugin_utils._follow.checkpoints import Checkpoints, checked_files
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer import bounds, listing, pull, remote, rsync, tar
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.bounds import Oversize, Overtime, Watch
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.foreign import Distrusted
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.landing import Landing
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.manifest import TreeError
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.progress import Progress
from ansible_collections.podyard.gpu.tests.unit.fakes.untrusted_pod import ADDRESS, UntrustedPod, hashed, line

HAS_RSYNC = shutil.which("rsync") is not None
METHODS = ["tar", pytest.param("rsync", marks=pytest.mark.skipif(not HAS_RSYNC, reason="there is no rsync here"))]
BAD_NAMES = [
    b"../../../.bashrc", b"/etc/passwd", b"a/../../b", b"./a", b"a//b", b"a/", b"", b".", b"..", b".podyard-incoming/a",
]  # fmt: skip


@pytest.fixture(name="pod")
def _pod(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "MEASURE_SECONDS", 0.01)
    return UntrustedPod(tmp_path)


# What it says


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_in_a_listing_that_leads_elsewhere_ends_the_pull(pod, name):
    pod.listing(line(b"good"), line(name), hashes=hashed(b"good"))
    with pytest.raises(Distrusted, match="The pod names a file"):
        pod.pull()
    assert pod.unharmed()
    assert not pod.dest.exists()


@pytest.mark.parametrize("name", [name for name in BAD_NAMES if name not in (b"", b"./a")])
def test_a_name_among_the_hashes_that_leads_elsewhere_ends_the_pull(pod, name):
    pod.listing(line(b"good"), hashes=hashed(b"good") + hashed(name))
    with pytest.raises(Distrusted, match="The pod names a file"):
        pod.pull()
    assert pod.unharmed()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([line(b"a", size=b"-1")], "'a' has '-1' bytes"),
        ([line(b"a", size=b"many")], "'a' has 'many' bytes"),
        ([line(b"a", size=b"9" * 30)], "bytes"),
        ([line(b"a"), line(b"a", size=b"4")], "'a' twice, with different words"),
        ([line(b"a"), line(b"a", kind=b"l", link=b"b")], "'a' twice"),
        ([b"f f 3 10.5 11.5\0\0"], "which is no line of a listing"),
        ([b"\x1b[31mf f 3\0\0"], r"lists '\\x1b\[31mf f 3'"),
        ([b"file f 3 10.5 11.5 a\0\0"], "no line of a listing"),
        ([b"f f 3 nan 11.5 a\0\0"], "'a' changed at 'nan and 11.5'"),
        ([b"f f 3 1e999 11.5 a\0\0"], "changed at"),
        ([b"f f 3 10.5 11.5 a\0"], "no line of a listing"),
    ],
)
def test_what_no_listing_holds_is_told(pod, lines, words):
    pod.listing(*lines, hashes=hashed(b"a"))
    with pytest.raises(Distrusted, match=words):
        pod.pull()
    assert pod.unharmed()


@pytest.mark.parametrize(
    "answer",
    [b"a" * 63 + b"  ./a\0", b"A" * 64 + b"  ./a\0", b"z" * 64 + b"  ./a\0", b"b" * 64 + b"\n./a\0", b"sha256sum: no\0",
     b"@s x 10.5 11.5 ./a\0", b"@s 3 inf 11.5 ./a\0"],
)  # fmt: skip
def test_what_is_no_hash_is_told(pod, answer):
    pod.listing(line(b"a"), hashes=answer)
    with pytest.raises(Distrusted, match=r"SHA-256|bytes|changed at"):
        pod.pull()
    assert pod.unharmed()


@pytest.mark.parametrize(
    "facts", [b"root=relative\0", b"root=\0", b"root=/a\x1b[2J\0", b"root=/" + b"x" * 5000 + b"\0"]
)
def test_a_directory_that_is_none_is_told(pod, facts):
    pod.listing(line(b"a"), hashes=hashed(b"a"), facts=facts)
    with pytest.raises(Distrusted, match="is the directory"):
        pod.pull()


def test_facts_that_are_none_decide_nothing(pod):
    for value in (b"-5", b"nan", b"\xc2\xb2", b"9" * 40, b""):
        pod.listing(facts=b"cores=" + value + b"\0df=/dev/sda1 1 1 " + value + b" 1% /\0rsync=version 3\0")
        assert pod.pull().mode == "tar"
    tree = listing.RemoteTree("/w", True, False, {"cores": "9999", "df": "a b c \u00b2 e f"}, True)
    assert (tree.cores, tree.free_bytes) == (listing.MOST_CORES, None)


def test_the_text_of_a_link_may_be_any(pod):
    (pod.tree / "end").symlink_to("@end")
    (pod.tree / "hash").symlink_to("@hash")
    (pod.tree / "a").write_text("a")
    report = pod.pull()
    assert (pod.fetched(), sorted(report.extra["skipped_links"])) == ({"a": "a"}, ["end", "hash"])


def test_a_listing_without_end_is_hung_up_on(pod, monkeypatch):
    monkeypatch.setattr(remote, "MOST_LISTED", 1 << 20)
    pod.answer("@list", "printf '@podyard@\\n'; yes")
    with pytest.raises(
        AnsibleActionFail, match=r"my-pod answered with more than 1.0 MB of output; the connection was ended"
    ):
        pod.pull()


def test_more_names_than_can_be_compared_are_refused(pod, monkeypatch):
    monkeypatch.setattr(listing, "MOST_NAMES", 10)
    monkeypatch.setattr(listing, "_MOST_TOKENS", 100)
    pod.listing(*(line(b"%d" % number) for number in range(11)))
    with pytest.raises(AnsibleActionFail, match="lists more than 10 files and directories"):
        pod.pull()
    pod.listing(*(line(b"%d" % number) for number in range(60)))
    with pytest.raises(AnsibleActionFail, match="lists more than"):
        pod.pull()


def test_more_hashes_than_were_asked_for_are_hung_up_on(pod, monkeypatch):
    monkeypatch.setattr(remote, "FEW_BYTES", 1000)
    (pod.tree / "a").write_text("a")
    pod.program("find", 'for word do [ "$word" != -printf ] || exit 1; done; exec /usr/bin/find "$@"')
    pod.answer("hash_told >", "printf '@podyard@\\n'; yes")
    with pytest.raises(AnsibleActionFail, match="verifying: my-pod answered with more than"):
        pod.pull()


def test_error_text_without_end_is_cut_on_the_pod(pod):
    (pod.tree / "a").write_text("a")
    # As a tree in which a hundred thousand files went away while they were hashed.
    pod.program(
        "sha256sum", 'yes "sha256sum: No such file" 2>/dev/null | head -c 2000000 >&2; exec /usr/bin/sha256sum "$@"'
    )
    pod.program("python3", "exit 1")
    assert pod.pull().manifest["a"][0] == 1


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"path": "checkpoints/../../guard.json"}, "which is refused: it leads out"),
        ({"path": "/etc/passwd"}, "it is absolute"),
        ({"path": None}, "no text"),
        ({"path": "guard.json"}, "which is not in checkpoints, where it was to look"),
        ({"path": "checkpoints"}, "which is not in checkpoints"),
        ({"bytes": -1}, "has '-1' bytes"),
        ({"bytes": True}, "has 'True' bytes"),
        ({"bytes": "5"}, "bytes"),
        ({"bytes": 1 << 70}, "bytes"),
        ({"mtime": float("nan")}, "changed at 'nan'"),
        ({"mtime": "now"}, "changed at"),
        ({"group": None}, "changed at"),
    ],
)
def test_a_look_that_lies_about_checkpoints_fetches_nothing(pod, record, words):
    good = {"path": "checkpoints/w.bin", "group": "checkpoints", "bytes": 5, "mtime": 1.0}
    assert checked_files([good], "checkpoints") == [good]
    with pytest.raises(Distrusted, match=words):
        checked_files([good, {**good, **record}], "checkpoints")
    for lie in (None, {}, "a", [None], ["a"]):
        with pytest.raises(Distrusted, match="in the place of"):
            checked_files(lie, "")
    host = SshHost("/no/such/ssh", "my-pod", ADDRESS, (), False)
    follower = Checkpoints(host, str(pod.tree), pod.dest, ["checkpoints/*"], pod.shown.append)
    for _look in range(3):
        follower.offer([{**good, **record}])
    follower.finish([{**good, **record}])
    assert [line for line in pod.shown if "no checkpoint is fetched: The pod" in line] == pod.shown
    assert (len(pod.shown), follower.busy, follower.fetched) == (1, False, [])
    assert not pod.dest.exists()


# What it sends


def archive(*members: tuple[str, bytes | int, dict]) -> bytes:
    """A tar archive of these members: name, content or only its length, and what else is set."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as made:
        for name, content, fields in members:
            member = tarfile.TarInfo(name)
            for field, value in fields.items():
                setattr(member, field, value)
            member.size = len(content) if isinstance(content, bytes) else content
            if isinstance(content, bytes) and member.isreg():
                made.addfile(member, io.BytesIO(content))
            else:
                target.write(member.tobuf(tarfile.GNU_FORMAT))
    return target.getvalue()


@pytest.fixture(name="packed")
def _packed(pod):
    """Lets a pod that offers the files `a` and `sub/b` answer with an archive of its own."""
    (pod.tree / "sub").mkdir()
    (pod.tree / "a").write_text("aaa")
    (pod.tree / "sub" / "b").write_text("bbb")

    def give(data: bytes, then: str = "", **options):
        (pod.directory / "archive").write_bytes(data)
        pod.program("tar", f"cat '{pod.directory}/archive'; {then or 'exit 0'}")
        return pod.pull(verify=options.pop("verify", False), **options)

    return give


@pytest.mark.parametrize("name", ["../../../.bashrc", "/etc/passwd", "sub/../../x", "sub//b", ".podyard-incoming/a"])
def test_a_member_that_leads_elsewhere_ends_the_pull(pod, packed, name):
    with pytest.raises(Distrusted, match="The pod names a file"):
        packed(archive(("./a", b"aaa", {}), (name, b"owned", {})))
    assert pod.unharmed()
    assert pod.fetched() == {} or set(pod.fetched()) == {".podyard-incoming/a"}


def test_links_and_devices_of_an_archive_are_not_made(pod, packed):
    data = archive(
        ("./sub", 0, {"type": tarfile.SYMTYPE, "linkname": "../../../.."}),
        ("./sub/b", b"owned", {}),
        ("./a", 0, {"type": tarfile.LNKTYPE, "linkname": str(pod.canary)}),
        ("./a", 0, {"type": tarfile.CHRTYPE}),
        ("./a", b"aaa", {"mode": 0o6777, "mtime": 1 << 60}),
        ("./more", b"unasked", {}),
        ("./a/below", b"unasked", {}),
    )
    packed(data)
    assert pod.unharmed()
    assert pod.fetched() == {"a": "aaa", "sub/b": "owned"}
    assert (pod.dest / "a").stat().st_mode & 0o7777 == 0o755


def test_a_file_that_comes_twice_is_refused(pod, packed):
    with pytest.raises(Distrusted, match="sends 'a' twice"):
        packed(archive(("./a", b"aaa", {}), ("./a", b"bbb", {})))
    assert pod.unharmed()


@pytest.mark.parametrize("size", [bounds.GROWTH + 4, 1 << 40])
def test_a_file_larger_than_listed_is_not_begun(pod, packed, size):
    with pytest.raises(Oversize, match=r"'a' is larger than the 3 B that the pod told before"):
        packed(archive(("./a", size, {})), "exec yes")
    assert pod.unharmed()
    assert (sum(path.stat().st_size for path in pod.dest.rglob("*") if path.is_file())) == 0


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK])
def test_a_name_without_end_fills_no_memory(pod, packed, kind):
    with pytest.raises(AnsibleActionFail, match="the archive holds what none holds"):
        packed(archive(("./a", 1 << 40, {"type": kind})), "exec yes")
    assert pod.unharmed()


def test_a_sparse_file_is_refused(pod, packed):
    with pytest.raises(AnsibleActionFail, match="the archive holds what none holds"):
        packed(archive(("./a", 0, {"type": tarfile.GNUTYPE_SPARSE})))


def test_an_archive_without_end_is_hung_up_on(pod, packed, monkeypatch):
    monkeypatch.setattr(tar, "GROWTH", 1 << 20)
    with pytest.raises(Oversize, match=r"transfer \(pull results\): more comes than the 6 B"):
        packed(archive(("./a", b"aaa", {})), "exec cat /dev/zero")
    assert pod.unharmed()


@pytest.mark.parametrize("data", [b"no archive at all" * 100, b"\xff" * 512, b"\x1f\x8b" + b"x" * 1000])
def test_what_is_no_archive_is_told(pod, packed, data):
    with pytest.raises(AnsibleActionFail):
        packed(data, verify=True)
    assert pod.unharmed()


def test_a_pod_that_falls_silent_is_given_up(pod, packed, monkeypatch):
    monkeypatch.setattr(tar, "STALL_SECONDS", 0.2)
    monkeypatch.setattr(tar, "ENDED_SECONDS", 0.2)
    with pytest.raises(AnsibleConnectionFailure, match=r"nothing moved for 0\.2 s"):
        packed(archive(("./a", 3, {})), "exec sleep 5")
    assert pod.unharmed()


@pytest.mark.parametrize("method", METHODS)
def test_error_text_without_end_is_hung_up_on(pod, monkeypatch, method):
    monkeypatch.setattr(bounds, "WORDS", 1 << 20)
    monkeypatch.setattr(bounds, "WORDS_OF_FILE", 0)
    (pod.tree / "a").write_text("aaa")
    for name in ("tar", "rsync"):
        pod.program(name, f'[ "$1" != --version ] || exec /usr/bin/{name} "$@"\nexec yes >&2')
    with pytest.raises(Overtime, match=r"the pod sent more than 1\.0 MB of messages"):
        pod.pull(method=method)
    assert pod.unharmed()


@pytest.mark.parametrize("method", METHODS)
def test_a_transfer_has_an_end(pod, monkeypatch, method):
    monkeypatch.setattr(bounds, "SLACK_SECONDS", 0.1)
    (pod.tree / "a").write_bytes(b"a" * 5000)
    # A byte now and then, so that nothing looks like a stall.
    for name in ("tar", "rsync"):
        pod.program(
            name, f'[ "$1" != --version ] || exec /usr/bin/{name} "$@"\nwhile printf x 2>/dev/null; do sleep 0.05; done'
        )
    monkeypatch.setattr(bounds, "SLOWEST", 1 << 40)
    with pytest.raises((Overtime, AnsibleConnectionFailure, AnsibleActionFail), match=r"has not ended|protocol|rsync"):
        pod.pull(method=method)
    assert pod.unharmed()


# What it offers, honestly read


@pytest.mark.parametrize("method", METHODS)
def test_there_must_be_room_for_what_is_fetched(pod, method):
    with open(pod.tree / "huge.bin", "wb") as sparse:
        sparse.truncate(1 << 43)
    (pod.tree / "small").write_text("x")
    with pytest.raises(
        AnsibleActionFail, match=r"has 8\.8 TB to fetch, .* huge\.bin, but .* has only .* free"
    ) as raised:
        pod.pull(method=method, verify=False)
    assert "Make room" in str(raised.value)
    assert pod.unharmed()
    assert pod.fetched() == {}


@pytest.mark.parametrize("method", METHODS)
def test_no_more_comes_than_may(pod, method):
    (pod.tree / "a").write_bytes(b"a" * 3000)
    (pod.tree / "b").write_bytes(b"b" * 1001)
    with pytest.raises(
        AnsibleActionFail, match=r"has 4\.0 kB to fetch .* being a, but no more than 4\.0 kB may come .max_gb"
    ):
        pod.pull(method=method, most=4000)
    assert not pod.dest.exists()
    assert len(pod.pull(method=method, most=4001).sent) == 2


def test_what_is_here_already_needs_no_room_again(pod, monkeypatch):
    (pod.tree / "a").write_bytes(b"a" * 3000)
    incoming = pod.dest / ".podyard-incoming"
    incoming.mkdir(parents=True)
    (incoming / "a").write_bytes(b"a" * 2900)
    (incoming / "other").write_bytes(b"x" * 3000)
    monkeypatch.setattr(pull.Landing, "free_bytes", bounds.RESERVE + 100)
    assert list(pod.pull().sent) == ["a"]
    monkeypatch.setattr(pull.Landing, "free_bytes", bounds.RESERVE + 99)
    (pod.tree / "b").write_bytes(b"b" * 100)
    with pytest.raises(AnsibleActionFail, match="100 B to fetch"):
        pod.pull()


@pytest.mark.parametrize("method", METHODS)
def test_a_link_of_an_earlier_pull_is_not_followed(pod, method):
    (pod.tree / "real").mkdir()
    (pod.tree / "real" / "x").write_text("x")
    (pod.tree / "way").symlink_to("real")
    pod.pull(method=method)
    assert pod.fetched() == {"real/x": "x", "way": "-> real"}
    (pod.tree / "way").unlink()
    (pod.tree / "way").mkdir()
    (pod.tree / "way" / "x").write_text("through the link")
    with pytest.raises(TreeError, match="way is a symbolic link, which is not followed"):
        pod.pull(method=method)
    assert pod.fetched() == {"real/x": "x", "way": "-> real"}
    assert pod.unharmed()


@pytest.mark.parametrize("method", METHODS)
def test_links_lead_to_what_was_fetched_and_nowhere_else(pod, method):
    (pod.tree / "d").mkdir()
    (pod.tree / "d" / "x").write_text("x")
    for name, text in (
        ("file", "d/x"), ("round", "d/../d/x"), ("out", "../user/.bashrc"), ("absolute", str(pod.canary)),
        ("top", "."), ("above", ".."), ("folder", "d"), ("nowhere", "none"), ("d/up", ".."), ("d/side", "../file"),
    ):  # fmt: skip
        (pod.tree / name).symlink_to(text)
    report = pod.pull(method=method)
    # A link that leads out of the tree leads, on the pod, to a file of the pod: its content comes.
    assert pod.fetched() == {
        "d/x": "x", "file": "-> d/x", "round": "-> d/x", "out": "mine", "absolute": "mine", "folder": "-> d",
        "d/side": pod.fetched()["d/side"],
    }  # fmt: skip
    assert pod.fetched()["d/side"] in ("x", "-> ../file")
    assert sorted(report.extra["skipped_links"]) == ["above", "d/up", "nowhere", "top"]
    assert pod.pull(method=method).changed is False


@pytest.mark.parametrize("method", METHODS)
def test_a_directory_is_not_removed_for_a_file(pod, method):
    (pod.tree / "model").write_text("new")
    (pod.dest / "model").mkdir(parents=True)
    (pod.dest / "model" / "w").write_text("mine")
    with pytest.raises(TreeError, match="model is a directory here and a file on the pod"):
        pod.pull(method=method)
    assert pod.fetched() == {"model/w": "mine"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.foreign_records
def test_nothing_comes_into_a_directory_that_controls_a_run(pod, method):
    run = pod.dest.parent
    for name in ("guard.json", "attempts.jsonl", "run.json"):
        (run / name).write_text("mine")
        (pod.tree / name).write_text("owned")
    with pytest.raises(TreeError, match="holds what controls a run"):
        pod.pull(method=method, dest=run)
    (pod.tree / "x").mkdir()
    (pod.tree / "x" / "guard.json").write_text("owned")
    with pytest.raises(TreeError, match="x holds what controls a run"):
        pod.pull(method=method, dest=run.parent)
    assert all((run / name).read_text() == "mine" for name in ("guard.json", "attempts.jsonl", "run.json"))
    assert sorted(path.name for path in run.iterdir()) == ["attempts.jsonl", "guard.json", "run.json"]


@pytest.mark.parametrize("method", METHODS)
def test_files_that_are_swapped_while_they_are_fetched(pod, method):
    for name in ("pipe", "linked", "folder", "gone", "same"):
        (pod.tree / name).write_text("xxx")
    (pod.directory / "elsewhere").write_text("something else of this pod")
    swap = (
        f"cd '{pod.tree}'; [ -p pipe ] || {{ rm -rf pipe linked folder gone; mkfifo pipe; mkdir folder; "
        "echo y >folder/y;"
        f" ln -s '{pod.directory}/elsewhere' linked; }}; cd - >/dev/null"
    )
    for name in ("tar", "rsync"):
        pod.program(name, f'[ "$1" != --version ] || exec /usr/bin/{name} "$@"\n{swap}\nexec /usr/bin/{name} "$@"')
    # The second look at what came otherwise must not wait for a pipe that nobody writes to.
    pod.program("python3", "exit 1")
    pod.program("sha256sum", 'for word; do [ ! -p "$word" ] || exit 1; done\nexec /usr/bin/sha256sum "$@"')
    report = pod.pull(method=method, skip_changing=True)
    assert pod.fetched()["same"] == "xxx"
    assert set(pod.fetched()) <= {"same", "linked"}
    assert "gone" in report.extra["vanished"]
    assert pod.unharmed()


@pytest.mark.skipif(not HAS_RSYNC, reason="there is no rsync here")
def test_rights_and_kinds_that_rsync_would_keep_are_gone(pod):
    (pod.tree / "run").write_text("x")
    (pod.tree / "run").chmod(0o6777)
    (pod.tree / "closed").mkdir()
    (pod.tree / "closed" / "x").write_text("x")
    (pod.tree / "closed" / "x").chmod(0o444)
    os.mkfifo(pod.tree / "pipe")
    pod.pull(method="rsync")
    assert (pod.dest / "run").stat().st_mode & 0o7777 == 0o755
    assert set(pod.fetched()) == {"run", "closed/x"}


@pytest.mark.skipif(not HAS_RSYNC, reason="there is no rsync here")
def test_a_file_that_outgrows_its_listing_is_left_by_rsync(pod, monkeypatch):
    monkeypatch.setattr(rsync, "GROWTH", 1000)
    (pod.tree / "a").write_text("aaa")
    grow = f"head -c 5000 /dev/zero >>'{pod.tree}/a'"
    pod.program("rsync", f'[ "$1" != --version ] || exec /usr/bin/rsync "$@"\n{grow}\nexec /usr/bin/rsync "$@"')
    with pytest.raises(AnsibleActionFail, match="something still writes to them"):
        pod.pull(method="rsync")
    assert pod.fetched() == {}


@pytest.mark.skipif(not HAS_RSYNC, reason="there is no rsync here")
def test_rsync_is_ended_when_more_comes_than_was_told(pod):
    # No honest rsync sends more than it has told the other one, so that the bound is drawn where it must strike.
    (pod.tree / "a").write_bytes(os.urandom(3 << 20))
    pod.dest.mkdir()
    host = SshHost(str(pod.directory / "ssh"), "my-pod", ADDRESS, (), False)
    job = rsync.Job(host, pod.dest, str(pod.tree), ["a"], 100, Progress("pull x", 100, print), limit=1)
    with (
        Landing(pod.dest) as landing,
        pytest.raises(Oversize, match="transfer: more comes than the 100 B that the pod"),
    ):
        places = [host.rsync_place(f"{pod.tree}/"), f"{pod.dest}/"]
        rsync._run(job, rsync.PULL_OPTIONS, places, Watch("transfer", 100, 0, 1, landing.weigh, 1000))
    assert pod.unharmed()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="this system cannot limit another process")
def test_the_kernel_refuses_a_file_beyond_its_bound(tmp_path):
    program = "import sys; sys.stdin.read(); open(sys.argv[1], 'wb').write(b'x' * 100000)"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "f")],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, restore_signals=False,
    ) as process:  # fmt: skip
        rsync._limit_files(process, 5000)
        _out, words = process.communicate()
    assert (tmp_path / "f").stat().st_size <= 5000
    assert b"File too large" in words
