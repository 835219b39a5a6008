# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a training's leavings comes home unasked."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.podyard.gpu.plugins.filter.artifacts_choice import artifacts_choice


def found(files=2, size=1000, beside=(), complete=True, checkpoints=0) -> dict[str, Any]:
    return {
        "output": {"files": files, "bytes": size, "complete": complete, "first": [], "checkpoints": checkpoints},
        "elsewhere": {
            "files": len(beside),
            "bytes": 500 * len(beside),
            "complete": True,
            "places": [
                {"root": "/code", "path": f"/code/{name}", "files": 1, "bytes": 500, "pattern": pattern}
                for name, pattern in beside
            ],
        },
    }


def choose(answer, **options):
    return artifacts_choice(answer, **{"max_gb": 1, "place": "/runs/r1/artifacts", **options})


def test_without_patterns_all_of_the_output_comes():
    chosen = choose(found(beside=[("results", "/results")]))
    # What lies elsewhere is not looked for where the output has something and nothing was missed.
    assert chosen == {"output": True, "exclude": [], "elsewhere": [], "remark": "", "left": ""}


def test_a_pattern_that_matched_nothing_brings_everything():
    chosen = choose(found(beside=[("results", "/results"), ("x.bin", "/x.bin")]), unmatched=["modle.bin"])
    assert chosen["output"] is True
    assert chosen["elsewhere"] == [
        {"src": "/code", "dest": "/runs/r1/artifacts/elsewhere/code", "include": ["/results", "/x.bin"]}
    ]
    assert "All of the output (2 files, 1.0 kB) is in /runs/r1/artifacts instead." in chosen["remark"]
    assert "2 files (1.0 kB): /code/results (500 B), /code/x.bin (500 B)." in chosen["remark"]
    assert "In /runs/r1/artifacts/elsewhere is what was found in /code/results" in chosen["remark"]
    assert chosen["left"] == ""


def test_an_empty_output_brings_what_lies_elsewhere():
    chosen = choose(found(files=0, size=0, beside=[("results", "/results")]))
    assert chosen["output"] is False
    assert [each["src"] for each in chosen["elsewhere"]] == ["/code"]
    assert chosen["remark"].startswith("The output directory is empty. Elsewhere on the pod")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (found(size=1_000_000_001), "has 1.0 GB"),
        (found(complete=False), "it has more than 1.0 kB"),
    ],
)
def test_what_is_too_much_stays_and_that_is_said(answer, words):
    chosen = choose(answer)
    assert (chosen["output"], chosen["elsewhere"]) == (False, [])
    assert words in chosen["left"]
    assert "train_artifacts_max_gb allows 1 GB" in chosen["left"]


def test_of_what_lies_elsewhere_comes_what_fits_and_the_output_always_does():
    answer = found(beside=[("results", "/results"), ("x.bin", "/x.bin")])
    chosen = choose(answer, unmatched=["modle.bin"], max_gb=1600e-9)
    assert chosen["output"] is True
    assert [each["include"] for each in chosen["elsewhere"]] == [["/results"]]
    assert "Not fetched from elsewhere: /code/x.bin (500 B); train_artifacts_max_gb allows" in chosen["left"]


def test_what_nobody_could_look_through_is_said():
    answer = found(beside=[("results", "/results")])
    answer["elsewhere"]["complete"] = False
    chosen = choose(answer, unmatched=["modle.bin"])
    assert chosen["output"] is True and chosen["elsewhere"]
    assert "at least 1 file" in chosen["remark"]
    assert "There may be more elsewhere" in chosen["left"]


def test_a_name_that_is_no_text_is_told_and_not_fetched():
    chosen = choose(found(files=0, size=0, beside=[("caf\\xe9", None)]))
    assert chosen["elsewhere"] == []
    assert chosen["left"] == "Not fetched, since their names are no text: /code/caf\\xe9 (500 B)."


def test_checkpoints_that_are_here_are_not_sent_again():
    patterns = ["checkpoints/*"]
    assert choose(found(checkpoints=3), checkpoints=patterns, saved=3)["exclude"] == patterns
    assert choose(found(checkpoints=3), checkpoints=patterns, saved=2)["exclude"] == []
    assert choose(found(), checkpoints=patterns)["exclude"] == []
