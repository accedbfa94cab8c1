#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh DOCUMENT...
#
# Runs the commands that documents show (commands.py), each document's in a copy of examples/: in the document's
# own folder there, or in that one; README.md's above it, with the scripts, the build, a prog.c and the example that it
# shows. libcovbuf is installed as a user would have it. COVBUF_BUILD is the build.
set -eu
set -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$(realpath "$here/../..")
skip() { echo "skipped: $*"; exit 77; }
if [ $# -eq 0 ] || [ -z "${COVBUF_BUILD:-}" ]; then
	sed -n '3,7s/^# \{0,1\}//p' "$0"
	exit 2
fi
[ -x "$COVBUF_BUILD/tools/covbuf" ] || skip "there is no covbuf command in this build"
for tool in clang-19 llvm-profdata-19 llvm-cov-19 pkg-config python3 cmake; do
	command -v "$tool" > /dev/null || skip "$tool is missing; scripts/install-deps.sh installs it"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset LLVM_PROFILE_FILE COVBUF_PROFILE COVBUF_PROFILE_FORM COVBUF_SEGMENT

prefix=$work/installed
cmake --install "$COVBUF_BUILD" --prefix "$prefix" > "$work/install.log" 2>&1 ||
	{ tail -20 "$work/install.log"; exit 1; }
export PATH=$prefix/bin:$PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name covbuf.pc)")
export PKG_CONFIG_PATH CMAKE_PREFIX_PATH=$prefix

for document; do
	document=$(realpath "$document")
	folder=examples
	[[ $document != "$source"/examples/* ]] || folder=$(realpath --relative-to="$source" "${document%/*}")
	mkdir "$work/run"
	cp -r "$source/examples" "$work/run"
	if [ "$document" = "$source/README.md" ]; then
		folder=.
		ln -s "$source/scripts" "$work/run/scripts"
		ln -s "$(realpath "$COVBUF_BUILD")" "$work/run/build"
		cp "$source/examples/embed/embed.c" "$work/run"
		cp "$source/examples/mcdc/doors.c" "$work/run/prog.c"
	fi
	(cd "$work/run/$folder" && "$here/commands.py" "$document")
	rm -rf "$work/run"
done
