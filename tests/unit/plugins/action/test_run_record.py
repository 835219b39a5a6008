# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions run_record and run_report, as a task calls them."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from ansible_collections.podyard.gpu.plugins.action import run_record, run_report
from ansible_collections.podyard.gpu.tests.unit.fakes.controller import act, trusted


@pytest.fixture(name="run_dir")
def _run_dir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs" / "r1"


@pytest.fixture(name="screen")
def _screen(monkeypatch):
    """What Ansible's display was told to show."""
    shown = []
    for name in ("display", "warning"):
        monkeypatch.setattr(Display, name, lambda self, text, *args, **kwargs: shown.append(text))
    return shown


class TestRunRecord:
    def test_a_relative_path(self, run_dir):
        result = act(run_record.ActionModule, {"path": "runs/r1", "begin": "plan", "set": trusted({"name": "digits"})})
        assert result["changed"] is True and result["run"] == json.loads((run_dir / "run.json").read_text())
        assert result["run"]["name"].__class__ is str
        assert act(run_record.ActionModule, {"path": "runs/r1", "begin": "plan"})["changed"] is False

    def test_text_is_converted(self, run_dir):
        act(run_record.ActionModule, {"path": str(run_dir), "begin": "plan"})
        result = act(run_record.ActionModule, {"path": str(run_dir), "end_stages": "yes", "set": '{"x_note": 1}'})
        assert result["run"]["stages"][0]["ended"] and result["run"]["x_note"] == 1

    def test_artifacts_are_recorded_where_they_lie(self, run_dir):
        file = {"path": "model/best.bin", "bytes": 1, "sha256": "00"}
        result = act(run_record.ActionModule, {"path": str(run_dir), "artifacts": [file]})
        assert result["run"]["artifacts"] == [{**file, "path": "artifacts/model/best.bin"}]
        with pytest.raises(AnsibleActionFail, match="have each a value for 'path'"):
            act(run_record.ActionModule, {"path": str(run_dir), "artifacts": [{"bytes": 1}]})

    def test_check_mode_writes_nothing(self, run_dir):
        result = act(run_record.ActionModule, {"path": str(run_dir), "begin": "plan"}, check_mode=True)
        assert result["changed"] is True and result["run"]["stages"][0]["name"] == "plan"
        assert not run_dir.parent.exists()

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            ({"outcome": "done"}, "value of outcome must be one of"),
            ({"begin": "training"}, "value of begin must be one of"),
            ({"set": {"stages": []}}, "cannot be set by hand"),
            ({"stage": "plan"}, "Unsupported parameters"),
        ],
    )
    def test_refusals(self, run_dir, arguments, sentence):
        with pytest.raises(AnsibleActionFail, match=sentence):
            act(run_record.ActionModule, {"path": str(run_dir), **arguments})
        assert not run_dir.exists()

    def test_what_was_never_rented_is_removed(self, run_dir):
        act(run_record.ActionModule, {"path": str(run_dir), "begin": "plan"})
        absent = {"path": str(run_dir), "state": "absent"}
        assert act(run_record.ActionModule, absent, check_mode=True) == {"changed": True, "run": {}}
        assert run_dir.is_dir()
        assert act(run_record.ActionModule, absent)["changed"] is True
        assert not run_dir.exists()
        assert act(run_record.ActionModule, absent, check_mode=True)["changed"] is False
        assert act(run_record.ActionModule, absent)["changed"] is False


class TestRunReport:
    @pytest.fixture(autouse=True)
    def _a_run(self, run_dir):
        act(run_record.ActionModule, {"path": str(run_dir), "begin": "provision", "set": {"name": "digits"}})
        act(run_record.ActionModule, {"path": str(run_dir), "outcome": "failed", "error": "There is no API key."})

    def test_page_and_summary(self, run_dir, screen):
        result = act(run_report.ActionModule, {"path": "runs/latest"})
        page = run_dir / "report.html"
        assert result["changed"] is True and result["report"] == str(page)
        assert "There is no API key." in page.read_text() and page.stat().st_mode & 0o777 == 0o600
        [shown] = screen
        for text in (shown, result["summary"]):
            assert "There is no API key." in text and "nothing was rented" in text
        assert "report.html" in result["summary"].replace("\n", "")
        assert act(run_report.ActionModule, {"path": "runs/latest"})["changed"] is False

    def test_check_mode_shows_and_writes_nothing(self, run_dir, screen):
        result = act(run_report.ActionModule, {"path": str(run_dir)}, check_mode=True)
        assert result["changed"] is True and not (run_dir / "report.html").exists() and screen

    def test_no_run(self, tmp_path):
        with pytest.raises(AnsibleActionFail, match="There is no run to report"):
            act(run_report.ActionModule, {"path": str(tmp_path)})

    def test_a_page_that_cannot_be_written(self, run_dir, screen):
        (run_dir / "report.html").mkdir()
        with pytest.raises(AnsibleActionFail, match=r"The report .*report\.html cannot be written"):
            act(run_report.ActionModule, {"path": str(run_dir)})
