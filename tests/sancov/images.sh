#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# One section over the program, a linked library and an opened one, each with callbacks of its own.
# Usage: images.sh pc|cmp COMPILER FLAGS...
set -eu
kind=$1 compiler=$2
shift 2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
src=$COVBUF_SOURCE/tests/sancov
sancov=$COVBUF_BUILD/adapters/sancov
unset COVBUF_SEGMENT LD_PRELOAD
read -ra engine <<< "$COVBUF_LINK"
image=(-Wl,--whole-archive "$sancov/libcovbuf_sancov_image.a" -Wl,--no-whole-archive)
command -v "$compiler" > /dev/null || { echo "$compiler is not installed"; exit 77; }

"$compiler" "$@" -g -fPIC -c "$src/workload.c" -o workload.o
objcopy --redefine-sym workload=lib_workload --redefine-sym workload_base=lib_workload_base workload.o renamed.o
$CC -shared renamed.o -o liblinked.so "${image[@]}"
$CC -shared workload.o -o libopened.so "${image[@]}"
$CC -g "$src/oracle.c" workload.o -o oracle
$CC -g -I"$COVBUF_SOURCE/include" "$src/images.c" workload.o -o images -L. -llinked -Wl,-rpath,"$dir" \
	-Wl,--whole-archive "$sancov/libcovbuf_sancov.a" -Wl,--no-whole-archive "${engine[@]}"
./oracle "$kind" > once
cat once once once > expected
./images "$kind" "$dir/libopened.so" > got
if [ -s expected ] && cmp -s expected got; then
	echo "ok $(wc -l < got) records"
else
	echo "not ok"
	diff expected got | head -5
	exit 1
fi
[ "$kind" = pc ] || exit 0

# Opened and closed again and again.
$CC -g -I"$COVBUF_SOURCE/include" "$src/reopen.c" -o reopen "${engine[@]}"
all=$(wc -l < once)
sites=$(sort -u once | wc -l)
if [ "$(./reopen ./libopened.so 40)" = $((40 * all)) ] && [ "$(./reopen ./libopened.so 40 unique)" = $((40 * sites)) ]; then
	echo "ok opened 40 times: $all records each, $sites in unique mode"
else
	echo "not ok opened 40 times: $(./reopen ./libopened.so 40) of $((40 * all)) records," \
		"in unique mode $(./reopen ./libopened.so 40 unique) of $((40 * sites))"
	exit 1
fi
