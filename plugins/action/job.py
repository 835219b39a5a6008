# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action podyard.gpu.job: turns the variables train_* into a checked job."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible import context, errors, template
from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleUndefinedVariable

from ..plugin_utils._common.action import ControllerAction, local_path, plain
from ..plugin_utils._common.screen import fault, warn
from ..plugin_utils._job import spec
from ..plugin_utils._job.command import comment_in, lost_words, without_python
from ..plugin_utils._job.files import TemplateFile
from ..plugin_utils._job.job import BadJob, Fill, build
from ..plugin_utils._job.keys import withhold
from ..plugin_utils._job.settings import JobSettings, keep_at_home, read
from ..plugin_utils._job.spec import Problem
from ..plugin_utils._transfer.account_keys import AccountKeys

SPEC = Path(__file__).absolute().parents[2] / "roles" / "train" / "meta" / "argument_specs.yml"
UNDEFINED = re.compile(r"'[^']+' is undefined")


class ActionModule(ControllerAction):
    """Convert and check a job. Its faults are shown; the result is not, because its environment may hold secrets."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {"spec": {"type": "path"}}

    def act(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Build the job from the variables, the environment and the .env files."""
        try:
            options = spec.load(local_path(arguments["spec"]) if arguments["spec"] else SPEC)
            given = {name: value for name, value in task_vars.items() if name.startswith(spec.PREFIX)}
            settings = self._settings(options, given, task_vars)
            known = {**{name: spec.default(name, option) for name, option in options.items()}, **settings.values}
            others = {name: value for name, value in known.items() if not spec.is_given(given.get(name))}

            def fill(name: str, value: Any, late: Mapping[str, Any]) -> Any:
                return self._fill(name, value, {**task_vars, **others, **late})

            keys = AccountKeys.here(os.environ, settings.files)
            job = self._job(options, given, fill, settings, keys)
            job.update(settings=settings.told, env_file=os.pathsep.join(settings.files))
            keep_at_home(job, settings.files)
            problems, told = withhold(job, keys)
            if problems:
                raise BadJob(problems)
        except (BadJob, Problem) as error:
            if self._task.no_log:
                # Ansible would hide the message that the user must read; it contains no secret.
                fault(str(error))
            raise AnsibleActionFail(str(error)) from error
        for text in [*told, *without_python(job)]:
            warn(text)
        return {"changed": False, "job": plain(job), "_ansible_no_log": True}

    @staticmethod
    def _job(
        options: Mapping[str, Any], given: Mapping[str, Any], fill: Fill, settings: JobSettings, keys: AccountKeys
    ) -> dict[str, Any]:
        """Build the job, and report its faults together with words that were lost on the command line.

        :raises BadJob: with every fault of the job.
        """
        lost = lost_words(context.CLIARGS.get("extra_vars") or ())
        try:
            job = build(options, given, fill, settings.values, settings.origins, keys)
        except BadJob as error:
            raise BadJob([*lost, *error.problems]) from error
        if lost:
            raise BadJob(lost)
        return job

    def _settings(self, options: Mapping[str, Any], given: Mapping[str, Any], task_vars: dict[str, Any]) -> JobSettings:
        """Read what the environment and .env files set for every variable that is not given."""
        has_value = [name for name, value in given.items() if spec.is_given(value)]
        env_file = self._fill("train_env_file", given.get("train_env_file"), task_vars)
        providers = self._providers(options.get("train_providers", {}), given, task_vars)
        return read(providers, has_value, env_file, context.CLIARGS.get("extra_vars") or (), os.environ)

    def _providers(
        self, option: Mapping[str, Any], given: Mapping[str, Any], task_vars: dict[str, Any]
    ) -> list[str] | None:
        """Return the job's providers: None where it names none, [] where the value is faulty.

        The job's check reports the fault together with all others.
        """
        try:
            value = self._fill("train_providers", given.get("train_providers"), task_vars)
            return spec.convert("train_providers", option, value) or None if spec.is_given(value) else None
        except Problem:
            return []

    def _fill(self, name: str, value: Any, variables: dict[str, Any]) -> Any:
        """Fill in the templates of a value; None for one that is omitted. Raises Problem with the end of a sentence."""
        try:
            if isinstance(value, TemplateFile):
                return self._fill_file(value, variables)
            comment = comment_in(value, template.is_trusted_as_template, secret=name in spec.SECRET)
            if comment:
                raise Problem(comment)
            return self._templar.copy_with_new_env(available_variables=variables).template(value)
        except errors.AnsibleValueOmittedError:
            return None
        except AnsibleUndefinedVariable as error:
            found = UNDEFINED.search(str(error))
            raise Problem(found.group() if found else "it uses a variable that is not defined") from error
        except AnsibleError as error:
            # Ansible's message may quote the template, and with it a secret.
            broken_file = isinstance(value, TemplateFile) and isinstance(error, errors.AnsibleTemplateSyntaxError)
            quotes_values = name in spec.SECRET and not broken_file
            reason = f"its template fails ({type(error).__name__})" if quotes_values else str(error).rstrip(".")
            raise Problem(reason) from error

    def _fill_file(self, file: TemplateFile, variables: dict[str, Any]) -> Any:
        """Return the text of a template file, rendered by the rules of the module ansible.builtin.template."""
        templar = self._templar.copy_with_new_env(searchpath=[str(file.path.parent)], available_variables=variables)
        overrides = {"trim_blocks": True, "lstrip_blocks": False}
        return templar.template(template.trust_as_template(file.text), escape_backslashes=False, overrides=overrides)
