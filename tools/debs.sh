#!/bin/sh
# debs.sh PREFIX [-s SUITE -p PATCHELF] PACKAGE..
#
# Unpacks Debian packages, and what they need that is not installed here, under PREFIX. Needs no root, runs no script
# of a package, installs nothing. Signatures and checksums are checked by apt-get as always.
#   -s SUITE      take them from another suite of Debian; they then bring their own C library, and
#   -p PATCHELF   points their programs at it
set -eu

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 64; }
complain() { echo "debs.sh: $*" >&2; exit 69; }

[ $# -ge 2 ] || usage
mkdir -p "$1"
prefix=$(cd "$1" && pwd)
shift
suite='' patchelf=''
while getopts s:p: option; do
    case $option in
        s) suite=$OPTARG ;;
        p) patchelf=$OPTARG ;;
        *) usage ;;
    esac
done
shift $((OPTIND - 1))
for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || complain "needs $tool, as Debian and its relatives have it; elsewhere install: $*"
done

# apt-get with a state of its own, so that it neither needs root nor sees, nor touches, the machine's.
state=$(mktemp -d "${TMPDIR:-/tmp}/debs.XXXXXX")  # not under PREFIX: apt's options know no blanks in a path
trap 'rm -rf "$state"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$state/lists/partial" "$state/archives/partial"
apt() {
    apt-get -qq -o Dir::State="$state" -o Dir::State::lists="$state/lists" -o Dir::State::status="$status" \
        -o Dir::Cache="$state" -o Dir::Cache::archives="$state/archives" -o Debug::NoLocking=1 \
        -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none ${suite:+-o Dir::Etc::sourcelist="$state/list"} \
        ${suite:+-o Dir::Etc::sourceparts=/dev/null} "$@"
}
status=/var/lib/dpkg/status
if [ -n "$suite" ]; then
    status=$state/status  # empty: nothing that is installed here fits
    : >"$status"
    mirror=$(cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
        awk '/^URIs:/ { print $2; exit } /^deb / { for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) { print $i; exit } }')
    [ -n "$mirror" ] || complain "no mirror in /etc/apt"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$state/list"
fi
apt update
apt -y --no-install-recommends --download-only install "$@" >/dev/null

for deb in "$state"/archives/*.deb; do
    [ -f "$deb" ] || continue  # all of it is installed already
    case $suite:${deb##*/} in
        :* | *:rabbitmq* | *:erlang* | *:lib* | *:zlib1g*) dpkg-deb -x "$deb" "$prefix" ;;  # of a suite: no shell, no tools
    esac
done
rm -rf "$prefix/usr/share/doc" "$prefix/usr/share/man"

# Debian's scripts that start Erlang hold its absolute folder, whatever ERL_ROOTDIR says.
escaped=$(printf '%s' "$prefix" | sed 's/[\\&#"$`]/\\&/g')
for script in "$prefix"/usr/lib/erlang/bin/erl "$prefix"/usr/lib/erlang/bin/start \
    "$prefix"/usr/lib/erlang/erts-*/bin/erl "$prefix"/usr/lib/erlang/erts-*/bin/start; do
    [ ! -f "$script" ] || sed -i "s#=/usr/lib/erlang\$#=\"$escaped/usr/lib/erlang\"#" "$script"
done

[ -n "$suite" ] || exit 0
libc=$(find "$prefix" -name libc.so.6 | head -n 1)
loader=$(find "$prefix" -name 'ld-linux*.so.*' | head -n 1)
find "$prefix"/usr/lib/erlang/erts-*/bin "$prefix"/usr/lib/erlang/bin "$prefix"/usr/lib/erlang/lib/*/priv/bin -type f |
    while IFS= read -r program; do
        if "$patchelf" --print-interpreter "$program" >/dev/null 2>&1; then
            "$patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "${libc%/*}" "$program"
        fi
    done
