# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requirements as they are installed on another machine."""

from __future__ import annotations

import pytest

from ansible_collections.podyard.gpu.plugins.plugin_utils._job.requirements import BadRequirements, read

THERE = "/there/code"
WHEEL = "wheels/x-1.0-py3-none-any.whl"


@pytest.fixture(name="code")
def _code(tmp_path):
    code = tmp_path / "code"
    for path, text in {
        "requirements.txt": "numpy\n", "setup.py": "", "train.py": "", WHEEL: "whl",
        "pkg/pyproject.toml": "", "pkg/pkg.py": "", "requirements/base.txt": "torch\n", "plain/a.py": "",
    }.items():  # fmt: skip
        (code / path).parent.mkdir(parents=True, exist_ok=True)
        (code / path).write_text(text)
    return code


def made(code, text, name="requirements.txt", **how):
    (code / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(code / name, code, THERE, **how)


def refused(code, text, name="requirements.txt", **how):
    with pytest.raises(BadRequirements) as caught:
        made(code, text, name, **how)
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("-e .", f"-e {THERE}"), ("--editable=.", f"-e {THERE}"), ("-e.", f"-e {THERE}"),
        ("-e ./pkg[a,b]", f"-e {THERE}/pkg[a,b]"),
        ("--editable ./pkg", f"-e {THERE}/pkg"), ("./pkg", f"{THERE}/pkg"), (".", THERE), (".[dev]", f"{THERE}[dev]"),
        (f"./{WHEEL}", f"{THERE}/{WHEEL}"), (f"{WHEEL} ; python_version>'3'", f"{THERE}/{WHEEL} ; python_version>'3'"),
        (f"./{WHEEL} --hash=sha256:00", f"{THERE}/{WHEEL} --hash=sha256:00"), ("./pkg  # ours", f"{THERE}/pkg"),
        ("--find-links ./wheels", f"--find-links {THERE}/wheels"), ("-f wheels", f"-f {THERE}/wheels"),
    ],
)  # fmt: skip
def test_a_path_starts_from_the_file_and_is_written_as_it_is_there(code, line, there):
    for option in ("--editable", "-e"):
        there = there.replace(f"{option} ", "-e ") if line.startswith(option) else there
    found = made(code, f"numpy\n{line}\n")
    assert found.files["requirements.txt"].replace("--editable ", "-e ") == f"numpy\n{there}\n"


@pytest.mark.parametrize(
    "line",
    [
        "numpy", "torch==2.4.0+cu121", "x @ https://example.org/x.whl", "git+https://example.org/a/b.git@v1#egg=b",
        "-e git+https://example.org/x#egg=x",
        "numpy>=1 ; sys_platform == 'linux'", "-i https://u:${TOKEN}@example.org/simple", "--pre",
        "--no-binary :all:", "a[b]==1 --hash=sha256:0 --hash=sha256:1", "-f https://example.org/wheels",
        "-r https://example.org/r.txt", "# -e ./nothing", "git+ssh://git@example.org/a.git", "/opt/wheels/of-image.whl",
        "--find-links ${WHEELHOUSE}", "x @ file:///croot/x",
        "numpy \\\n  --hash=sha256:0", "./${NAME}.whl", "http://example.org/x.tar.gz",
    ],
)  # fmt: skip
def test_everything_else_stays_as_it_is(code, line):
    assert made(code, f"{line}\n").files == {"requirements.txt": f"{line}\n"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_text_is_read_as_pip_reads_it(code, encoding, end):
    assert made(code, f"# für{end}numpy{end}".encode(encoding)).files == {"requirements.txt": "# für\nnumpy\n"}


def test_a_named_encoding_counts(code):
    assert (
        made(code, "# -*- coding: latin-1 -*-\n# für\n".encode("latin-1")).files["requirements.txt"].endswith("# für\n")
    )


@pytest.mark.parametrize(
    "data", ["für".encode("latin-1"), "numpy\n".encode("utf-16-le"), b"# coding: no-such\nx\n", b"\x00\x01"]
)
def test_what_is_no_text_is_refused(code, data):
    assert "save it as UTF-8" in refused(code, data)


def test_includes_go_along_and_keep_their_places(code):
    (code / "requirements/base.txt").write_text("-r deep/more.txt\n-c ../limits.txt\n")
    (code / "requirements/deep").mkdir()
    (code / "requirements/deep/more.txt").write_text("scipy\n")
    (code / "limits.txt").write_text("scipy<2\n")
    found = made(code, "-r requirements/base.txt\n--constraint=limits.txt\n")
    assert found.main == "requirements.txt"
    assert sorted(found.files) == [
        "limits.txt",
        "requirements.txt",
        "requirements/base.txt",
        "requirements/deep/more.txt",
    ]
    first = found.digest
    (code / "requirements/deep/more.txt").write_text("scipy==1\n")
    assert read(code / "requirements.txt", code, THERE).digest != first


def test_a_file_outside_of_the_code_brings_what_it_includes(code, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/base.txt").write_text("numpy\n")
    (tmp_path / "job.txt").write_text(f"-r shared/base.txt\n-r {tmp_path}/shared/base.txt\n")
    found = read(tmp_path / "job.txt", code, THERE)
    assert found.files == {"job.txt": "-r shared/base.txt\n-r shared/base.txt\n", "shared/base.txt": "numpy\n"}


def test_a_path_in_an_included_file_starts_there_or_where_pip_is_called(code):
    (code / "requirements/base.txt").write_text("-e ./pkg\n")
    assert made(code, "-r requirements/base.txt").files["requirements/base.txt"] == f"-e {THERE}/pkg\n"
    assert made(code, "-e .\n", "requirements/base.txt").files == {"base.txt": f"-e {THERE}\n"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-r nothing.txt", "line 1: there is no file"), ("x\n-c nothing.txt", "line 2: there is no file"),
        ("-r requirements.txt", "includes itself"), ("-r ${NAME}.txt", "cannot be found here"),
        ("./no.whl", "there is no ./no.whl"), ("-e ./no", "there is no ./no"), ("./plain", "not a Python project"),
        ("-e plain", "neither pyproject.toml nor setup.py"),
        ("-e ..", "lies outside of the code"), ("-r requirements", "there is no file"),
    ],
)  # fmt: skip
def test_what_pip_would_refuse_on_the_pod_is_refused_here(code, text, words):
    assert words in refused(code, text)


def test_a_circle_of_includes_is_refused_and_a_diamond_is_none(code):
    (code / "a.txt").write_text("-r b.txt\n")
    (code / "b.txt").write_text("-r a.txt\n")
    assert "includes itself" in refused(code, "-r a.txt")
    (code / "b.txt").write_text("numpy\n")
    assert len(made(code, "-r a.txt\n-r b.txt\n").files) == 3


def test_what_is_left_out_of_the_code_cannot_be_installed(code):
    assert "kept at home" in refused(code, f"./{WHEEL}", exclude=("*.whl",))


def test_all_faults_are_told_at_once(code):
    assert refused(code, "./no.whl\n-r no.txt\n").count("line") == 2


@pytest.mark.parametrize("path", [WHEEL, "setup.py"])
def test_what_is_installed_from_the_code_decides_the_environment(code, path):
    before = made(code, f"-e .\n./{WHEEL}\n").digest
    assert made(code, f"-e .\n./{WHEEL}\n").digest == before
    (code / "train.py").write_text("changed")
    assert made(code, f"-e .\n./{WHEEL}\n").digest == before
    (code / path).write_text("changed")
    assert made(code, f"-e .\n./{WHEEL}\n").digest != before


def test_variables_that_are_no_secret_decide_the_environment(code):
    text = "torch==${VERSION}\n-i https://${TOKEN}@example.org/\n"
    first = made(code, text, env={"VERSION": "1", "TOKEN": "a"}).digest
    assert made(code, text, env={"VERSION": "1", "TOKEN": "b"}).digest == first
    assert made(code, text, env={"VERSION": "2", "TOKEN": "a"}).digest != first
