# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown to a person: the one way to Ansible's display, past which nothing steers a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.utils.display import Display

from ...module_utils._core.shown import clean


def show(text: str) -> None:
    """Show lines of any origin."""
    Display().display(clean(text))


def show_rendered(text: str) -> None:
    """Show what was rendered here, with colours, from values that were cleaned before."""
    Display().display(text)


def warn(text: str) -> None:
    """Show a warning."""
    Display().warning(clean(text))


def fault(text: str) -> None:
    """Show an error, in lines as they are."""
    Display().error(clean(text), wrap_text=False)


def columns(usual: int) -> int:
    """Return the width of the terminal, else `usual`."""
    return int(Display().columns or usual)


@contextlib.contextmanager
def clean_errors() -> Iterator[None]:
    """Clean the errors raised within: they may quote a pod or a server, and Ansible shows them as they are."""
    try:
        yield
    except (AnsibleActionFail, AnsibleConnectionFailure) as error:
        words = str(error)
        if clean(words) == words:
            raise
        raise type(error)(clean(words)) from None
