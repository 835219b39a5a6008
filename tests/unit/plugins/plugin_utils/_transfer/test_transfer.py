# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the transfer that need no host: progress, reading the host's answers, messages."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from ansible_collections.podyard.gpu.plugins.module_utils._core.patterns import Patterns
from ansible_collections.podyard.gpu.plugins.plugin_utils._common.ssh import Completed, Shell, SshHost
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer import remote as far
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer import rsync
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.listing import Entry, RemoteTree
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.progress import Progress
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.transfer import (
    Mover,
    Report,
    Request,
    named,
    same_by_look,
)

HOST = SshHost("ssh", "my-pod", "203.0.113.9", (), False)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_progress_is_silent_for_two_seconds_and_then_seldom():
    clock = Clock()
    lines: list[str] = []
    progress = Progress("push data", 100_000_000, lines.append, clock)
    for second in range(13):
        clock.now = 100.0 + second
        progress.at(second * 1_000_000)
    assert lines == [
        "push data: 2.0 MB of 100.0 MB (2 %), 1.0 MB/s, 1 min 38 s left",
        "push data: 7.0 MB of 100.0 MB (7 %), 1.0 MB/s, 1 min 33 s left",
        "push data: 12.0 MB of 100.0 MB (12 %), 1.0 MB/s, 1 min 28 s left",
    ]


def test_progress_knows_nothing_and_everything():
    progress = Progress("x", 0, print)
    assert progress.line(0.0) == "x: 0 B of 0 B (100 %), 0 B/s"
    progress.total = progress.done = 5
    assert progress.line(1.0) == "x: 5 B of 5 B (100 %), 5 B/s"


class FakeShell(Shell):
    """Answers every script with the same output."""

    def __init__(self, output, code=0, banner=b"", error=""):
        super().__init__(HOST)
        self.answer = Completed(code, output, banner, error)

    def run(self, stage, remote, data=b"", **_options):
        self.data = data
        return self.answer


SHA = b"a" * 64
LISTING = (
    b"root=/w/data\0directory=1\0rsync=rsync  version 3.2.7  protocol version 31\0tar=/usr/bin/tar\0cores=8\0"
    b"df=/dev/sda1 100 50 40 50% /w\0@list\0"
    b"f f 5 10.5 11.5 a b\0\0l f 3 9.0 9.0 link\0a b\0d d 4096 1.0 1.0 sub\0\0f f 2 0 0 sub/\xff\0\0"
    b"@known\0@s 5 10.5 11.5 ./a b\0" + SHA + b"  ./a b\0@s 5 1.0 1.0 ./gone\0" + SHA + b"  ./gone\0torn"
    b"\0@hash\0" + SHA.replace(b"a", b"c") + b"  ./sub/\xff\0@end\0"
)


def test_a_hosts_answer_is_read():
    tree = far.look(FakeShell(LISTING), "/w/data", remember=True)
    assert (tree.root, tree.exists, tree.clean, tree.free_bytes) == ("/w/data", True, True, 40 * 1024)
    assert set(tree.entries) == {"a b", "link", "sub", "sub/\udcff"}
    assert tree.entries["link"].link == "a b"
    assert tree.proved("a b") == SHA.decode()
    assert tree.proved("sub/\udcff") == "c" * 64
    assert tree.proved("gone") is None


def test_a_changed_stamp_proves_nothing():
    tree = far.look(FakeShell(LISTING.replace(b"f f 5 10.5 11.5", b"f f 5 10.5 11.6")), "/w/data", remember=True)
    assert tree.proved("a b") is None


def test_a_talkative_shell_is_told_apart():
    assert far.look(FakeShell(LISTING, banner=b"Welcome"), "/w/data").clean is False


@pytest.mark.parametrize("source", [b"mfs#10.0.0.1:9421", b"nas:/export"])
def test_free_space_of_a_network_volume_is_unknown(source):
    assert far.look(FakeShell(LISTING.replace(b"/dev/sda1", source)), "/w/data").free_bytes is None


def test_an_answer_that_ends_early_is_no_answer():
    with pytest.raises(AnsibleActionFail, match="ended early: killed"):
        far.look(FakeShell(LISTING.partition(b"@known")[0], error="killed"), "/w/data")
    with pytest.raises(AnsibleActionFail, match="Reading /w/data failed on the host: mkdir: Read-only file system"):
        far.look(FakeShell(b"", code=3, error="mkdir: Read-only file system"), "/w/data")
    tree = far.look(FakeShell(LISTING), "/w/data")
    with pytest.raises(AnsibleActionFail, match="Verifying on the host ended early"):
        far.hash_files(FakeShell(SHA + b"  ./a\0"), tree, ["a"], [1])


def test_paths_travel_between_nul_bytes():
    shell = FakeShell(SHA + b"  ./-n\0@end\0")
    tree = far.look(FakeShell(LISTING), "/")
    far.hash_files(shell, tree, ["-n", "\udcff"], [1, 1])
    assert (tree.hashes["-n"], tree.hashes.get("\udcff")) == (SHA.decode(), None)
    assert shell.data == b"./-n\0./\xff\0"


def mover(method="auto", clean=True, **facts):
    made = Mover(HOST, Request("a", "b", Patterns(), "data", method=method), print)
    facts = {"tar": "/bin/tar", "rsync": "rsync  version 3.2.7  protocol version 31", **facts}
    made.choose(RemoteTree("/w", True, False, facts, clean))
    return made.mode


def test_rsync_is_taken_where_both_have_it(monkeypatch):
    monkeypatch.setattr(rsync, "usable", lambda: True)
    assert mover() == "rsync"
    assert mover("tar") == "tar"
    assert mover(clean=False) == "tar"
    for there in (
        "",
        "openrsync: protocol version 30",
        "rsync  version 2.6.9  protocol version 29",
        "version 3",
        "rsync  version 3",
    ):
        assert mover(rsync=there) == "tar"
    for there in ("rsync  version 3.0.9  protocol version 30", "rsync  version v3.2.3  protocol version 31"):
        assert mover(rsync=there) == "rsync"
    monkeypatch.setattr(rsync, "usable", lambda: False)
    assert mover() == "tar"
    with pytest.raises(AnsibleActionFail, match="rsync was asked for, but my-pod"):
        mover("rsync")
    with pytest.raises(AnsibleActionFail, match="my-pod has neither rsync nor tar"):
        mover(tar="")


@pytest.fixture(name="local_rsync")
def _local_rsync(tmp_path, monkeypatch):
    """Puts a script in the place of this machine's rsync."""

    def put(text):
        program = tmp_path / "rsync"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        rsync._knows_our_options.cache_clear()

    yield put
    rsync._knows_our_options.cache_clear()


def knowing(version, *unknown):
    """An rsync of this version that does not know some options; like the real ones it reads them in turn."""
    lacks = "".join(f'  {name}) echo "rsync: {name}: unknown option" >&2; exit 1 ;;\n' for name in unknown)
    return f'for word; do case $word in\n{lacks}  --version) echo "{version}"; exit 0 ;;\nesac; done\nexit 1'


@pytest.mark.parametrize(
    ("program", "usable"),
    [
        (knowing("rsync  version 3.1.3  protocol version 31", "--secluded-args", "--protect-args"), True),
        (knowing("rsync  version 3.2.3  protocol version 31", "--secluded-args"), True),
        (knowing("rsync  version v3.4.1  protocol version 32"), True),
        (knowing("rsync  version 3.0.9  protocol version 30", "--info=progress2"), False),
        (knowing("rsync  version 3.0.9  protocol version 30"), False),
        (knowing(f"rsync version {'9' * 5000}"), False),
        (knowing("openrsync: protocol version 29\nrsync version 2.6.9 compatible"), False),
        (knowing(f"rsync version {'9' * 5000}"), False),
        (knowing("openrsync: protocol version 30", "--8-bit-output"), False),
        (knowing("rsync  version 3.3.0  protocol version 31", "-s"), False),
        ("exit 127", False),
    ],
)
def test_which_rsync_of_this_machine_is_taken(local_rsync, program, usable):
    local_rsync(program)
    assert rsync.usable() is usable


def test_the_real_rsync_of_this_machine_is_taken(local_rsync):
    local_rsync('exec /usr/bin/rsync "$@"')
    assert rsync.usable() is True


def test_an_rsync_that_hangs_is_not_waited_for(local_rsync, monkeypatch):
    monkeypatch.setattr(rsync, "PROBE_SECONDS", 0.2)
    local_rsync("exec sleep 1000")
    assert rsync.usable() is False


def test_the_users_variables_do_not_decide_how_rsync_reads_its_options(local_rsync, tmp_path, monkeypatch):
    for name in ("RSYNC_OLD_ARGS", "RSYNC_PROTECT_ARGS", "RSYNC_RSH", "RSYNC_ICONV"):
        monkeypatch.setenv(name, "1")
    local_rsync(f'env > "{tmp_path}/seen"; echo "$@" > "{tmp_path}/arguments"')
    job = rsync.Job(HOST, tmp_path, "/w", ["a"], 0, Progress("push data", 0, print))
    rsync.push(job)
    assert "RSYNC_" not in (tmp_path / "seen").read_text()
    pushed = (tmp_path / "arguments").read_text().split()
    rsync.pull(job)
    pulled = (tmp_path / "arguments").read_text().split()
    assert {"-s", "--no-devices", "--no-specials"} <= set(pushed) & set(pulled)
    assert {"--no-links", "--force"} & set(pushed) == {"--force"}
    assert {"--no-links", "--force"} & set(pulled) == {"--no-links"}
    assert "--secluded-args" not in pushed


@pytest.mark.parametrize(
    ("code", "words", "failure", "told"),
    [
        (0, "", None, ""),
        (24, "file has vanished", None, ""),
        (255, "Connection closed by 203.0.113.9", AnsibleConnectionFailure, "Connection closed"),
        (12, "connection unexpectedly closed", AnsibleConnectionFailure, "unexpectedly closed"),
        (-9, "", AnsibleConnectionFailure, "ended by signal 9"),
        (23, "write failed: No space left on device (28)", AnsibleActionFail, "No space left on device"),
        (11, "mkdir failed: Permission denied", AnsibleActionFail, "code 11: mkdir failed: Permission denied"),
    ],
)
def test_how_rsyncs_end_is_judged(tmp_path, code, words, failure, told):
    job = rsync.Job(HOST, tmp_path, "/w", [], 0, Progress("push data", 0, print))
    if failure is None:
        rsync._judge(job, code, words)
        return
    with pytest.raises(failure, match=told) as raised:
        rsync._judge(job, code, words)
    assert "transfer (push data)" in str(raised.value)


def test_rsyncs_log_is_read():
    lines = [
        b"2026/11/22 10:15:04 [77] <f+++++++++ 5 sub/a b",
        b"2026/11/22 10:15:04 [77] >f.st...... 7 new\\#012line",
        b"2026/11/22 10:15:04 [77] cd+++++++++ 4096 sub/",
        b"2026/11/22 10:15:04 [77] sent 5 bytes  received 7 bytes",
    ]
    assert dict(rsync._logged(lines)) == {"sub/a b": 5, "new\nline": 7}


def test_a_report_becomes_a_result():
    report = Report("rsync", "/a", "/b", {"x": (3, "s"), "\udcff": (4, None)}, {"x": 3}, ["l"], removed=["old"])
    result = report.to_result(1.23456)
    assert (result["changed"], result["files"], result["bytes"], result["sent_bytes"]) == (True, 2, 7, 3)
    assert result["sent"] == ["l", "x"]
    assert result["seconds"] == 1.235
    assert result["manifest"][1] == {"path": "\\xff", "bytes": 4, "sha256": None}
    assert report.diff()["after"] == "send l\nsend x\nremove old\n"
    assert Report("tar", "/a", "/b").to_result(0)["changed"] is False


def test_long_lists_are_cut_in_messages():
    assert named(str(number) for number in range(7)) == "0, 1, 2, 3, 4 and 2 more"
    assert named(["b", "a"]) == "a, b"


def test_files_that_look_the_same():
    entry = Entry("f", "f", 5, "5 1000.250000000 9.0", "")
    assert same_by_look(entry, 5, 1000_999_999_999)
    assert not same_by_look(entry, 5, 1001_000_000_000)
    assert not same_by_look(entry, 6, 1000_250_000_000)
    assert not same_by_look(None, 5, 1000_250_000_000)
