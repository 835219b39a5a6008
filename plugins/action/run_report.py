# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.run_report: shows how a run went, and writes report.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.utils.color import ANSIBLE_COLOR

from ..module_utils._core.files import replace_file
from ..plugin_utils._common.action import ControllerAction, local_path
from ..plugin_utils._common.screen import columns, show_rendered
from ..plugin_utils._record.record import RunError
from ..plugin_utils._report import summary
from ..plugin_utils._report.data import gather
from ..plugin_utils._report.page import render

# Columns. Longer lines are hard to read; USUAL is assumed for a screen that does not report its width.
WIDEST, USUAL = 140, 100


class ActionModule(ControllerAction):
    """Report a run, however it ended and however little of it is left."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {"path": {"type": "path", "required": True}}

    def act(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Write the report of a run."""
        directory = local_path(arguments["path"]).resolve()
        try:
            facts = gather(directory)
        except RunError as error:
            raise AnsibleActionFail(str(error)) from error
        page = render(facts)
        path = directory / "report.html"
        changed = self._write(path, page)
        title = f"{facts.record.name or 'run'} {facts.record.run_id}"
        told = [*summary.rows(facts), ("report", str(path), "")]
        width = min(WIDEST, columns(USUAL))
        show_rendered("\n" + summary.render(title, told, width=width, color=ANSIBLE_COLOR))
        plain = summary.render(title, told, width=USUAL, color=False)
        return {"changed": changed, "report": str(path), "summary": plain}

    def _write(self, path: Path, page: str) -> bool:
        """Write the page if it has changed; return whether it has. Raises AnsibleActionFail."""
        try:
            if path.exists() and path.read_text(encoding="utf-8") == page:
                return False
            if not self.check_mode:
                replace_file(path, page)
        except OSError as error:
            raise AnsibleActionFail(f"The report {path} cannot be written: {error}.") from error
        return True
