# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a module's ``main`` in the test's own process, as Ansible would call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from ansible.module_utils.testing import patch_module_args


class Runner:
    """Runs modules. ``run`` returns the result of one that succeeds, ``fail`` that of one that fails."""

    def __init__(self, capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
        self._capsys = capsys
        self._tmp_path = tmp_path
        self.printed = ""

    def __call__(self, main: Callable[[], None], check: bool = False, **options: Any) -> tuple[int, dict[str, Any]]:
        internal = {
            "_ansible_check_mode": check,
            "_ansible_remote_tmp": str(self._tmp_path),
            "_ansible_keep_remote_files": False,
        }
        given = {name: value for name, value in options.items() if value is not None}
        # A process that has loaded an action plugin takes itself for the controller, and shows warnings there.
        module_process = mock.patch("ansible.module_utils._internal.is_controller", False, create=True)
        with patch_module_args({**given, **internal}), module_process, pytest.raises(SystemExit) as ended:
            main()
        captured = self._capsys.readouterr()
        self.printed = captured.out + captured.err
        code = ended.value.code
        assert isinstance(code, int)
        return code, json.loads(captured.out)

    def run(self, main: Callable[[], None], check: bool = False, **options: Any) -> dict[str, Any]:
        code, result = self(main, check, **options)
        assert code == 0, result.get("msg")
        return result

    def fail(self, main: Callable[[], None], check: bool = False, **options: Any) -> dict[str, Any]:
        code, result = self(main, check, **options)
        assert code == 1
        assert result["failed"] is True
        return result
