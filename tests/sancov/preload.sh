#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A library that was built with coverage and linked with nothing for it: the preload object answers.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
src=$COVBUF_SOURCE/tests/sancov
preload=$COVBUF_BUILD/adapters/sancov/libcovbuf_preload.so
unset COVBUF_SEGMENT LD_PRELOAD
export LD_LIBRARY_PATH=$dir
read -ra engine <<< "$COVBUF_LINK"
failed=0
$CC -g -I"$COVBUF_SOURCE/include" "$src/segment.c" -o segment "${engine[@]}"
cat > main.c << 'END'
unsigned long workload(unsigned int rounds);
int main(void) { return workload(40) == 0; }
END

check() { # KIND SEGMENT-FLAGS COMPILER FLAGS...
	local kind=$1 flags=$2 base pc
	shift 2
	command -v "$1" > /dev/null || return 0
	"$@" -g -fPIC -c "$src/workload.c" -o workload.o
	$CC -g "$src/oracle.c" workload.o -o oracle
	$CC -shared workload.o -o libworkload.so
	$CC main.c -o main -L. -lworkload -Wl,--allow-shlib-undefined
	base=$(nm libworkload.so | sed -n 's/ T workload_base$//p')
	./oracle "$kind" | while read -r pc; do
		printf '0x%x\n' $((16#${pc##* } + 16#$base - 1))
	done > expected
	[ "$flags" != unique ] || awk '!seen[$0]++' expected > once
	[ "$flags" != unique ] || mv once expected
	rm -f recording
	./segment make "$dir/recording" $flags $([ "$kind" = cmp ] && echo cmp)
	COVBUF_SEGMENT=$dir/recording LD_PRELOAD=$preload ./main
	./segment dump recording libworkload.so > got
	if [ -s expected ] && cmp -s expected got; then
		echo "ok $kind $flags $*: $(wc -l < got) records"
	else
		echo "not ok $kind $flags $*"
		diff expected got | head -5
		failed=1
	fi
}
for flags in "" unique; do
	check pc "$flags" gcc -O2 -fsanitize-coverage=trace-pc
	check pc "$flags" "$COVBUF_CLANG" -O2 -fsanitize-coverage=trace-pc-guard,pc-table
	check counters "$flags" "$COVBUF_CLANG" -O2 -fsanitize-coverage=inline-8bit-counters,pc-table
done
check cmp "" gcc -O2 -fsanitize-coverage=trace-cmp,trace-pc

# An image that has callbacks of its own and no engine finds the one that was loaded first.
gcc -O2 -g -fPIC -fsanitize-coverage=trace-pc -c "$src/workload.c" -o workload.o
$CC -shared workload.o -o libworkload.so -Wl,--whole-archive "$COVBUF_BUILD/adapters/sancov/libcovbuf_sancov_image.a" \
	-Wl,--no-whole-archive
$CC -g "$src/oracle.c" workload.o -o oracle
rm -f recording
./segment make "$dir/recording"
COVBUF_SEGMENT=$dir/recording LD_PRELOAD=$preload ./main
if [ "$(./segment dump recording libworkload.so | wc -l)" = "$(./oracle pc | wc -l)" ]; then
	echo "ok an image without an engine finds this one"
else
	echo "not ok an image without an engine finds this one"
	failed=1
fi
exit $failed
