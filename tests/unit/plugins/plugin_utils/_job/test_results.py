# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The patterns of a job's results: those that mean the same, and those that could never match."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.plugin_utils._job import results as module

OUTPUT = "/workspace/podyard/digits/runs/r1/output"


@pytest.mark.parametrize(
    ("pattern", "settled"),
    [
        ("model.bin", "model.bin"),
        (f"{OUTPUT}/model.bin", "model.bin"),
        (f"{OUTPUT}/a/*.pt", "a/*.pt"),
        (f"{OUTPUT}//model.bin", "model.bin"),
        (OUTPUT, "**"),
        (f"{OUTPUT}/", "**"),
        (f"{OUTPUT}/.", "**"),
        ("./model.bin", "model.bin"),
        ("results//x", "results/x"),
        ("a/./b", "a/b"),
        ("checkpoints/", "checkpoints/"),
        (" model.bin ", "model.bin"),
        ("**", "**"),
        ("[{]x}", "[{]x}"),
    ],
)
def test_patterns_are_told_from_the_output_directory(pattern, settled):
    job = {"artifacts": [pattern], "checkpoints": [pattern]}
    assert module.settle(job, OUTPUT) == []
    assert job == {"artifacts": [settled], "checkpoints": [settled]}


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("/root/model.bin", "a path of its own"),
        ("/model.bin", "a path of its own"),
        (f"{OUTPUT}2/model.bin", "a path of its own"),
        (f"{OUTPUT}/../model.bin", "leads out"),
        ("../model.bin", "leads out"),
        ("a/../../x", "leads out"),
        ("~/out/*", "no shell reads it"),
        ("$HOME/x", "no shell reads it"),
        ("!*.tmp", "name the files that you want"),
        ("a\\*.bin", "separated by /"),
        ("*.{pt,bin}", "a pattern for each"),
        (".", "is empty"),
        ("./", "is empty"),
    ],
)
def test_a_pattern_that_could_never_match_is_refused(pattern, words):
    (problem,) = module.settle({"artifacts": [pattern], "checkpoints": []}, OUTPUT)
    assert problem.startswith("train_artifacts: ")
    assert words in problem
