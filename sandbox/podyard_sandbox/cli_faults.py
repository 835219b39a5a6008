# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``podyard-sandbox fault``: add, list, clear."""

from __future__ import annotations

import json
from typing import Any

import click

from podyard_sandbox.client import Client, ControlError
from podyard_sandbox.faults import KINDS, FaultError, FaultKind, Faults, Param
from podyard_sandbox.faults.kinds import SKIP
from podyard_sandbox.home import Home
from podyard_sandbox.process import ProcessError, running_daemon


@click.group()
def fault() -> None:
    """Make the sandbox fail on purpose: add, list and clear faults."""


@fault.command("add")
@click.argument("name")
@click.option("--times", type=int, help="Trigger this often, then no more (default: every time).")
@click.option("--share", type=float, help="Trigger in this share of the matching cases, 0 to 1.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Set a parameter; repeatable.")
@click.pass_obj
def add(home: Home, name: str, times: int | None, share: float | None, params: tuple[str, ...]) -> None:
    """Switch a fault on; `fault list --available` shows all of them."""
    values = dict(_split(param) for param in params)
    try:
        Faults().add(name, values, times, share)  # reports a typo even while the sandbox is down
    except FaultError as error:
        raise click.ClickException(str(error)) from error
    added = _ask(home, lambda client: client.add_fault(name, values, times, share))
    click.echo(f"On: {_line(added)}")


@fault.command("list")
@click.option("--available", is_flag=True, help="List every fault that exists, with its parameters.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_faults(home: Home, available: bool, as_json: bool) -> None:
    """List the faults that are on, or with --available all that exist."""
    if available:
        click.echo(json.dumps([_described(kind) for kind in KINDS.values()], indent=2) if as_json else _catalogue())
        return
    faults = _ask(home, lambda client: client.faults())
    if as_json:
        click.echo(json.dumps(faults, indent=2))
        return
    for found in faults:
        click.echo(_line(found))
    if not faults:
        click.echo("No fault is on.")


@fault.command("clear")
@click.argument("name", required=False)
@click.pass_obj
def clear(home: Home, name: str | None) -> None:
    """Switch all faults off, or only those with this name."""
    cleared = _ask(home, lambda client: client.clear_faults(name))
    click.echo(f"{cleared} fault{'' if cleared == 1 else 's'} switched off.")


def _split(param: str) -> tuple[str, str]:
    name, equals, value = param.partition("=")
    if not equals or not name:
        raise click.ClickException(f"Give a parameter as NAME=VALUE, not as {param!r}.")
    return name, value


def _ask(home: Home, question: Any) -> Any:
    try:
        facts = running_daemon(home)
        if facts is None:
            raise click.ClickException(f"No sandbox is running in {home.root}; start one with `podyard-sandbox up`.")
        return question(Client(facts["url"], home.api_key()))
    except (ProcessError, ControlError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _line(found: dict[str, Any]) -> str:
    params = " ".join(f"{name}={value}" for name, value in found["params"].items() if value not in ("*", 0))
    often = "every time"
    if found["times"] is not None:
        often = f"{found['times']} time{'' if found['times'] == 1 else 's'}"
    elif found["share"] is not None:
        often = f"in {found['share']:.0%} of the matching cases"
    spent = ", used up" if found["spent"] else ""
    return f"{found['name']} {params}".rstrip() + f" ({often}; triggered {found['hits']}{spent})"


def _described(kind: FaultKind) -> dict[str, Any]:
    params = {
        name: {"default": p.default, "sentence": p.sentence, "choices": list(p.choices)} for name, p in _all(kind)
    }
    return {"name": kind.name, "sentence": kind.sentence, "params": params}


def _all(kind: FaultKind) -> list[tuple[str, Param]]:
    return [*kind.params.items(), ("skip", SKIP)]


def _catalogue() -> str:
    lines = []
    for kind in KINDS.values():
        lines.append(f"{kind.name}\n    {kind.sentence}")
        lines += [f"      {name}={param.default}  {param.sentence}" for name, param in kind.params.items()]
    lines.append(f"every fault\n      skip={SKIP.default}  {SKIP.sentence}")
    return "\n".join(lines)
