# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of this collection shares: options, errors as results, commands."""

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
#: Seconds for one command of a wait: a login may take fifteen (see _ssh), and what it asks is answered at once. A pod
#: that drips, or never ends, costs one try.
COMMAND_SECONDS = 60.0
#: Exit status by which ssh says that it failed itself.
SSH_FAILED = 255
_TELLING = ("TOKEN", "KEY", "SECRET", "PASS", "CREDENTIAL", "AUTH")


def open_provider(module: Any, name: str, given: Mapping[str, Any] | None = None) -> Provider:
    """The driver for a provider, with key and address from the module's options or where the vendor's tools look.

    :param given: other values for the options of API than the module's own.

    :raises CloudError: without the needed library, key or a usable address.
    """
    if session.LIBRARY_PROBLEM is not None:
        raise CloudError(missing_required_lib("requests"), detail=str(session.LIBRARY_PROBLEM))
    given = module.params if given is None else given
    provider = registry.connect(name, api_key=given["api_key"], api_url=given["api_url"])
    # A module without a place for progress shows at its end what it had to wait for.
    path = module.params.get("progress_file")
    provider.tell(Progress(path).say if path else module.warn)
    return provider


def asked(module: Any) -> list[str]:
    """The providers to ask: see ``_providers.meant``.

    :raises CloudError: when there is a key for none: nobody was asked then, which is not "nothing there".
    """
    found = registry.meant(module.params, os.environ)
    if not found:
        raise no_key()
    return found


def no_key(more: str = "") -> AuthError:
    """The error where there is a key for no provider. ``more`` says where else it may stand."""
    return AuthError(
        f"There is no API key for any provider ({', '.join(registry.names())}): set "
        f"{' or '.join(registry.ACCOUNT_KEYS)} in the environment or in a .env file{more}."
    )


def failure(error: CloudError) -> dict[str, Any]:
    """An error as the arguments of ``fail_json``: msg, failure (see ``CloudError.to_result``) and its facts."""
    return {**error.facts, "msg": error.message, "failure": error.to_result()}


def take_environment(module: AnsibleModule, option: str = "env") -> dict[str, str] | None:
    """The option's variables as text, taken out of the module's parameters, which a verbose run shows.

    Ansible masks every value of a ``no_log`` option wherever it appears in the result, which would turn a mount at
    ``/workspace`` into asterisks because some variable has that value too. This collection returns no value of an
    environment, so only those whose name tells a secret stay masked.
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
    """A value of YAML as a variable holds it: booleans as ``true`` and ``false``, nothing as empty text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def run_bounded(argv: Sequence[str]) -> tuple[int, str, str]:
    """Run a command for the lower layers, for so long and with so much output: (exit code, output, error text).

    Nothing in it is expanded here: a ``$`` is for the shell on the pod. What went wrong here is said as ssh says its
    own failures, so that it ends nothing but the try.
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
    """Refuse, before anything is rented, to wait for SSH without the programs for it.

    :raises CloudError: naming those that are missing.
    """
    missing = [name for name in names if module.get_bin_path(name) is None]
    if missing:
        raise CloudError(f"The wait for SSH needs {', '.join(missing)} on the controller: install the OpenSSH client.")


def existing_file(path: str | None, what: str) -> str | None:
    """``path``, if it is a readable file.

    :raises CloudError: when it is not.
    """
    if path is not None and not os.access(path, os.R_OK):
        raise CloudError(f"The {what} {path} does not exist or cannot be read.")
    return path


def tuple_of(value: Sequence[Any] | None) -> tuple[str, ...] | None:
    """A list option as a tuple of text; None stays None, for "not given" is not "empty"."""
    return None if value is None else tuple(str(entry) for entry in value)


def numbers(value: Mapping[str, Any] | None) -> dict[str, float]:
    """The given ones of a dictionary option with numbers."""
    return {name: float(number) for name, number in (value or {}).items() if number is not None}
