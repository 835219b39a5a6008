#!/usr/bin/env bash
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What a pod's image does when its container starts, in the order of the official images: a hook, SSH if PUBLIC_KEY is
# set, the environment for interactive shells, a hook, and then nothing, forever.
set -e

run_hook() {
    if [[ -f $1 ]]; then
        echo "Running $2 script..."
        bash "$1"
    fi
}

# Each container has new host keys: they are made here, and the container's disk does not survive it. They are made in
# parallel, and RSA has only 2048 bits, because somebody is waiting for this pod.
make_host_keys() {
    local type made=()
    for type in rsa ecdsa ed25519; do
        if [[ ! -f /etc/ssh/ssh_host_${type}_key ]]; then
            local size=()
            [[ $type != rsa ]] || size=(-b 2048)
            ssh-keygen -q -t "$type" "${size[@]}" -N '' -f "/etc/ssh/ssh_host_${type}_key" &
            made+=($!)
        fi
    done
    for type in "${made[@]}"; do
        wait "$type"
    done
}

setup_ssh() {
    if [[ -z $PUBLIC_KEY ]]; then
        return 0
    fi
    echo "Setting up SSH..."
    local login=@LOGIN@ home=~@LOGIN@
    mkdir -p "$home/.ssh"
    echo "$PUBLIC_KEY" >> "$home/.ssh/authorized_keys"
    chmod 700 -R "$home/.ssh"
    if [[ $login != root ]]; then
        cp -n ~/.bashrc ~/.profile "$home/"
        chown -R "$login" "$home"
        chown "$login" /workspace
    fi
    make_host_keys
    sleep @SSHD_DELAY@
    /usr/sbin/sshd
    echo "SSH host keys:"
    local key
    for key in /etc/ssh/ssh_host_*_key.pub; do
        echo "Key: $key"
        ssh-keygen -lf "$key"
    done
}

# An SSH command does not see the container's environment; an interactive shell reads it from here.
export_env_vars() {
    echo "Exporting environment variables..."
    local entry name value
    while IFS= read -r -d '' entry; do
        name=${entry%%=*}
        value=${entry#*=}
        if [[ $name =~ ^[A-Z_][A-Z0-9_]*$ && $name != PUBLIC_KEY && $name != _ ]]; then
            value=${value//\\/\\\\}
            value=${value//\"/\\\"}
            value=${value//\$/\\\$}
            value=${value//\`/\\\`}
            printf 'export %s="%s"\n' "$name" "$value"
        fi
    done < <(env -0) > /etc/rp_environment
    if ! grep -q 'source /etc/rp_environment' ~/.bashrc; then
        echo 'source /etc/rp_environment' >> ~/.bashrc
    fi
}

run_hook /pre_start.sh pre-start
echo "Pod Started"
setup_ssh
export_env_vars
run_hook /post_start.sh post-start
echo "Start script(s) finished, Pod is ready to use."
# Without exec, so that this shell stays PID 1 and reaps processes whose parents have ended.
sleep infinity
