# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH keys that are one list: merging, and other writers at the same time."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import errors
from ansible_collections.podyard.gpu.plugins.module_utils._resources.account import SshKeyList
from ansible_collections.podyard.gpu.plugins.module_utils._resources.ssh_keys import WRITES, describe, ensure, read
from ansible_collections.podyard.gpu.tests.unit.fakes.cloud import FakeTime

OURS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILXGDN/SclOozk1xsDztpmhGiKkkrfQB9SKoO8dSIQQZ me@laptop"
BLOB = OURS.split()[1]
ANNA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMbfQvkjmjrWZMtmUGi4AMg51XRERD3cWjP7AHGaJeFw anna@office"
BERT = "ecdsa-sha2-nistp256 QkVSVA== bert"
CARL = "sk-ssh-ed25519@openssh.com Q0FSTA=="


class Account(SshKeyList):
    """A list of keys. ``meanwhile`` are what other writers write, one after each write of ours; None: none."""

    def __init__(self, *lines: str, meanwhile: list = ()) -> None:
        self.lines = list(lines)
        self.meanwhile = list(meanwhile)
        self.written: list[list[str]] = []

    def read(self):
        return list(self.lines)

    def write(self, lines):
        self.written.append(list(lines))
        self.lines = list(lines)
        other = self.meanwhile.pop(0) if self.meanwhile else None
        if other is not None:
            self.lines = list(other)


def bring(account, *keys, state="present", check=False):
    time = FakeTime()
    outcome = ensure(account, keys, state, check=check, clock=time.clock)
    assert len(time.slept) == len(account.written)
    return outcome


def test_a_key_is_added_and_the_others_stay_as_they_are():
    account = Account(ANNA, BERT)
    outcome = bring(account, OURS)
    assert account.written == [[ANNA, BERT, OURS]]
    assert (outcome.changed, outcome.changes) == (True, ("me@laptop",))
    assert (outcome.before, outcome.after) == ({"keys": [ANNA, BERT]}, {"keys": [ANNA, BERT, OURS]})
    assert "SSH keys added to the account: me@laptop. Keys in the account afterwards: 3." in outcome.message


@pytest.mark.parametrize("spelling", [OURS, f"ssh-ed25519 {BLOB}", f"  ssh-ed25519   {BLOB}\tsomebody  else "])
def test_a_key_that_is_there_under_any_comment_is_there(spelling):
    account = Account(ANNA, f"ssh-ed25519 {BLOB} an older comment")
    assert not bring(account, spelling).changed
    assert account.written == []


def test_the_same_blob_of_another_type_is_another_key():
    account = Account(f"ssh-rsa {BLOB}")
    assert bring(account, OURS).after == {"keys": [f"ssh-rsa {BLOB}", OURS]}


def test_a_key_is_removed_under_any_comment_and_only_that():
    account = Account(ANNA, f"ssh-ed25519 {BLOB} an older comment", OURS, "what is this", BERT)
    outcome = bring(account, f"ssh-ed25519 {BLOB}", state="absent")
    assert account.written == [[ANNA, "what is this", BERT]]
    assert outcome.changes == ("me@laptop",)
    assert not bring(Account(*account.lines), OURS, state="absent").changed


@pytest.mark.parametrize(("state", "after"), [("present", [ANNA, OURS]), ("absent", [])])
def test_check_mode_writes_nothing_and_predicts(state, after):
    account = Account(ANNA)
    keys = (OURS,) if state == "present" else (ANNA,)
    outcome = bring(account, *keys, state=state, check=True)
    assert (outcome.changed, outcome.after, account.written) == (True, {"keys": after}, [])
    assert "would be" in outcome.message


def test_a_key_given_twice_is_added_once():
    account = Account()
    assert bring(account, OURS, f"ssh-ed25519 {BLOB}").after == {"keys": [f"ssh-ed25519 {BLOB}"]}


# -- other writers


def test_what_a_writer_with_an_old_list_undid_is_made_again_with_the_keys_of_all():
    # Bert's writer read the list before our write, and before Anna was in it.
    account = Account(ANNA, meanwhile=[[BERT]])
    outcome = bring(account, OURS)
    assert set(account.lines) == {ANNA, BERT, OURS}
    assert "undid the change of me@laptop" in outcome.warnings[0]
    assert "the keys that the other writer dropped were added back: anna@office." in outcome.warnings[0]
    assert outcome.after == {"keys": account.lines}


def test_a_key_that_another_adds_meanwhile_stays():
    account = Account(ANNA, meanwhile=[[ANNA, OURS, BERT]])
    outcome = bring(account, OURS)
    assert (account.lines, outcome.warnings) == ([ANNA, OURS, BERT], ())
    account = Account(ANNA, meanwhile=[[ANNA, BERT], [ANNA, BERT, CARL], None])
    assert len(bring(account, OURS).warnings) == 2
    assert set(account.lines) == {ANNA, BERT, CARL, OURS}


def test_a_key_that_another_takes_away_knowingly_is_not_put_back():
    # That writer knew our key, so it did not drop Anna's by an old list: hers may have been revoked.
    account = Account(ANNA, BERT, meanwhile=[[OURS, BERT]])
    outcome = bring(account, OURS)
    assert account.lines == [OURS, BERT]
    assert outcome.warnings == (
        "Another writer removed anna@office from the account at the same time; that was not undone.",
    )


def test_a_removed_key_that_comes_back_is_removed_again():
    account = Account(ANNA, OURS, meanwhile=[[OURS, BERT]])
    bring(account, OURS, state="absent")
    assert set(account.lines) == {ANNA, BERT}


def test_an_endless_quarrel_is_an_error():
    account = Account(ANNA, meanwhile=[[BERT]] * WRITES)
    with pytest.raises(errors.Conflict, match=f"{WRITES} times"):
        bring(account, OURS)


def test_a_refused_write_names_entries_that_may_be_why():
    class Strict(Account):
        def write(self, lines):
            raise errors.BadRequest("Could not write: 422.", status=422)

    with pytest.raises(errors.BadRequest, match=r"entries that are not SSH keys \(1: 'garbage'\)"):
        bring(Strict(ANNA, "garbage"), OURS)
    with pytest.raises(errors.BadRequest, match=r"422\.$"):
        bring(Strict(ANNA), OURS)


# -- what is a key


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ssh-ed25519", "is not an SSH public key"),
        ("ssh-ed25519 not!base64 me", "is not an SSH public key"),
        ("/root/.ssh/id_ed25519.pub", "is not an SSH public key"),
        (f"rsa {BLOB}", "is not an SSH public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "This is a private key. Give the public one"),
    ],
)
def test_what_is_no_public_key_is_refused_before_any_request(line, words):
    with pytest.raises(errors.BadRequest, match=words):
        ensure(None, [line], "present")  # type: ignore[arg-type]


def test_entries_are_shown_in_their_parts():
    print_ = "SHA256:vURoX8c5f9jk2VAqkdDhsG8VkEiNtNS7dVs/Y9t2vtQ"
    assert read(Account(OURS)) == [{"key": OURS, "type": "ssh-ed25519", "fingerprint": print_, "comment": "me@laptop"}]
    assert describe(CARL)["comment"] is None
    assert describe("what is this") == {"key": "what is this", "type": None, "fingerprint": None, "comment": None}


class Shaky(Account):
    """One whose answers to the first writes are lost; ``done`` says whether those were carried out."""

    def __init__(self, *lines: str, answers: int, done: bool, meanwhile: list = ()) -> None:
        super().__init__(*lines, meanwhile=meanwhile)
        self.answers = answers
        self.done = done

    def write(self, lines):
        self.answers -= 1
        if self.answers < 0:
            super().write(lines)
            return
        kept = list(self.lines)
        super().write(lines)
        self.lines = self.lines if self.done or self.lines != list(lines) else kept
        raise errors.Ambiguous("no answer")


def test_a_write_without_an_answer_that_was_done_is_not_repeated():
    account = Shaky(ANNA, answers=1, done=True)
    outcome = bring(account, OURS)
    assert (account.written, account.lines) == ([[ANNA, OURS]], [ANNA, OURS])
    assert outcome.warnings == ()


def test_a_write_without_an_answer_is_repeated_with_the_list_as_it_is_by_then():
    account = Shaky(ANNA, BERT, answers=1, done=False, meanwhile=[[BERT, CARL]])
    outcome = bring(account, OURS)
    assert account.written == [[ANNA, BERT, OURS], [BERT, CARL, OURS]]
    assert (account.lines, outcome.warnings) == ([BERT, CARL, OURS], ())


class Busy(Account):
    """One that refuses the first writes unexecuted; meanwhile others write."""

    def __init__(self, *lines: str, refusals: list, meanwhile: list = ()) -> None:
        super().__init__(*lines, meanwhile=meanwhile)
        self.refusals = list(refusals)

    def write(self, lines):
        if not self.refusals:
            super().write(lines)
            return
        kept = list(self.lines)
        self.written.append(list(lines))
        self.lines = list(self.meanwhile.pop(0)) if self.meanwhile else kept
        raise self.refusals.pop(0)


@pytest.mark.parametrize("refusal", [errors.RateLimited("too many"), errors.Unreachable("no connection")])
@pytest.mark.parametrize(("state", "wanted"), [("present", [BERT, OURS]), ("absent", [BERT])])
def test_a_write_that_came_too_early_is_made_anew_from_the_list_as_it_is_by_then(refusal, state, wanted):
    """Anna's key was taken away and Bert's added meanwhile."""
    account = Busy(*([ANNA, OURS] if state == "absent" else [ANNA]), refusals=[refusal])
    account.meanwhile = [[BERT, OURS] if state == "absent" else [BERT]]
    outcome = bring(account, OURS, state=state)
    assert (account.lines, account.written[1:]) == (wanted, [wanted])
    assert (outcome.after, outcome.warnings) == ({"keys": wanted}, ())


def test_writes_that_all_come_too_early_end_with_the_words_of_the_last_one():
    account = Busy(ANNA, refusals=[errors.RateLimited("too many")] * WRITES)
    with pytest.raises(errors.RateLimited, match="too many"):
        bring(account, OURS)
    assert (len(account.written), account.lines) == (WRITES, [ANNA])


def test_writes_that_are_never_answered_end_with_the_words_of_the_last_one():
    account = Shaky(ANNA, answers=99, done=False)
    with pytest.raises(errors.Ambiguous, match="no answer"):
        ensure(account, [OURS], "present", clock=FakeTime().clock)
    assert len(account.written) == WRITES
