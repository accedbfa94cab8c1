# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck disable=SC2154 # top, cache: lib.sh's
# To be sourced by build.sh, after lib.sh: with_command puts the covbuf command into a guest, as covbuf.bin, with its
# libraries in lib/, and the loader. In guest.sh:
#
#	covbuf() { "$here/loader" --library-path "$here/lib" "$here/covbuf.bin" "$@"; }

unable() { echo "$*"; exit 77; }

# What a program needs, and what that needs, which nobody here can run.
needed() { # TOOLS ROOT FILE LIB
	local library from
	while read -r library; do
		[ ! -e "$4/$library" ] || continue
		from=$(find "$2"/{lib,lib64,usr/lib}/ -name "$library" | head -1)
		cp -L "$from" "$4"
		needed "$1" "$2" "$from" "$4"
	done < <("${1}readelf" -d "$3" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
}

# Builds it once for all kernels of a processor. A command that is built already is taken as it is, if COVBUF_COMMAND
# names it.
with_command() { # KERNEL OUT IMAGE
	local command=${COVBUF_COMMAND:-} tools root='' cross=() name=command tool loader
	tools=$(tools_of "$1")
	if [ "$(processor "$1")" = ppc64el ]; then
		command=''
		name="command-ppc64el"
		root=$("$top/scripts/ppc-sysroot.sh" 2> "$2/sysroot.log") || unable "$(tail -1 "$2/sysroot.log")"
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
		} > "$2/command.log" 2>&1 || die "covbuf cannot be built; see $2/command.log"
		exec 9>&-
		command=$cache/$name/tools/covbuf
	fi
	mkdir "$3/lib"
	cp "$command" "$3/covbuf.bin"
	if [ -n "$root" ]; then
		needed "$tools" "$root" "$command" "$3/lib"
	else
		ldd "$command" | awk '{ for (i = 1; i <= NF; i++) if ($i ~ "^/") print $i }' | while read -r loader; do
			cp -L "$loader" "$3/lib"
		done
	fi
	loader=$("${tools}readelf" -l "$command" | sed -n 's/.*program interpreter: .*\/\(.*\)\]/\1/p')
	cp -L "$root/lib64/$loader" "$3/loader"
}
