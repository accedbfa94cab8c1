#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# build-kcov-kernel.sh [--source TREE] DIR
#
# Builds a small kernel with CONFIG_KCOV from Debian's linux-source-6.12, the reference that the ABI test
# compares covbuf.ko with: DIR/vmlinuz, and DIR/build to build modules against. The source is fetched
# with apt-get download and unpacked in DIR/source, not installed; --source names a tree that is there
# already. What is built already is not built again. 5 to 12 minutes on two cores, 2.5 GB of disk.
#   JOBS=N  parallel jobs (default: the number of processors)
set -eu
me=${0##*/}
die() { echo "$me: $*" >&2; exit 1; }
config=$(cd "$(dirname "$0")/../tests/vm/abi" && pwd)/kcov.config
package=linux-source-6.12

source=
while [ $# -gt 1 ]; do
	case $1 in
	--source) source=$2 && shift 2 ;;
	*) break ;;
	esac
done
case ${1:--h} in
-h | --help) sed -n '3,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
-*) echo "usage: $me [--source TREE] DIR" >&2; exit 2 ;;
esac
[ $# -eq 1 ] || { echo "usage: $me [--source TREE] DIR" >&2; exit 2; }
mkdir -p "$1" || die "cannot make the folder $1"
dir=$(cd "$1" && pwd)

for tool in make gcc flex bison bc; do
	command -v "$tool" > /dev/null || die "$tool is missing (Debian: apt-get install make gcc flex bison bc)"
done
[ -e /usr/include/libelf.h ] || die "libelf.h is missing (Debian: apt-get install libelf-dev)"

# Callers that run at the same time share what the first one builds.
exec 9> "$dir/.lock"
flock 9

if [ -z "$source" ]; then
	source=$dir/source
	if [ ! -e "$source/Makefile" ]; then
		work=$dir/.fetch
		rm -rf "$work"
		mkdir "$work"
		(cd "$work" && apt-get download -qq -o APT::Sandbox::User=root "$package") ||
			die "cannot download $package; it is in Debian 12's updates: is bookworm-security among apt's sources, and 'apt-get update' recent?"
		dpkg-deb -x "$work/$package"_*.deb "$work"
		mkdir "$work/tree"
		tar -C "$work/tree" --strip-components=1 -xf "$work/usr/src/$package.tar.xz"
		mv "$work/tree" "$source"
		rm -rf "$work"
	fi
fi
[ -e "$source/kernel/kcov.c" ] || die "$source is not a kernel's source: it has no kernel/kcov.c"
source=$(cd "$source" && pwd)

if [ -e "$dir/vmlinuz" ] && cmp -s "$config" "$dir/kcov.config"; then
	echo "$me: $dir/vmlinuz is there"
	exit 0
fi

build=$dir/build
log=$dir/build.log
mkdir -p "$build"
run() { # what it says goes to the log, and its end to the caller if it fails
	"$@" >> "$log" 2>&1 || { tail -20 "$log" >&2; die "'$1 ... ${*: -1}' failed; all of it: $log"; }
}
: > "$log"
run make -C "$source" O="$build" tinyconfig
(cd "$source" && run scripts/kconfig/merge_config.sh -m -O "$build" "$build/.config" "$config")
run make -C "$source" O="$build" olddefconfig
while IFS= read -r line; do
	case $line in
	CONFIG_*=n) line="# ${line%=n} is not set" ;;
	CONFIG_*) ;;
	*) continue ;;
	esac
	grep -qxF "$line" "$build/.config" || die "not in $build/.config: $line"
done < "$config"
run nice make -C "$source" O="$build" -j"${JOBS:-$(nproc)}" bzImage modules_prepare
# No module is part of this kernel: what vmlinux exports is all there is to link to.
cp "$build/vmlinux.symvers" "$build/Module.symvers"
cp "$config" "$dir/kcov.config"
cp "$build/arch/x86/boot/bzImage" "$dir/vmlinuz.new"
mv "$dir/vmlinuz.new" "$dir/vmlinuz"
echo "$me: $dir/vmlinuz: $(make -s -C "$build" kernelrelease)"
