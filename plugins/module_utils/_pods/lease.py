# Copyright (c) 2026, the podyard.gpu contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dead-man switch: a program on the pod that ends the pod when its lease is not renewed in time.

It is armed where a container starts with a script of ours, and (again) with the first login, which is all there can be
where an image's own start command must be left alone. To renew is to make an empty file: that needs neither a clock
that agrees with another one nor room on the disk, and the commands that are sent to a pod anyway do it on their way.

The pod ends itself with the key that its provider has put into it; how, the driver says (``Provider.own_end``). The
account's key is on no pod.
"""

from __future__ import annotations

import base64
import gzip
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._core.errors import BadRequest
from .._core.times import utc_now
from .._training.state import LEASE
from . import bootstrap

if TYPE_CHECKING:
    from .._core.pod import Pod
    from .._providers.base import OwnEnd

#: Seconds that a container waits for its first login. Our own waits for one are over after ten minutes at most, on an
#: image that has to install its SSH server too; a lease that is shorter counts from the container's start as it is.
BOOT_GRACE = 3600
#: Renews a pod's lease, as a shell command. A failure to do so must not block the work.
RENEW = f"[ ! -d {LEASE} ] || (: >{LEASE}/renew) 2>/dev/null"
#: What the program says when it is armed, and when it never can be.
ARMED, NO_KEY = "armed", "no-key"
_SAID = re.compile(r"^podyard:lease=(\S+)\s*$", re.MULTILINE)

# Every function is read before the first one runs, so that the file may be replaced meanwhile. The text becomes a part
# of the start script of a pod, for which a provider may allow a few thousand characters.
#
# In $d: on (number and start of the process that watches; any other one leaves), seconds (the length of a
# lease), renew (made by whatever renews, taken away by the watcher), ends (the uptime at which the lease is over, for
# readers), log. Time is the machine's uptime, which is monotonic.
PROGRAM = r"""
d=@DIRECTORY@ url=@URL@
say() { echo "$(date -u +%FT%TZ) $*" >>$d/log; }
has() { command -v "$1" >/dev/null 2>&1; }
now() { read -r u rest </proc/uptime; echo "${u%%.*}"; }
born() {
    read -r l <"/proc/$1/stat" || return
    set -- ${l##*) }
    [ "$1" != Z ] && echo "${20}"
}
lives() { read -r p s <$d/on && [ "$(born "$p")" = "$s" ]; }
# A session of SSH lacks the container's variables.
var() {
    eval "v=\${$1-}"
    [ "$v" ] || v=$({ tr '\0' '\n' </proc/1/environ; cat /etc/environment /etc/rp_environment; } 2>/dev/null |
        sed -n "s/^\(export \)*$1=//p" | tr -d '"' | head -n 1)
    echo "$v"
}
# METHOD PATH [BODY]. The key is in no process's arguments.
ask() {
    if has curl; then
        printf 'header="Authorization: Bearer %s"\n' "$key" | curl -fsSm 30 -K - -X "$1" \
            -H content-type:application/json ${3:+-d "$3"} "$url$2" && return
    fi
    for py in python3 python /opt/conda/bin/python; do
        if has $py; then
            K=$key $py -c 'import os,sys
from urllib.request import *
m,u,b=sys.argv[1:]
h={"Authorization":"Bearer "+os.environ["K"],"User-Agent":"podyard","Content-Type":"application/json"}
build_opener().open(Request(u,b.encode() or None,h,method=m),timeout=30)' "$1" "$url$2" "${3-}" && return
        fi
    done
    if has wget; then
        (umask 77; printf 'header=Authorization: Bearer %s\n' "$key" >$d/rc)
        wget --config=$d/rc -qO- -T 30 -t 1 --method="$1" --header=content-type:application/json \
            ${3:+--body-data="$3"} "$url$2" && return
    fi
    # Without a program for it, or without certificates, they are fetched for the next try.
    if ! has curl || [ ! -d /etc/ssl/certs ]; then
        if has apt-get; then (apt-get update; apt-get install -y curl ca-certificates) >/dev/null 2>&1
        elif has apk; then apk add curl ca-certificates >/dev/null 2>&1; fi
    fi
    return 1
}
find_key() { key=$(var @KEY@) id=$(var @ID@); [ "$key" ] && [ "$id" ]; }
end_pod() {
@END@
}
watch() {
    me="$$ $(born $$)" n=$1 end=$(($(now) + $1)) try=0 at=0
    echo "$me" >$d/on
    while :; do
        # Somebody may have emptied the place of temporary files.
        [ -d $d ] || mkdir -p $d
        m='' o=''
        read -r m <$d/seconds
        n=${m:-$n}
        read -r o <$d/on
        [ "${o:-$me}" = "$me" ] || exit
        [ "$o" ] || { echo "$me" >$d/on; echo "$n" >$d/seconds; }
        if [ -e $d/renew ]; then
            rm -f $d/renew
            end=$(($(now) + n)) try=0 at=0
        fi
        echo $end >$d/e
        mv -f $d/e $d/ends
        if [ "$(now)" -ge $end ] && [ "$(now)" -ge $at ]; then
            try=$((try + 1))
            p=$((try * try * 5))
            [ $p -lt 300 ] || p=300
            at=$(($(now) + p))
            say "the lease was not renewed: ending this pod (try $try)"
            find_key
            if end_pod >$d/answer 2>&1; then r='took the order'; else r='did not take the order'; fi
            say "the provider $r: $(tail -c 300 $d/answer | tr '\n' ' ')"
        fi
        t=$((n / 10))
        [ $t -lt 15 ] || t=15
        [ $t -gt 0 ] || t=1
        sleep $t
    done
}
# boot SECONDS FIRST: armed where it is not yet, at first for FIRST seconds. arm SECONDS SECONDS: renewed as well.
main() {
    umask 0
    if [ "$1" = arm ] || [ ! -s $d/seconds ]; then echo "$2" >$d/seconds; fi
    if ! find_key; then
        say "this pod has no key by which it could end itself"
        echo podyard:lease=no-key
        return
    fi
    if lives; then
        [ "$1" = boot ] || : >$d/renew
    else
        rm -f $d/renew
        trap '' HUP
        w=''
        has setsid && w=setsid
        $w sh $d/lease watch "$3" </dev/null >/dev/null 2>&1 &
        say "armed: $3 s from now, $2 s from each renewal"
    fi
    echo podyard:lease=armed
}
if [ "$1" = watch ]; then watch "$2"; else main "$@" 2>/dev/null; fi
exit
"""


@dataclass(frozen=True)
class Lease:
    """How long a pod may live without being renewed, and how its provider lets it end itself."""

    seconds: int
    own_end: OwnEnd

    def at_boot(self, grace: int = BOOT_GRACE) -> str:
        """Shell text for the start of a container: armed until somebody logs in, for ``grace`` seconds at most."""
        return self._run("boot", min(self.seconds, grace))

    def at_login(self) -> str:
        """Shell text for a session of SSH: armed where it is not yet, and renewed."""
        return self._run("arm", self.seconds)

    def ends_at(self) -> str:
        """When a lease is over that is renewed now: RFC 3339 in UTC, by this machine's clock."""
        return utc_now(ahead=self.seconds)

    def program(self) -> str:
        """Return the program that is put on the pod, without its comments."""
        own = self.own_end
        words = {"DIRECTORY": LEASE, "URL": shlex.quote(own.url), "KEY": own.key, "ID": own.id, "END": own.script}
        text = re.sub(r"@([A-Z]+)@", lambda match: words[match[1]], PROGRAM)
        lines = [line.strip() for line in text.splitlines()]
        return "".join(f"{line}\n" for line in lines if line and not line.startswith("# "))

    def _run(self, mode: str, first: int) -> str:
        packed = base64.b64encode(gzip.compress(self.program().encode(), 9, mtime=0)).decode()
        fresh = f"{LEASE}/.$$"
        return (
            f"(umask 0; mkdir -p {LEASE}; echo {packed} | base64 -d | gzip -dc >{fresh} && mv -f {fresh} {LEASE}/lease "
            f"&& sh {LEASE}/lease {mode} {self.seconds} {first})"
        )


def lease(hours: float | None, own_end: OwnEnd | None, provider: str) -> Lease | None:
    """Return the lease for so many hours; None without one.

    :raises BadRequest: when a lease is impossible here.
    """
    if not hours:
        return None
    if not 0 < hours <= 24 * 365:
        raise BadRequest(
            f"The option lease is {hours:g}; it is a number of hours, from a few minutes to a year, and 0 for none."
        )
    if own_end is None:
        raise BadRequest(
            f"The option lease is {hours:g}, and nothing was rented: a pod of {provider} has no key by which it could "
            "end itself. Leave the option out."
        )
    return Lease(max(1, round(hours * 3600)), own_end)


def said(output: str) -> str | None:
    """Return what the program said in the output of a login: ARMED, NO_KEY, or None when it could not be run."""
    match = _SAID.search(output)
    return match[1] if match else None


def doubts(pod: Pod, found: str | None, logged_in: bool) -> list[str]:
    """Return, in sentences, what may keep the lease from ending the pod: warnings, for the pod exists by now.

    :param found: what ``said`` has read, where there was a login.
    """
    if found == ARMED or (found is None and boots(pod)):
        return []
    if found == NO_KEY:
        why = "the provider has put no key into it by which it could end itself"
    elif logged_in:
        why = "it could not be armed, since the pod has no base64 or no gzip, or nothing may be written to its /tmp"
    else:
        why = "its start command is not ours, so that it is armed with the first login, and this task does not log in"
    return [f"The lease of {pod.label()} does not count: {why}. If you do not end the pod, nothing does."]


def boots(pod: Pod) -> bool:
    """Whether the lease is armed when the pod's container starts, by what its provider shows of it."""
    return LEASE in (pod.onstart or "") or LEASE in bootstrap.our_script(pod.args)
