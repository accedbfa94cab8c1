#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# link-flags.sh BUILD
#
# Prints what is added to the end of a program's link line (LIBS, with autoconf) so that it records into
# the segment that COVBUF_SEGMENT names, with the libraries in the build folder BUILD. The program is
# compiled with -fsanitize-coverage=...; clang links with -fno-sanitize-link-runtime, since the
# callbacks come from here. Each archive is one argument together with its options, since libtool
# reorders arguments.
set -eu
[ $# -eq 1 ] || { echo "usage: ${0##*/} BUILD" >&2; exit 2; }
build=$(cd "$1" && pwd)
sancov=$build/adapters/sancov/libcovbuf_sancov.a
engine=$build/libcovbuf/libcovbuf.a
for archive in "$sancov" "$engine"; do
	[ -f "$archive" ] || { echo "${0##*/}: there is no $archive; build first: ninja -C $build" >&2; exit 1; }
done
echo "-Wl,--whole-archive,$sancov,--no-whole-archive $engine -lurcu -lpthread -lm -ldl" \
	"-Wl,--wrap=pthread_create,--wrap=_Fork -Wl,--export-dynamic-symbol=covbuf_*"
