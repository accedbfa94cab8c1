#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# build.sh KERNEL OUT: the covbuf command with the libraries it needs, the module in some builds, and which of its lines
# are to be reached when.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$COVBUF_VM/lib.sh"
kernel=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)
image=$out/image
mkdir "$image"
need "$(tools_of "$kernel")objcopy" xz
unable() { echo "$*"; exit 77; }

# Once for all kernels of a processor. A command that is built already is taken as it is, if named.
command=${COVBUF_COMMAND:-} tools=$(tools_of "$kernel") root='' cross=() name=command
if [ "$(processor "$kernel")" = ppc64el ]; then
	command=''
	name="command-ppc64el"
	root=$("$top/scripts/ppc-sysroot.sh" 2> "$out/sysroot.log") || unable "$(tail -1 "$out/sysroot.log")"
	cross=(--toolchain "$top/cmake/ppc64le-linux-gnu.cmake" -DCOVBUF_SYSROOT="$root")
fi
if [ -z "$command" ]; then
	for tool in cmake ninja "${tools}g++"; do
		command -v "$tool" > /dev/null || unable "$tool is missing, to build covbuf with"
	done
	mkdir -p "$cache"
	exec 9> "$cache/$name.lock"
	flock 9
	# Another tree may have the same cache.
	grep -qsxF "CMAKE_HOME_DIRECTORY:INTERNAL=$top" "$cache/$name/CMakeCache.txt" || rm -rf "${cache:?}/$name"
	{
		cmake -S "$top" -B "$cache/$name" -G Ninja "${cross[@]}" -DCOVBUF_TESTS=OFF -DCOVBUF_BENCH=OFF &&
			ninja -C "$cache/$name" tools/covbuf
	} > "$out/command.log" 2>&1 || die "covbuf cannot be built; see $out/command.log"
	exec 9>&-
	command=$cache/$name/tools/covbuf
fi

# What a program needs, and what that needs, which nobody here can run.
needed() { # FILE
	local library from
	while read -r library; do
		[ ! -e "$image/lib/$library" ] || continue
		from=$(find "$root"/{lib,lib64,usr/lib}/ -name "$library" | head -1)
		cp -L "$from" "$image/lib"
		needed "$from"
	done < <("${tools}readelf" -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
}
mkdir "$image/lib"
cp "$command" "$image/covbuf.bin"
if [ -n "$root" ]; then
	needed "$command"
else
	ldd "$command" | awk '{ for (i = 1; i <= NF; i++) if ($i ~ "^/") print $i }' | while read -r library; do
		cp -L "$library" "$image/lib"
	done
fi
loader=$("${tools}readelf" -l "$command" | sed -n 's/.*program interpreter: .*\/\(.*\)\]/\1/p')
cp -L "$root/lib64/$loader" "$image/loader"

# As built, without debug information, and another build of the same name.
build() { # OUT [MAKE-ARGUMENT...]
	local to=$1
	shift
	"$COVBUF_VM/build-module.sh" "$kernel" "$here/module" "$out/$to" COVBUF="$top/adapters/kmod" "$@"
}
build module
build other CFLAGS_lines.o=-DOTHER
mkdir "$image"/{module,bare,other}
cp "$out/module/lines.ko" "$image/module"
cp "$out/other/lines.ko" "$image/other"
"${tools}objcopy" --strip-debug "$out/module/lines.ko" "$image/bare/lines.ko"
xz --check=crc32 -k -c "$out/module/lines.ko" > "$image/lines.ko.xz"

# "REMARK LINE"
sed -nE '=; s,.*/\* ([a-z]+) \*/.*,\1,p' "$here/module/lines.c" |
	awk '/^[0-9]+$/ { line = $1; next } /^(never|task|remote|init|exit)$/ { print $1, line }' > "$image/remarks"
[ -s "$image/remarks" ] || die "no line of lines.c has a remark"
