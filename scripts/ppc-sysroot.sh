#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# ppc-sysroot.sh [--update]
#
# Unpacks Debian's ppc64el libraries and headers that libcovbuf is built with into ppc64el/sysroot of
# $COVBUF_VM_CACHE (build-vm/ of the tree), and prints that folder's path as the only line of its output.
# It is a root for cross compilers (--sysroot, cmake/ppc64le-linux-gnu.cmake) and for qemu-ppc64le (-L).
# Nothing is installed, the machine's apt configuration is read and not changed, and no root is needed.
# What is there already is not fetched again, unless --update asks for it. Where the packages cannot be had
# it says why, and the status is 77.
set -eu
me=${0##*/}
top=$(cd "$(dirname "$0")/.." && pwd)
cache=${COVBUF_VM_CACHE:-$top/build-vm}/ppc64el
die() { echo "$me: $*" >&2; exit 1; }
miss() { echo "$me: $*" >&2; exit 77; }

packages=(
	libc6 libc6-dev linux-libc-dev libcrypt1 libgcc-s1 libstdc++6
	liburcu8 liburcu-dev libjemalloc2 libjemalloc-dev
	libdw1 libdw-dev libelf1 libelf-dev zlib1g zlib1g-dev liblzma5 liblzma-dev libbz2-1.0 libbz2-dev
	libncurses6 libncursesw6 libtinfo6 libncurses-dev libzstd1 libzstd-dev
)

update=
case ${1:-} in
--update) update=1 ;;
'') ;;
-h | --help) sed -n '3,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
*) echo "usage: $me [--update]" >&2; exit 2 ;;
esac
for tool in apt-get dpkg-deb flock; do
	command -v "$tool" > /dev/null || die "$tool is missing: this needs a Debian"
done

mkdir -p "$cache/debs"
cache=$(cd "$cache" && pwd)
root=$cache/sysroot
exec 9> "$cache/.lock"
flock 9
# Names what it holds, last: an interrupted run is noticed, and so is another list of packages.
if [ -z "$update" ] && [ "$(cat "$root/packages" 2> /dev/null)" = "${packages[*]}" ]; then
	echo "$root"
	exit 0
fi

# shellcheck disable=SC1091
release=$(. /etc/os-release && [ "$ID" = debian ] && echo "${VERSION_CODENAME:-}") || release=
[ -n "$release" ] || die "this is not Debian, or /etc/os-release does not name its release"
# shellcheck disable=SC2016
site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Release: $release" 'Component: main' | head -1)
[ -n "$site" ] || miss "none of this machine's package sources is Debian's $release"

# An apt of our own, whose only architecture is ppc64el. Without the security archive: its packages take
# part in Debian's next point release, and where a proxy has an old index of it for this architecture, every
# update fails.
apt=$cache/apt
rm -rf "$apt"
mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/archives/partial"
: > "$apt/status"
cat > "$apt/apt.conf" << END
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/parts";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
APT::Architecture "ppc64el";
#clear APT::Architectures;
APT::Architectures { "ppc64el"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END
for archive in "$release" "$release-updates"; do
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $archive main"
done > "$apt/parts/debian.list"

echo "$me: fetching ${#packages[@]} packages for ppc64el" >&2
apt-get -q -c "$apt/apt.conf" update --error-on=any > "$apt/log" 2>&1 ||
	miss "package lists cannot be fetched; is the network there? $(grep -m 1 -E '^(W|E|Err)' "$apt/log")"
rm -rf "$cache/debs"
mkdir "$cache/debs"
(cd "$cache/debs" && apt-get -q -c "$apt/apt.conf" download "${packages[@]}") > "$apt/log" 2>&1 ||
	miss "packages cannot be fetched: $(grep -m 1 -E '^(E|Err)' "$apt/log")"

work=$cache/.sysroot
rm -rf "$work"
mkdir -p "$work/usr/lib" "$work/usr/lib64"
ln -s usr/lib "$work/lib"
ln -s usr/lib64 "$work/lib64"
for deb in "$cache"/debs/*.deb; do
	dpkg-deb --fsys-tarfile "$deb" |
		tar -x -C "$work" --keep-directory-symlink --exclude=./usr/share --exclude=./etc ||
		die "$deb cannot be unpacked"
done
# Absolute links would lead out of here.
while IFS= read -r link; do
	ln -snfr "$work$(readlink "$link")" "$link"
done < <(find "$work" -type l -lname '/*')
echo "${packages[*]}" > "$work/packages"
rm -rf "$root"
mv "$work" "$root"
rm -rf "$cache/debs"
echo "$root"
