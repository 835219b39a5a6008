# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``podyard-sandbox``: up, down, status, env, fault."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import os
import shlex
from pathlib import Path
from typing import Any

import click

from podyard_sandbox import __version__
from podyard_sandbox.cli_faults import fault
from podyard_sandbox.client import ControlError
from podyard_sandbox.home import Home, default_home
from podyard_sandbox.pace import PACES
from podyard_sandbox.pods import PodError
from podyard_sandbox.process import ProcessError, down, running_daemon, status, up
from podyard_sandbox.settings import TRAFFIC_VARIABLE, AlreadyUp, Settings

_DEFAULTS = Settings()
_NETWORKS = {
    "shared": (
        "Pods share this machine's network: they reach its services on loopback, its neighbours and the internet."
    ),
}


class Amount(click.FloatRange):
    """A finite number in a range: click's own range lets NaN through."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or fail as click does for NaN and infinity."""
        found = super().convert(value, param, ctx)
        return found if math.isfinite(found) else self.fail(f"{value} is not a finite number.", param, ctx)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="State directory (default: $PODYARD_SANDBOX_HOME, or podyard-sandbox in the user's state directory).",
)
@click.version_option(__version__)
@click.pass_context
def main(context: click.Context, home: Path | None) -> None:
    """Run a local stand-in for RunPod and Vast.ai: their APIs on loopback, and pods that are real SSH servers."""
    context.obj = Home(home if home is not None else default_home(os.environ))


@main.command("up")
@click.option("--pace", type=click.Choice(sorted(PACES)), help=f"How fast pods come up (default {_DEFAULTS.pace}).")
@click.option("--balance", type=Amount(min=0), help=f"Balance of each account, USD (default {_DEFAULTS.balance:.0f}).")
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory of wheels; pods then install only from it, never from the internet.",
)
@click.option(
    "--traffic",
    type=click.Path(file_okay=False, path_type=Path),
    envvar=TRAFFIC_VARIABLE,
    help=f"Record all requests and responses in this directory, secrets masked (default: ${TRAFFIC_VARIABLE}).",
)
@click.option(
    "--vast-limits",
    type=Amount(min=0),
    help="Scale the intervals that Vast.ai requires between calls; 0 lifts them (default: the pace's factor).",
)
@click.option(
    "--seed",
    type=int,
    help=f"Random seed of Vast.ai's market, the bad hosts and the fake pods (default {_DEFAULTS.seed}).",
)
@click.option(
    "--bad-hosts",
    type=Amount(0, 1),
    metavar="SHARE",
    help="Share of bad hosts, 0 to 1: pods on them never get ready. The same seed gives the same hosts.",
)
@click.option(
    "--many-pods",
    type=click.IntRange(0, 100_000),
    metavar="N",
    help="Number of fake pods at RunPod, for clients to list: they run nothing and cost nothing.",
)
@click.option("--foreground", is_flag=True, help="Serve in this process until it gets SIGTERM or SIGINT.")
@click.option("--ready-fd", type=int, hidden=True)
@click.pass_obj
def up_command(home: Home, foreground: bool, ready_fd: int | None, **options: Any) -> None:
    """Start the sandbox.

    If it is already running, the given options are applied to it.
    """
    given = {name: value for name, value in options.items() if value is not None}
    given.update({name: value.absolute() for name, value in given.items() if isinstance(value, Path)})
    settings = Settings(**given)
    if foreground:
        _foreground(home, settings, ready_fd)
        return
    sent = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
    facts, started = _or_exit(lambda: up(home, settings, sent))
    click.echo(
        f"The sandbox is up{'' if started else ' already'}: {facts['url']} (pid {facts['pid']}), state in {home.root}"
    )
    _echo_network_notice(facts)


@main.command("down")
@click.pass_obj
def down_command(home: Home) -> None:
    """Stop the sandbox and clean up.

    Every process and directory of its pods is removed, also those that a killed daemon left behind.
    """
    if _or_exit(lambda: down(home)):
        click.echo("The sandbox is down.")
    else:
        click.echo("The sandbox was not running; nothing is left of it.")


@main.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON document.")
@click.pass_obj
def status_command(home: Home, as_json: bool) -> None:
    """Show whether the sandbox is up, and every pod it ever had."""
    found = _or_exit(lambda: status(home))
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if found["url"] is None:
        click.echo(f"The sandbox is down; state in {home.root}")
    else:
        click.echo(f"The sandbox is up: {found['url']} (pid {found['pid']}, pace {found['pace']})")
        _echo_network_notice(found)
        click.echo(f"Balance: USD {found['balance_usd']:.4f} at RunPod, USD {found['vast_credit_usd']:.4f} at Vast.ai")
    if found["many_pods"]:
        click.echo(f"{found['many_pods']} fake pods at RunPod are not listed")
    for pod in found["pods"]:
        gone = f", gone {pod['gone_at']}" if pod["gone_at"] else ""
        click.echo(
            f"{pod['id']}  {pod['state']:<12}  {_hardware(pod)} at USD {pod['usd_per_hour']:.2f} per hour,"
            f" {pod['billed_seconds']} s, USD {pod['cost_usd']:.6f}{gone}  {pod['name']}"
        )


def _hardware(pod: dict[str, Any]) -> str:
    return f"{pod['gpu_count']} x {pod['gpu']}" if pod["gpu_count"] else str(pod["gpu"])


@main.command("env")
@click.pass_obj
def env_command(home: Home) -> None:
    """Print the variables that point clients at the sandbox.

    Use it as: eval "$(podyard-sandbox env)"
    """
    facts = _or_exit(lambda: running_daemon(home))
    if facts is None:
        raise click.ClickException(f"No sandbox is running in {home.root}; start one with `podyard-sandbox up`.")
    click.echo(f"export RUNPOD_API_KEY={shlex.quote(home.api_key())}")
    click.echo(f"export RUNPOD_API_BASE_URL={shlex.quote(facts['url'])}")
    click.echo(f"export VAST_API_KEY={shlex.quote(home.vast_api_key())}")
    click.echo(f"export VAST_URL={shlex.quote(facts['url'])}")
    # Without it, a client would wait as long between calls as the real service demands.
    click.echo(f"export PODYARD_VAST_THRESHOLD_SCALE={_or_exit(lambda: status(home))['vast_limits']:g}")


main.add_command(fault)


def _foreground(home: Home, settings: Settings, ready_fd: int | None) -> None:
    """Serve in this process; a waiting parent is notified through the file descriptor."""
    from podyard_sandbox.serve import serve  # loading the server takes half a second, which other commands save

    held = contextlib.ExitStack()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    def say(message: dict[str, str]) -> None:
        held.close()
        if ready_fd is not None:
            with os.fdopen(ready_fd, "w", encoding="utf-8") as pipe:
                pipe.write(json.dumps(message) + "\n")
        elif "url" in message:
            click.echo(_up_line("is up", message["url"], os.getpid(), home))
            _echo_network_notice(home.daemon() or {})

    try:
        home.create()
        if ready_fd is None:  # otherwise the process at the other end holds the lock
            held.enter_context(home.lock("up"))
        asyncio.run(serve(home, settings, lambda url: say({"url": url})))
    except (AlreadyUp, PodError, TimeoutError, OSError) as error:
        say({"error": str(error)})
        raise click.ClickException(str(error)) from error


def _up_line(what: str, url: str, pid: int, home: Home) -> str:
    return f"The sandbox {what}: {url} (pid {pid}), state in {home.root}"


def _echo_network_notice(facts: dict[str, Any]) -> None:
    """Print what the pods can reach; a daemon older than this command does not report it."""
    if (said := _NETWORKS.get(facts.get("pod_network", ""))) is not None:
        click.echo(said)


def _or_exit(work: Any) -> Any:
    """Run something, and turn a failure into one sentence and exit code 1."""
    try:
        return work()
    except (ProcessError, ControlError, OSError) as error:
        raise click.ClickException(str(error)) from error
