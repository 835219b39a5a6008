# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The message of an error, and what those who catch it add."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.errors import CloudError, WaitTimeout


@pytest.mark.parametrize("text", ["Raise the bid.", " Raise the bid.", "Raise the bid. "])
def test_a_sentence_is_added_after_one_space(text):
    error = WaitTimeout("The pod p1 is not ready.", stage="rented")
    error.add(text)
    assert error.message == str(error) == "The pod p1 is not ready. Raise the bid."


@pytest.mark.parametrize("text", ["", " "])
def test_nothing_added_changes_nothing(text):
    error = CloudError("Nothing was rented.")
    error.add(text)
    assert error.message == str(error) == "Nothing was rented."


def test_another_message_takes_the_place_of_the_first():
    error = CloudError("HTTP 503")
    error.reword(f"Could not list the pods: {error.message}")
    assert error.message == str(error) == "Could not list the pods: HTTP 503"


def test_what_is_added_steers_no_terminal():
    error = CloudError("Refused.")
    error.add("The host says \x1b[2Jgone.")
    assert error.message == str(error) == "Refused. The host says gone."
