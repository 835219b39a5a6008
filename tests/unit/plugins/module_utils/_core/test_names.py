# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of pods: who owns a pod is read from its right end."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core import names
from ansible_collections.podyard.gpu.plugins.module_utils._core.names import PodName


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("podyard-digits-20260715_140000_1f2e-0-1", ("digits", "20260715_140000_1f2e", 0, 1)),
        ("podyard-my-own-project-r1-3-12", ("my-own-project", "r1", 3, 12)),
        ("podyard-a-7-0-1", ("a", "7", 0, 1)),
    ],
)
def test_a_name_is_read_from_its_right_end(text, parts):
    name = PodName.parse(text)
    assert name is not None
    assert (name.project, name.run_id, name.index, name.attempt) == parts
    assert str(name) == text
    assert name.identity == text.rsplit("-", 1)[0]
    assert text.startswith(name.prefix_of_run)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "podyard",
        "podyard-digits",
        "podyard-digits-run-0",
        "podyard-digits-run-0-0",
        "podyard-digits-run-0-1-",
        "podyard-Digits-run-0-1",
        "podyard--run-0-1x",
        "other-digits-run-0-1",
        "xpodyard-digits-run-0-1",
        "podyard-digits-run-0-1\n",
        "podyard-" + "d" * 40 + "-20260715_140000_1f2e-0-1",
    ],
)
def test_what_is_not_our_name_is_nobodys(text):
    assert PodName.parse(text) is None


@pytest.mark.parametrize("identity", ["podyard-digits-r1-0", "podyard-my-proj-7-0"])
def test_an_identity_is_a_name_without_its_attempt(identity):
    name = PodName.parse_identity(identity)
    assert name is not None
    assert name.identity == identity
    assert PodName.parse(identity) is None
    assert PodName.parse(str(name.with_attempt(2))) == name.with_attempt(2)


@pytest.mark.parametrize("text", [None, "notebook", "podyard-digits-r1-0-1"])
def test_what_is_no_identity_is_none(text):
    assert PodName.parse_identity(text) is None


@pytest.mark.parametrize(
    ("text", "made"),
    [("Digits", "digits"), ("My Model (v2)", "my-model-v2"), ("  --x", "x"), ("a_b", "a_b"), ("x" * 40, "x" * 24)],
)
def test_a_project_name_is_made_of_any_text(text, made):
    assert names.slug(text) == made


def test_a_text_without_a_letter_makes_no_name():
    with pytest.raises(ValueError, match="cannot be used in a pod's name"):
        names.slug(" ///")


def test_a_new_run_id_is_usable_and_new():
    moment = datetime.fromisoformat("2026-07-15T14:00:00+00:00")
    first, second = names.new_run_id(moment), names.new_run_id()
    assert re.fullmatch(r"20260715_140000_[0-9a-f]{4}", first)
    assert names.is_run_id(first)
    assert first != second
    assert len(f"podyard-{'x' * names.MAX_PROJECT}-{first}-0-999") <= names.MAX_LENGTH


@pytest.mark.parametrize("text", ["", "a-b", "A", "x" * 25, "ä"])
def test_what_cannot_be_a_run_id(text):
    assert not names.is_run_id(text)
