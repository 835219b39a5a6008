# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts that all modules share: options, errors as results, commands."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import missing_required_lib

from .._core.errors import AuthError, CloudError
from .._http import session
from .._pods import programs, ssh_options
from .._pods.progress import Progress
from .._providers import registry

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from .._providers.base import Provider

#: The fragment ``podyard.gpu.api``.
API: dict[str, Any] = {
    "api_key": {"type": "str", "no_log": True},
    "api_url": {"type": "str"},
}
#: The fragment ``podyard.gpu.api.providers``.
PROVIDERS: dict[str, Any] = {
    "providers": {"type": "list", "elements": "str", "choices": registry.names()},
}
#: Seconds for one command of a wait: a login may take fifteen (see _pods.ssh), and the answer comes at once. A pod that
#: sends its answer byte by byte, or never ends it, costs one try.
COMMAND_SECONDS = 60.0
#: Exit status with which ssh reports a failure of its own.
SSH_FAILED = 255
_TELLING = ("TOKEN", "KEY", "SECRET", "PASS", "CREDENTIAL", "AUTH")


def open_provider(module: Any, name: str, given: Mapping[str, Any] | None = None) -> Provider:
    """Return the driver for a provider.

    The key and the address come from the module's options, else from where the vendor's tools look.

    :param given: values for the options in API that replace the module's own.
    :raises CloudError: when the library or the key is missing, or the address is not usable.
    """
    if session.LIBRARY_PROBLEM is not None:
        raise CloudError(missing_required_lib("requests"), detail=str(session.LIBRARY_PROBLEM))
    given = module.params if given is None else given
    provider = registry.connect(name, api_key=given["api_key"], api_url=given["api_url"])
    # A module without a progress file shows at its end what it had to wait for.
    path = module.params.get("progress_file")
    provider.tell(Progress(path).say if path else module.warn)
    return provider


def asked(module: Any) -> list[str]:
    """Return the names of the providers to ask: see ``registry.meant``.

    :raises AuthError: when there is no key for any of them: no provider was asked, which is not "nothing there".
    """
    found = registry.meant(module.params, os.environ)
    if not found:
        raise no_key()
    return found


def no_key(more: str = "") -> AuthError:
    """Return the error for the case that no provider has a key. ``more`` names another place for a key."""
    return AuthError(
        f"There is no API key for any provider ({', '.join(registry.names())}): set "
        f"{' or '.join(registry.ACCOUNT_KEYS)} in the environment or in a .env file{more}."
    )


def failure(error: CloudError) -> dict[str, Any]:
    """Return the arguments of ``fail_json``: msg, failure (see ``CloudError.to_result``) and the error's facts."""
    return {**error.facts, "msg": error.message, "failure": error.to_result()}


def take_environment(module: AnsibleModule, option: str = "env") -> dict[str, str] | None:
    """Take the option's variables out of the module's parameters, which a verbose run shows, and return them as text.

    Ansible masks every value of a ``no_log`` option wherever it appears in the result. That would turn a mount at
    ``/workspace`` into asterisks because some variable has the same value. This collection never returns the values of
    an environment, so only those whose name suggests a secret stay masked.
    """
    given = module.params[option]
    if given is None:
        return None
    env = {str(name): as_text(value) for name, value in given.items()}
    module.params[option] = dict.fromkeys(sorted(env), "(not shown)")
    masked = getattr(module, "no_log_values", None)
    if isinstance(masked, set):
        telling = {value for name, value in env.items() if any(word in name.upper() for word in _TELLING)}
        masked.difference_update(set(env.values()) - telling)
    return env


def as_text(value: Any) -> str:
    """Return a YAML value as the text of a variable: booleans as ``true`` and ``false``, null as empty text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def run_bounded(argv: Sequence[str]) -> tuple[int, str, str]:
    """Run a command with limits on its time and output.

    Nothing is expanded here: a ``$`` is for the shell on the pod. A failure on this side has the exit code of ssh's
    own failures, so that it ends only this try.

    :returns: exit code, output, error text.
    """
    try:
        done = programs.run(programs.Call(argv, env=ssh_options.environment()), COMMAND_SECONDS)
    except programs.TooMuch as error:
        return SSH_FAILED, "", f"the pod {error}"
    except programs.TooLong as error:
        return SSH_FAILED, "", f"{error.errors.decode(errors='replace')}\n{argv[0]} {error}"
    except OSError as error:
        return SSH_FAILED, "", f"{argv[0]} cannot be started: {error}"
    return done.code, done.output.decode(errors="replace"), done.errors.decode(errors="replace")


def require_programs(module: AnsibleModule, names: Sequence[str]) -> None:
    """Check, before anything is rented, that the programs for a wait for SSH are there.

    :raises CloudError: naming those that are missing.
    """
    missing = [name for name in names if module.get_bin_path(name) is None]
    if missing:
        raise CloudError(f"The wait for SSH needs {', '.join(missing)} on the controller: install the OpenSSH client.")


def existing_file(path: str | None, what: str) -> str | None:
    """Return ``path`` if it can be read.

    :raises CloudError: when it cannot.
    """
    if path is not None and not os.access(path, os.R_OK):
        raise CloudError(f"The {what} {path} does not exist or cannot be read.")
    return path


def tuple_of(value: Sequence[Any] | None) -> tuple[str, ...] | None:
    """Return a list option as a tuple of text; None stays None, because "not given" is not "empty"."""
    return None if value is None else tuple(str(entry) for entry in value)


def numbers(value: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the given values of a dictionary option with numbers."""
    return {name: float(number) for name, number in (value or {}).items() if number is not None}
