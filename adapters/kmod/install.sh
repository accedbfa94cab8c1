#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# install.sh [--uninstall] [--no-dkms] [--destdir DIR]
#
# Installs covbuf.ko's sources in /usr/src/covbuf-VERSION and what modules are instrumented and profiled with in
# /usr/lib/covbuf; then has dkms build the module for the running kernel, and for kernels to come.
#   --uninstall    takes all of that away again, for every kernel
#   --no-dkms      only the files
#   --destdir DIR  only the files, below DIR
set -eu
me=${0##*/}
die() { echo "$me: $*" >&2; exit 1; }

top=$(cd "$(dirname "$0")/../.." && pwd)
uninstall='' dkms=1 destdir=''
while [ $# -gt 0 ]; do
	case $1 in
	--uninstall) uninstall=1 ;;
	--no-dkms) dkms='' ;;
	--destdir)
		[ $# -ge 2 ] || die "--destdir wants a folder"
		destdir=$2 dkms=''
		shift
		;;
	-h | --help) sed -n '3,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) echo "usage: $me [--uninstall] [--no-dkms] [--destdir DIR]" >&2; exit 2 ;;
	esac
	shift
done
version=$(sed -n 's/^project(.* VERSION \([0-9.]*\).*/\1/p' "$top/CMakeLists.txt")
[ -n "$version" ] || die "$top/CMakeLists.txt does not say the version"
src=$destdir/usr/src/covbuf-$version lib=$destdir/usr/lib/covbuf
[ -n "$destdir" ] || [ "$(id -u)" -eq 0 ] || die "only root can write to /usr; or use --destdir"

# Sources alone: the tree may have been built in.
copy() { # FOLDER
	local file
	find "$top/$1" -name '[!.]*' -type f \( -name '*.[chS]' -o -name '*.lds' -o -name '*.mk' -o -name Kbuild \
		-o -name Makefile \) ! -name '*.mod.c' -printf "$1/%P\n" | while read -r file; do
		install -D -m 644 "$top/$file" "$src/$file"
	done
}

install_sources() {
	copy include
	copy libcovbuf/core
	copy libcovbuf/platform/kernel
	copy adapters/kmod
	install -D -m 644 -t "$src/adapters/llvmprof" "$top/adapters/llvmprof/format.h"
	install -D -m 644 -t "$src/adapters/llvmprof/module" "$top/adapters/llvmprof/module/module.h"
	install -m 644 "$top/libcovbuf/core.c" "$src/libcovbuf/core.c"
	sed "s/@VERSION@/$version/" "$top/adapters/kmod/dkms.conf" > "$src/dkms.conf"
	chmod 644 "$src/dkms.conf"
}

if [ -n "$dkms" ]; then
	command -v dkms > /dev/null || die "there is no dkms (apt install dkms); --no-dkms installs only the files"
	if [ -e "/var/lib/dkms/covbuf/$version" ]; then
		# dkms reads them to forget them
		[ -e "$src/dkms.conf" ] || install_sources
		dkms remove "covbuf/$version" --all
	fi
elif [ -n "$uninstall" ] && [ -z "$destdir" ] && [ -e "/var/lib/dkms/covbuf/$version" ]; then
	die "dkms has covbuf/$version, and needs its sources: leave out --no-dkms"
fi
rm -rf "$src" "${lib:?}"/{instrument.mk,profile.mk,include,llvmprof/module}
# What libcovbuf itself has there stays.
[ -e "$lib/llvmprof/runtime.c" ] || rm -rf "$lib/llvmprof"
[ ! -d "$lib" ] || find "$lib" -type d -empty -delete
[ -z "$uninstall" ] || exit 0

install_sources
install -D -m 644 -t "$lib" "$top"/adapters/kmod/{instrument,profile}.mk
install -D -m 644 -t "$lib/llvmprof" "$top"/adapters/llvmprof/{raw,format}.h
install -D -m 644 -t "$lib/llvmprof/module" "$top"/adapters/llvmprof/module/{runtime.c,module.h,profile.lds,clang.h}
install -D -m 755 -t "$lib/llvmprof/module" "$top"/adapters/llvmprof/module/{clang,ld}
install -D -m 644 -t "$lib/include/covbuf" "$top/include/covbuf/kmod.h" "$top/include/covbuf/kmod_kcov.h"

[ -n "$dkms" ] || exit 0
[ -e "/lib/modules/$(uname -r)/build" ] ||
	die "the sources are in $src, but there are no headers of the running kernel:
	apt install linux-headers-$(uname -r) && dkms install covbuf/$version"
dkms install "covbuf/$version"
