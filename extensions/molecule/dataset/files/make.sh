#!/bin/sh
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# make.sh DIRECTORY: a dataset with what is hard to send: names with spaces and foreign letters, an empty file, a link.
set -eu
[ ! -d "$1" ] || exit 0
mkdir -p "$1/deep/er"
printf 'first' >"$1/a name with spaces.txt"
printf 'zweite' >"$1/größe.txt"
: >"$1/deep/empty"
head -c 300000 /dev/zero | tr '\0' 'x' >"$1/deep/er/large.bin"
ln -s ../größe.txt "$1/deep/link"
printf 'no' >"$1/scratch.tmp"
