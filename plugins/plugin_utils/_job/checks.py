# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true of a job's values beyond their type, all of it checked for nothing.

Every check takes a job (names without the prefix train_) and yields sentences; it may put a value into its final form.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ...module_utils._core.names import MAX_LENGTH, PodName, is_run_id, slug
from ...module_utils._core.patterns import BadPattern, to_regex
from ...module_utils._core.public_keys import is_public_key
from ...module_utils._core.units import duration, is_cuda_version
from ...module_utils._module.common import run_bounded
from ...module_utils._pods import ssh
from ...module_utils._pods.ssh_options import unusable
from ...module_utils._providers import registry
from . import command, spec
from .requirements import BadRequirements, read

Job = dict[str, Any]
READY_PARTS = ("file", "command")


def hardware(job: Job) -> Iterator[str]:
    """Something says which GPU will do."""
    if not (job["gpus"] or job["min_gpu_memory"] or job["min_compute_capability"]):
        yield (
            "train_gpus is missing: GPU models that will do, the wanted one first. "
            f"{' or '.join(registry.stand_ins('train_gpus'))} in the environment "
            "or in a .env file may say it too, and train_min_gpu_memory or train_min_compute_capability do without it."
        )


def bids(job: Job) -> Iterator[str]:
    """Check that a bid belongs to an interruptible pod on a market with bids, and fits under the cap."""
    bid, cap = job["bid"], job["max_price"]
    if bid is not None and not job["interruptible"]:
        yield (
            f"train_bid is what an interruptible pod offers, but train_interruptible is not set: set it, or take the "
            f"bid of {bid:g} out."
        )
    chosen = [(name, registry.capabilities(name)) for name in job["providers"] or ()]
    if job["interruptible"] and chosen and not any(can.interruptible for _name, can in chosen):
        why = "; ".join(f"{name}: {can.because.get('interruptible', 'it has none')}" for name, can in chosen)
        others = " or ".join(name for name in registry.names() if registry.capabilities(name).interruptible)
        yield f"train_interruptible asks for pods that none of train_providers rents ({why}): add {others}, or drop it."
    if bid is not None and cap is not None and bid > cap:
        yield f"train_bid of {bid:g} exceeds train_max_price of {cap:g}, so that no pod could be kept: lower it."


def search(job: Job) -> Iterator[str]:
    """Check the filters of a market that is asked, in one of the two forms it has."""
    value = job["search"]
    if not spec.is_given(value):
        job["search"] = None
    elif not isinstance(value, (str, Mapping)):
        yield f"train_search must be a mapping or text, not {spec.quoted('train_search', value)}."
    elif not _asks_market(job):
        others = " or ".join(name for name in registry.names() if registry.capabilities(name).query)
        yield f"train_search is read by none of train_providers: take it out, or add {others}."


def _asks_market(job: Job) -> bool:
    """Whether a provider with a query language may be asked; a job that names none leaves that open."""
    chosen = job["providers"] or ()
    return not chosen or any(registry.capabilities(name).query for name in chosen)


def regions(job: Job) -> Iterator[str]:
    """One list of places, whichever of the two variables names them."""
    job["regions"] = list(dict.fromkeys([*job["regions"], *job["data_centers"]]))
    yield from ()


def readiness(job: Job) -> Iterator[str]:
    """Turn what says that the image's own set-up is done into a mapping with the one part ``file`` or ``command``."""
    try:
        job["ready_when"] = ready_when(job["ready_when"])
    except spec.Problem as problem:
        yield str(problem)
    if job["ready_when"] and job["ready_timeout"] and job["deadline"] and job["ready_timeout"] >= job["deadline"]:
        yield (
            f"train_ready_timeout of {duration(job['ready_timeout'])} leaves no time to rent the pod within "
            f"train_deadline of {duration(job['deadline'])}: lower the one or raise the other."
        )


def ready_when(value: Any) -> dict[str, str] | None:
    """Return a condition in its final form; None for none.

    :raises Problem: for one that is neither a path nor a command.
    """
    name = "train_ready_when"
    if not spec.is_given(value):
        return None
    if isinstance(value, str):
        value = _from_text(name, value.strip())
    if not isinstance(value, Mapping):
        raise spec.Problem(
            f"{name} must be a command, or a mapping with the part file or command, not {spec.quoted(name, value)}."
        )
    options = {part: {"type": "str"} for part in READY_PARTS}
    parts = spec.convert(name, {"type": "dict", "options": options}, value)
    if len(parts) != 1:
        raise spec.Problem(f"{name} needs one of the parts file and command, and only one.")
    if "file" in parts and (not parts["file"].startswith("/") or "\n" in parts["file"]):
        shown = spec.quoted(name, parts["file"])
        raise spec.Problem(f"{name}.file must be an absolute path on the pod, not {shown}.")
    return parts


def ready_text(job: Job) -> str | None:
    """Return what shows that the image has set itself up, in words for the plan; None where the job does not say."""
    condition = job["ready_when"]
    if condition is None:
        return None
    if "file" in condition:
        words = f"the file {condition['file']} is there"
    else:
        words = f"this command ends with 0: {condition['command'].strip()}"
    return f"{words}, {duration(job['ready_timeout'])} at most"


def _from_text(name: str, text: str) -> Any:
    """Read text from a survey or the command line: a mapping in one of its forms, else a command."""
    if text.startswith("{"):
        return spec.convert(name, {"type": "dict"}, text)
    found = re.match(rf"({'|'.join(READY_PARTS)})\s*[=:]\s*(.*)", text, re.DOTALL)
    if found:
        return {found[1]: found[2]}
    if text.startswith("/") and len(text.split()) == 1:
        raise spec.Problem(
            f"{name} is only a path: file={text} waits until it is there, and command={text} runs it until it succeeds."
        )
    return {"command": text}


# For these, none at all is a meaning of its own; every other number of a job must be more than that.
MAY_BE_ZERO = (
    "output_gb", "artifacts_max_gb", "background_timeout", "stall_timeout", "consistency_grace", "lease_hours",
)  # fmt: skip
# A pod never gets a key with which pods can be rented.
REMOTE = re.compile(r"^([a-z][a-z0-9+.-]*:|git@)", re.IGNORECASE)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
POD_PATH = re.compile(r"(/[A-Za-z0-9._-]+)+/?")


def numbers(job: Job) -> Iterator[str]:
    """Prices, times and counts are more than nothing."""
    values = {**job, **{f"timeouts.{stage}": seconds for stage, seconds in (job.get("timeouts") or {}).items()}}
    for name, value in values.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            continue
        if value < 0 or (value == 0 and name not in MAY_BE_ZERO):
            least = "0 or more" if name in MAY_BE_ZERO else "more than 0"
            yield f"train_{name} must be {least}, not {value:g}."


def texts(job: Job) -> Iterator[str]:
    """Names, versions and paths on the pod have the form that their users expect."""
    if job["min_cuda_version"] and not is_cuda_version(job["min_cuda_version"]):
        yield f"train_min_cuda_version must be a version as 12.8, not '{job['min_cuda_version']}'."
    if job["image"] and re.search(r"\s", job["image"].strip()):
        yield f"train_image must be the name of one image, not '{job['image']}'."
    for name in ("mount_path", "python"):
        if job[name] and (not POD_PATH.fullmatch(job[name]) or ".." in job[name].split("/")):
            yield f"train_{name} must be an absolute path on the pod (letters, digits and . _ - /), not '{job[name]}'."
    metrics = PurePosixPath(job["metrics_file"] or "")
    if metrics.is_absolute() or ".." in metrics.parts:
        yield f"train_metrics_file must be a path below the output directory, not '{metrics}'."


def what(job: Job) -> Iterator[str]:
    """Something says which image."""
    if not job["image"] and not job["template"]:
        yield (
            f"train_image is missing: The container image. {' or '.join(registry.stand_ins('train_image'))} in the "
            "environment or in a .env file, or a template "
            f"({', '.join(['train_template', *registry.stand_ins('train_template')])}), may say it too."
        )


def storage(job: Job) -> Iterator[str]:
    """Allow one kind of storage, and only where it exists."""
    if not job["network_volume"]:
        return
    if job["volume_size"] is not None:
        yield (
            "train_network_volume and train_volume_size were both given, but only one of them can be mounted at "
            "train_mount_path: leave one of them out."
        )
    if "COMMUNITY" in job["clouds"]:
        yield (
            "train_network_volume exists only on SECURE hosts: remove COMMUNITY from train_clouds, or leave out "
            "train_network_volume."
        )


def logins(job: Job) -> Iterator[str]:
    """Users have names, and the private key is a file."""
    for name, users in (("ssh_user", [job["ssh_user"]]), ("ssh_users", job["ssh_users"] or [])):
        for user in users:
            if user and not USER.fullmatch(user):
                yield f"train_{name}: '{user}' cannot be the name of a user."
    if job["ssh_private_key"]:
        path = Path(job["ssh_private_key"]).expanduser().absolute()
        job["ssh_private_key"] = str(path)
        if not path.is_file() or not os.access(path, os.R_OK):
            yield f"train_ssh_private_key: {path} is no file that this user can read."
        elif why := unusable(str(path)):
            yield f"train_ssh_private_key: the path {str(path)!r} {why}. Move the key elsewhere."
        elif problem := ssh.key_problem(run_bounded, str(path)):
            yield f"train_ssh_private_key: {problem}"


def names(job: Job) -> Iterator[str]:
    """Check that the job's and the run's name make a pod's name."""
    try:
        slug(job["name"])
    except ValueError as error:
        yield f"train_name: {error}."
    if not is_run_id(job["run_id"]) or job["run_id"] == "latest":
        yield (
            f"train_run_id cannot be '{job['run_id']}': it must be 1 to 24 of the characters a to z, 0 to 9 and "
            "underscore, other than 'latest'."
        )


def name_length(job: Job) -> Iterator[str]:
    """Both names together fit into a pod's name. To be asked when both are good."""
    name = str(PodName(slug(job["name"]), job["run_id"], 0, max(1, job["attempts"] or 1)))
    over = len(name) - MAX_LENGTH
    if over > 0:
        yield (
            f"train_name and train_run_id together make a pod's name of {len(name)} characters ({name}), {over} too "
            "many; shorten one of them."
        )


def code(job: Job) -> Iterator[str]:
    """Check that the code is a directory here, with something in it."""
    yield from _directory(job, "code")


def dataset(job: Job) -> Iterator[str]:
    """Check that the dataset, if there is one, is a directory here, with something in it."""
    if job["dataset"]:
        yield from _directory(job, "dataset")


def requirements(job: Job) -> Iterator[str]:
    """Find the requirements: a file, here or in the code; unnamed, requirements.txt in the code if there is one."""
    folder = Path(job["code"]) if job["code"] else None
    if not job["requirements"]:
        usual = folder / "requirements.txt" if folder else None
        job["requirements"] = str(usual) if usual and usual.is_file() else None
        yield from _installable(job)
        return
    given = Path(job["requirements"]).expanduser()
    candidates = [given.absolute()] + ([folder / given] if folder and not given.is_absolute() else [])
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        yield f"train_requirements: there is no file {' and no '.join(map(str, candidates))}."
    elif not os.access(found, os.R_OK):
        yield f"train_requirements: the file {found} cannot be read by this user."
    else:
        job["requirements"] = str(found)
        yield from _installable(job)


def _installable(job: Job) -> Iterator[str]:
    """Find what pip would otherwise refuse on a pod that is paid for."""
    if not job["requirements"]:
        return
    code = Path(job["code"]) if job["code"] else None
    try:
        read(Path(job["requirements"]), code, exclude=tuple(job["code_exclude"] or ()))
    except BadRequirements as error:
        yield from (f"train_requirements: {problem}" for problem in error.problems)


def runs_dir(job: Job) -> Iterator[str]:
    """Check that the run directories can be made, and are never copied to a pod themselves: they hold a private key."""
    path = Path(job["runs_dir"]).expanduser().absolute()
    job["runs_dir"] = str(path)
    nearest = _nearest(path)
    if not nearest.is_dir():
        yield f"train_runs_dir: {nearest} is not a directory, so no run can be kept there."
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield f"train_runs_dir: {nearest} cannot be written by this user, so that no run can be kept there."
    if why := unusable(str(path)):
        yield f"train_runs_dir: the path {str(path)!r} {why}. Keep the runs elsewhere."
    for name in ("code", "dataset"):
        if job[name] and Path(job[name]) in path.parents:
            job[f"{name}_exclude"] = [*job[f"{name}_exclude"], f"/{path.relative_to(job[name]).as_posix()}/"]


def patterns(job: Job) -> Iterator[str]:
    """Patterns of what stays at home can match something below their root."""
    for name in ("code_exclude", "dataset_exclude"):
        for pattern in job[name] or []:
            try:
                to_regex(pattern)
            except BadPattern as error:
                yield f"train_{name}: {error}"


def public_keys(job: Job) -> Iterator[str]:
    """Keys are given as text or as files; without any, the user's own. They end up as text."""
    keys: list[str] = []
    if job["ssh_public_keys"] is None:
        for path in sorted(Path.home().glob(".ssh/*.pub")):
            # These files are found, not named: what is not a key among them is no fault of the job.
            keys += _keys_of(path)[0]
    for number, entry in enumerate(job["ssh_public_keys"] or []):
        text = entry.strip()
        if is_public_key(text):
            keys.append(text)
        elif "\n" in text or "PRIVATE" in text:
            yield f"train_ssh_public_keys[{number}] is not a public key: give one line, as in a file that ends in .pub."
        else:
            found, fault = _keys_of(Path(text).expanduser().absolute())
            keys += found
            if fault:
                yield f"train_ssh_public_keys[{number}]: {entry} is not a public key, and {fault}."
    job["ssh_public_keys"] = list(dict.fromkeys(keys))


def _keys_of(path: Path) -> tuple[list[str], str | None]:
    """Return the public keys in a file, and what is wrong with it.

    Certificates are left out: no server takes them as keys.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        return [], f"{path} cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        return [], f"{path} is not text"
    keys = [line for line in lines if is_public_key(line) and "-cert-v01@" not in line.split()[0]]
    return keys, None if keys else f"{path} holds none"


def environment(job: Job) -> Iterator[str]:
    """Names are names, values are text; no value is ever part of a message."""
    made: dict[str, str] = {}
    for name, value in (job["env"] or {}).items():
        if not VARIABLE.fullmatch(name):
            yield f"train_env: '{name}' cannot be the name of an environment variable (letters, digits, underscores)."
        elif name in registry.ACCOUNT_KEYS:
            yield f"train_env must not hold {name}: a pod never gets a key with which pods can be rented."
        elif isinstance(value, (list, dict)):
            yield f"train_env: the value of {name} must be text or a number."
        elif "\0" in str(value):
            yield f"train_env: the value of {name} holds a zero byte, which no environment can."
        else:
            # As YAML writes them, for that is where they come from.
            made[name] = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    job["env"] = made


def _nearest(path: Path) -> Path:
    """Return the path, or the lowest directory above it that exists."""
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _directory(job: Job, name: str) -> Iterator[str]:
    given = job[name]
    if REMOTE.match(given) and not Path(given).exists():
        yield f"train_{name} must be a directory on this machine; '{given}' is not, and addresses cannot be used yet."
        return
    path = Path(given).expanduser().absolute()
    job[name] = str(path)
    if not path.exists():
        yield f"train_{name}: there is no directory {path}."
    elif not path.is_dir():
        yield f"train_{name}: {path} is a file, but must be a directory."
    elif not os.access(path, os.R_OK | os.X_OK):
        yield f"train_{name}: the directory {path} cannot be read by this user."
    elif not any(path.iterdir()):
        yield f"train_{name}: the directory {path} is empty."


#: name of the values that a check needs -> the check, in the order in which people read a job.
CHECKS: tuple[tuple[tuple[str, ...], Callable[[Job], Iterator[str]]], ...] = (
    (("name", "run_id"), names),
    (("gpus", "min_gpu_memory", "min_compute_capability"), hardware),
    (("image", "template"), what),
    ((), numbers),
    (("bid", "interruptible", "max_price", "providers"), bids),
    (("search", "providers"), search),
    (("regions", "data_centers"), regions),
    (("ready_when", "ready_timeout", "deadline"), readiness),
    (("network_volume", "volume_size", "clouds"), storage),
    (("ssh_user", "ssh_users", "ssh_private_key"), logins),
    (("min_cuda_version", "image", "mount_path", "python", "metrics_file"), texts),
    (("command",), command.bare_interpreter),
    (("code",), code),
    (("dataset",), dataset),
    (("requirements", "code", "code_exclude"), requirements),
    (("code_exclude", "dataset_exclude"), patterns),
    (("runs_dir", "code", "dataset", "code_exclude", "dataset_exclude"), runs_dir),
    (("ssh_public_keys",), public_keys),
    (("env",), environment),
)


def check(job: Job, faulty: set[str]) -> list[str]:
    """All the sentences about a job. `faulty` names the values that are faulty already: their checks are left out."""
    problems: list[str] = []
    good_names = not faulty & {"name", "run_id", "attempts"}
    for needs, ask in CHECKS:
        if not faulty & set(needs):
            found = list(ask(job))
            good_names = good_names and not (ask is names and found)
            problems += found
    if good_names:
        problems += name_length(job)
    return problems
