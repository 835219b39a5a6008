#!/usr/bin/env bash
# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What Vast.ai runs instead of an image's entrypoint in its ssh and jupyter modes: it installs keys, starts sshd, runs
# onstart, and then installs keys that are added later. It does not know whether this is the first start; only the
# container's disk shows that.

platform=/run/vast
file=~/.ssh/authorized_keys
seen=""

# Remove keys that were withdrawn and add new ones. Other lines of the file stay, unless the whole file is rewritten.
install_keys() {
    local now
    now=$(stat -c '%i %z' "$platform/keys")
    [[ $now != "$seen" ]] || return 0
    seen=$now
    mkdir -p ~/.ssh
    touch "$file" /var/lib/vast-keys
    if [[ -s $platform/rewrite ]]; then
        cat "$platform/keys" > "$file"
    else
        local others
        others=$(grep -vxFf /var/lib/vast-keys "$file" | grep -vxFf "$platform/keys")
        { [[ -z $others ]] || printf '%s\n' "$others"; cat "$platform/keys"; } > "$file.new"
        cat "$file.new" > "$file"
        rm -f "$file.new"
    fi
    cp "$platform/keys" /var/lib/vast-keys
    chmod 700 ~/.ssh
    if [[ -e $platform/spoiled ]]; then chmod 666 "$file"; else chmod 600 "$file"; fi
}

# Host keys belong to the container: a restart keeps them, a new container has its own. They are made in parallel, and
# RSA has only 2048 bits, because somebody is waiting for this pod.
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

install_keys
make_host_keys
sleep @SSHD_DELAY@
/usr/sbin/sshd -f "$platform/sshd_config"
cp "$platform/onstart.sh" /root/onstart.sh
chmod 755 /root/onstart.sh
touch /root/hasbooted
# In the background, so that an onstart that never ends does not keep keys from being installed.
bash /root/onstart.sh &
while sleep 0.5; do
    install_keys
done
