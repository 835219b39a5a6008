# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code, environment and directories are on the pod as asked for."""

from __future__ import annotations


def test_the_code_is_there(host):
    # What Ansible tells of a command's output has no line feed at its end; the size has.
    module = host.file("/workspace/w/code/package/module.py")
    assert (module.content_string.rstrip("\n"), module.size) == ("VALUE = 1", 10)
    assert not host.file("/workspace/w/code/left-at-home").exists


def test_the_directories_are_there(host):
    for path in ("/workspace/w/one", "/workspace/w/two words"):
        assert host.file(path).is_directory


def test_the_environment_has_the_requirements_and_sees_the_image(host):
    assert "PIL" in host.check_output("/workspace/w/venv/bin/python -c 'import PIL; print(PIL.__name__)'")
    assert "include-system-site-packages = true" in host.file("/workspace/w/venv/pyvenv.cfg").content_string


def test_the_environment_is_whole_and_on_the_local_disk(host):
    venv = host.file("/workspace/w/venv").linked_to
    assert venv.startswith("/root/.podyard/venv-")
    assert host.file(f"{venv}/.podyard-complete").exists
    requirements = host.file(f"{venv}/requirements.txt")
    assert (requirements.content_string.rstrip("\n"), requirements.size) == ("pillow>=10", 11)


def test_one_that_failed_is_no_environment(host):
    whole = host.check_output("find -P /root/.podyard -name .podyard-complete")
    assert len(whole.splitlines()) == 1
