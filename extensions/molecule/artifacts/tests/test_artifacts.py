# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What matched came home unchanged, what did not stayed."""

from __future__ import annotations

import os
from pathlib import Path

STATE = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "state")


def test_what_matched_is_here(host):
    found = {
        path.relative_to(STATE / "fetched").as_posix() for path in (STATE / "fetched").rglob("*") if path.is_file()
    }
    assert found == {"model.bin", "deep/more weights.bin"}
    for name in found:
        assert (STATE / "fetched" / name).read_text() == host.file(f"/workspace/a/output/{name}").content_string


def test_what_the_other_pattern_matched_is_here_all_the_same():
    assert (STATE / "fetched-too" / "model.bin").read_text() == "weights"
