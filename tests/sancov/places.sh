#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Callbacks from every odd place, and every way to end: what is in the segment afterwards.
# Usage: places.sh program|library|shared|static|preload|counters
set -eu
form=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
src=$COVBUF_SOURCE/tests/sancov
sancov=$COVBUF_BUILD/adapters/sancov
unset COVBUF_SEGMENT LD_PRELOAD
export LD_LIBRARY_PATH=$dir:$COVBUF_BUILD/libcovbuf
read -ra engine <<< "$COVBUF_LINK"
whole() { echo "-Wl,--whole-archive $1 -Wl,--no-whole-archive"; }
include=-I$COVBUF_SOURCE/include
failed=0 once=
module=places preload=
early=yes

$CC -g "$include" "$src/segment.c" -o segment "${engine[@]}"
coverage=-fsanitize-coverage=trace-pc
compiler=gcc
if [ "$form" = counters ]; then
	compiler=$COVBUF_CLANG once=yes
	coverage=-fsanitize-coverage=inline-8bit-counters,pc-table
fi
command -v "$compiler" > /dev/null || { echo "$compiler is not installed"; exit 77; }
"$compiler" -O2 -g -fPIC $coverage -c "$src/points.c" -o points.o

# shellcheck disable=SC2046
case $form in
program | counters)
	$CC -O2 -g "$include" -DHAVE_ENGINE -DEARLY "$src/places.c" points.o -o places \
		$(whole "$sancov/libcovbuf_sancov.a") "${engine[@]}"
	;;
library)
	$CC -shared points.o -o libpoints.so $(whole "$sancov/libcovbuf_sancov_image.a")
	$CC -O2 -g "$include" -DHAVE_ENGINE "$src/places.c" -o places -L. -lpoints "${engine[@]}"
	module=libpoints.so early=
	;;
shared)
	$CC -O2 -g "$include" -DHAVE_ENGINE -DEARLY "$src/places.c" points.o -o places \
		$(whole "$sancov/libcovbuf_sancov_image.a") -L"$COVBUF_BUILD/libcovbuf" -lcovbuf -lpthread
	;;
static)
	$CC -static -O2 -g "$include" -DHAVE_ENGINE -DEARLY "$src/places.c" points.o -o places \
		$(whole "$sancov/libcovbuf_sancov_image.a") -Wl,-u,covbuf_image_attach "${engine[@]}" 2> link.log ||
		{ tail -3 link.log; echo "no static libraries here"; exit 77; }
	;;
preload)
	$CC -shared points.o -o libpoints.so
	$CC -O2 -g "$src/places.c" -o places -L. -lpoints -Wl,--allow-shlib-undefined
	module=libpoints.so preload=$sancov/libcovbuf_preload.so early=
	;;
esac

# Emulated, a vfork() is a fork(), and what is linked statically cannot execute POWER's programs.
unable() { # NAME
	case $form.$1 in
	counters.vfork | static.exec) [ "${COVBUF_EMULATED:-}" ] ;;
	*) false ;;
	esac
}

scene() { # NAME EXPECTED [FLAGS OF THE SEGMENT]
	local name=$1 expected=$2 got
	shift 2
	if unable "$name"; then
		echo "skipped $name: not under an emulator"
		return
	fi
	rm -f recording
	./segment make "$PWD/recording" "$@"
	(COVBUF_SEGMENT=$PWD/recording LD_PRELOAD=$preload ./places "$name" > out 2> err) 2> /dev/null || true
	./segment dump recording "$module" > records
	got=$(grep -v nowhere records | addr2line -f -e "$module" | grep -o 'point_[0-9]' | tr '\n' ' ' || true)
	if [ "$once" ]; then # in the order of the table
		expected=$(tr ' ' '\n' <<< "$expected" | sort -u | grep . | tr '\n' ' ' || true)
	fi
	if [ "$got" = "$expected" ] && ! grep -q nowhere records; then
		echo "ok $name $*: $got"
	else
		echo "not ok $name $*: got $got, expected $expected"
		cat err
		failed=1
	fi
}

counts() { # NAME [FLAGS OF THE SEGMENT]: as many records as the program says it made, but for what longjmp cut short
	local c1 c2 called handled jumps
	# on a busy machine the handlers may all have come too late: then there was nothing to see
	for _ in 1 2 3 4 5; do
		rm -f recording
		./segment make "$PWD/recording" "${@:2}"
		COVBUF_SEGMENT=$PWD/recording LD_PRELOAD=$preload ./places "$1" > out
		read -r _ called _ handled _ jumps < out
		[ "$handled" -eq 0 ] || break
	done
	./segment dump recording "$module" | addr2line -f -e "$module" > names
	c1=$(($(grep -c point_1 names || true) - $(wc -w <<< "$early")))
	c2=$(grep -c point_2 names || true)
	if [ "$c1" -le "$called" ] && [ "$c1" -ge $((called - jumps)) ] && [ "$c2" -eq "$handled" ] && [ "$handled" -gt 0 ]; then
		echo "ok $1: $c1 of $called, $c2 of $handled in handlers, $jumps jumps"
	else
		echo "not ok $1: $c1 of $called, $c2 of $handled in handlers, $jumps jumps"
		failed=1
	fi
}

[ -z "$early" ] || early="point_1 " # the constructor's; the resolver's came before there was a context
[ -z "$early" ] || scene early "${early}point_2 point_3 "
scene one "${early}point_2 "
scene _exit "${early}point_1 point_2 "
scene _Exit "${early}point_1 point_2 "
scene quick_exit "${early}point_1 point_2 "
scene abort "${early}point_1 point_2 "
if [ "$form" = counters ]; then
	once= # two programs, each with counters of its own
	scene exec "point_1 point_1 point_2 "
	once=yes
else
	scene exec "${early}point_1 ${early}point_2 "
fi
scene close_range "${early}point_1 point_2 point_3 "
scene vfork "${early}point_1 point_2 point_3 "
scene fork "${early}point_1 point_3 "
scene _Fork "${early}point_1 point_3 "
if [ "$form" != counters ]; then
	scene kill "${early}point_1 point_2 "
	scene pthread_exit "${early}point_1 point_2 "
	scene destructor "${early}point_1 point_2 "
	scene cancel "${early}point_1 point_1 point_2 "
	scene fork "${early}point_1 point_3 point_2 " follow
	counts storm
	counts opening large
	[ "$form" = preload ] || counts storm_jump
	[ "$form" = preload ] || counts opening_jump large
fi
exit $failed
