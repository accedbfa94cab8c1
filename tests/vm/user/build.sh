#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# build.sh KERNEL OUT: libcovbuf's unit and stress tests for POWER, with the libraries that they need.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$COVBUF_VM/lib.sh"
kernel=$1 out=$2 image=$2/image
mkdir -p "$image/lib"
unable() { echo "$*"; exit 77; }
tools=$(tools_of "$kernel")
for tool in cmake ninja "${tools}g++"; do
	command -v "$tool" > /dev/null || unable "$tool is missing, to build the tests with"
done
root=$("$top/scripts/ppc-sysroot.sh" 2> "$out/sysroot.log") || unable "$(tail -1 "$out/sysroot.log")"
targets=(stress_engine kill_storm)
for source in "$top"/tests/unit/test_*.c; do
	source=${source##*/}
	targets+=("${source%.c}")
done
built=$cache/user-ppc64el
exec 9> "$built.lock"
flock 9
{
	cmake -S "$top" -B "$built" -G Ninja --toolchain "$top/cmake/ppc64le-linux-gnu.cmake" -DCOVBUF_SYSROOT="$root" \
		-DCOVBUF_BENCH=OFF && nice ninja -C "$built" "${targets[@]}"
} > "$out/build.log" 2>&1 || die "the tests cannot be built; see $out/build.log"
for target in "${targets[@]}"; do
	"${tools}strip" -o "$image/$target" "$built"/tests/*/"$target"
done
exec 9>&-

needed() { # FILE: and what that needs
	local library from
	while read -r library; do
		[ ! -e "$image/lib/$library" ] || continue
		from=$(find "$root"/{lib,lib64}/ -name "$library" | head -1)
		cp -L "$from" "$image/lib"
		needed "$from"
	done < <("${tools}readelf" -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
}
for target in "${targets[@]}"; do
	needed "$image/$target"
done
# Opened when they are needed: to end a thread, by a test that opens one.
for library in libgcc_s.so.1 libBrokenLocale.so.1; do
	cp -L "$(find "$root"/lib/ -name $library)" "$image/lib"
done
# For the test that asks readelf.
for library in "$image"/lib/*; do
	echo "${library##*/} $("${tools}readelf" -n "$library" | grep 'Build ID')"
done > "$image/ids"
