# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account's key is found by its value, whatever holds it, and never reaches a pod."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.podyard.gpu.plugins.module_utils._core.patterns import Patterns
from ansible_collections.podyard.gpu.plugins.plugin_utils._job.data import SEARCHED_BYTES
from ansible_collections.podyard.gpu.plugins.plugin_utils._job.keys import withhold
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.account_keys import PIECE, AccountKeys
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.manifest import TreeError, scan
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.push import Push
from ansible_collections.podyard.gpu.plugins.plugin_utils._transfer.transfer import Request

KEY = "rpa_5C0FFEE5C0FFEE5C0FFEE"
OTHER = "0123456789abcdef" * 4


@pytest.fixture(name="keys")
def _keys():
    return AccountKeys({"runpod": [KEY], "vastai": [OTHER, ""]})


@pytest.mark.parametrize("text", [KEY, f"export X='{KEY}'\n", f'{{"auth": "Bearer {KEY}"}}', f"a{OTHER}b"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_key_is_found_in_any_file(tmp_path, keys, text, encoding):
    (tmp_path / "notes").write_bytes(text.encode(encoding))
    assert "your account at" in keys.in_file(tmp_path / "notes")


@pytest.mark.parametrize("place", [0, PIECE - 5, PIECE - len(KEY), PIECE, 3 * PIECE - 1])
def test_a_key_is_found_wherever_it_stands(tmp_path, keys, place):
    (tmp_path / "model.bin").write_bytes(b"\0" * place + KEY.encode() + b"\0" * PIECE)
    assert keys.in_file(tmp_path / "model.bin") == "the key of your account at runpod"


@pytest.mark.parametrize(
    "line",
    [
        "export RUNPOD_API_KEY=rpa_EXAMPLE", "VAST_API_KEY: '" + "a" * 64 + "'", '"RUNPOD_API_KEY": "rpa_ABCDEFG"',
        'os.environ["VAST_API_KEY"] = "' + "b" * 40 + '"', "${RUNPOD_API_KEY:-rpa_ABCDEFG}",
    ],
)  # fmt: skip
def test_another_account_s_key_is_known_by_its_name(line):
    assert AccountKeys({}).in_text(line).startswith("what is given as ")


@pytest.mark.parametrize(
    "line",
    [
        "RUNPOD_API_KEY=$MY_KEY", "RUNPOD_API_KEY=your_key", 'key = os.environ["RUNPOD_API_KEY"]', "VAST_API_KEY=",
        "export RUNPOD_API_KEY=\"{{ lookup('env', 'X') }}\"", "RUNPOD_API_KEY=...", "rpa_", "api_key=abc",
    ],
)  # fmt: skip
def test_a_name_without_a_key_is_no_key(keys, line):
    assert keys.in_text(line) is None


def test_all_places_of_keys_count(tmp_path):
    (tmp_path / ".runpod").mkdir()
    (tmp_path / ".runpod/config.toml").write_text(
        '[default]\napi_key = "rpa_default_one"\n[b]\napi_key = "rpa_other_two"\n'
    )
    (tmp_path / ".vast_api_key").write_text("vastkeyvastkey\n")
    (tmp_path / "more.env").write_text("RUNPOD_API_KEY=rpa_inthefile\n")
    environ = {"HOME": str(tmp_path), "RUNPOD_API_KEY": "rpa_inenvironment"}
    keys = AccountKeys.here(environ, [str(tmp_path / "more.env")])
    for key in ("rpa_default_one", "rpa_other_two", "vastkeyvastkey", "rpa_inthefile", "rpa_inenvironment"):
        assert keys.in_text(f"x {key} y"), key
    assert AccountKeys.here(environ, ["/nowhere"]).in_text("rpa_inenvironment")


def job(tmp_path, **changes):
    code, data = tmp_path / "code", tmp_path / "data"
    for folder in (code, data):
        folder.mkdir(exist_ok=True)
        (folder / "train.py").write_text("print(1)\n")
    return {
        "code": str(code), "code_exclude": [".git"], "dataset": str(data), "dataset_exclude": [], "requirements": None,
        "command": "python train.py", "ready_when": None, "env": {"A": "1"}, "files": [], **changes,
    }  # fmt: skip


@pytest.mark.parametrize("name", [".envrc", "run.sh", "runpod.env", "deep/er/notes.txt", "a [b].ipynb"])
def test_a_file_with_a_key_stays_at_home_and_is_named(tmp_path, keys, name):
    made = job(tmp_path)
    place = tmp_path / "code" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"export RUNPOD_API_KEY={KEY}\n")
    problems, told = withhold(made, keys)
    assert problems == []
    assert len(told) == 1 and told[0].startswith(f"{name} in train_code holds the key of your account at runpod")
    assert KEY not in told[0]
    patterns = Patterns(exclude=tuple(made["code_exclude"]))
    assert patterns.excluded(name) and not patterns.excluded("train.py")


def test_a_link_out_of_the_code_is_looked_through(tmp_path, keys):
    made = job(tmp_path)
    (tmp_path / "secret").write_text(KEY)
    (tmp_path / "code/settings").symlink_to(tmp_path / "secret")
    assert "settings in train_code" in withhold(made, keys)[1][0]
    assert Patterns(exclude=tuple(made["code_exclude"])).excluded("settings")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("run.sh", "bash run.sh"), ("run.sh", "./run.sh --fast"), ("jobs/run.sh", "sh jobs/run.sh"),
        ("jobs/run.sh", "cd jobs && sh run.sh"), ("pkg/main.py", "python -m pkg.main --x"), (".envrc", ". .envrc; x"),
    ],
)  # fmt: skip
def test_a_job_that_needs_such_a_file_is_refused(tmp_path, keys, name, command):
    made = job(tmp_path, command=command)
    (tmp_path / "code" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "code" / name).write_text(KEY)
    problems, told = withhold(made, keys)
    assert told == [] and len(problems) == 1
    assert name in problems[0] and "take the key out" in problems[0] and KEY not in problems[0]


@pytest.mark.parametrize(("name", "command"), [("old/train.py", "python train.py"), ("n.sh", "bash run.sh")])
def test_a_file_of_another_name_is_not_needed(tmp_path, keys, name, command):
    made = job(tmp_path, command=command.replace("train.py", "src/train.py"))
    (tmp_path / "code" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "code" / name).write_text(KEY)
    assert withhold(made, keys)[0] == []


def test_requirements_with_a_key_are_refused(tmp_path, keys):
    made = job(tmp_path, requirements=str(tmp_path / "code/requirements.txt"))
    (tmp_path / "code/requirements.txt").write_text(f"-i https://example.org/{KEY}/simple\n")
    assert withhold(made, keys)[0][0].startswith("train_requirements: requirements.txt holds the key")


def test_requirements_are_searched_with_all_that_they_include_wherever_they_lie(tmp_path, keys):
    made = job(tmp_path, requirements=str(tmp_path / "all.txt"))
    (tmp_path / "all.txt").write_text("-r code/base.txt\n")
    (tmp_path / "code/base.txt").write_text(f"-i https://example.org/{KEY}/simple\n")
    problems, _told = withhold(made, keys)
    assert len(problems) == 1 and problems[0].startswith("train_requirements: code/base.txt holds the key")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"env": {"WANDB": f"x{KEY}"}}, "train_env: the value of WANDB"),
        ({"command": f"KEY={KEY} python train.py"}, "train_command"),
        ({"ready_when": {"command": f"curl {OTHER}"}}, "train_ready_when"),
        ({"files": [{"dest": "/x/.netrc", "content": f"password {KEY}"}]}, "train_files: /x/.netrc"),
    ],
)
def test_a_value_with_a_key_is_refused(tmp_path, keys, changes, where):
    problems, _told = withhold(job(tmp_path, **changes), keys)
    assert len(problems) == 1 and problems[0].startswith(f"{where} holds the key") and KEY not in problems[0]


def test_a_dataset_is_looked_through_up_to_a_bound(tmp_path, keys, monkeypatch):
    made = job(tmp_path)
    (tmp_path / "data/big").write_bytes(b"\0" * SEARCHED_BYTES + KEY.encode())
    (tmp_path / "data/small").write_text(KEY)
    read = []
    in_file = AccountKeys.in_file

    def noted(self, path):
        read.append(path.name)
        return in_file(self, path)

    monkeypatch.setattr(AccountKeys, "in_file", noted)
    _problems, told = withhold(made, keys)
    assert [each.split()[0] for each in told] == ["small"]
    assert "big" not in read


def push_of(source, *patterns):
    told = []
    request = Request(str(source), "/there", Patterns(exclude=patterns), label="code")
    push = Push(SimpleNamespace(request=request, show=told.append))
    push.tree = scan(source, request.patterns)
    return push, told


def test_a_tree_that_is_sent_by_itself_leaves_such_files_out(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    (tmp_path / ".envrc").write_text(f"export RUNPOD_API_KEY={KEY}")
    (tmp_path / "train.py").write_text("print(1)")
    push, told = push_of(tmp_path)
    push._withhold()
    assert list(push.tree.files) == ["train.py"]
    assert told == ["push code: .envrc holds the key of your account at runpod and stays at home"]


def test_a_file_with_a_key_that_is_sent_by_itself_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    (tmp_path / ".envrc").write_text(KEY)
    push, _told = push_of(tmp_path / ".envrc")
    with pytest.raises(TreeError, match="is not sent"):
        push._withhold()
