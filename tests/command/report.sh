#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# covbuf report and export: the lines and functions that were reached, and only those, for each compiler
# and way of linking; and what is said when the binary is not what it was.
. "$(dirname "$0")/lib.sh"

# Lines of the source with a remark, and whether the tracefile has them as reached.
check_lines() { # NAME TRACEFILE WANTED UNWANTED
	local line
	for line in $(grep -nE "/\* ($3) \*/" "$here/program.c" | cut -d: -f1); do
		grep -qE "^DA:$line,[1-9]" "$2" || not_ok "$1: line $line is not reached"
	done
	for line in $(grep -nE "/\* ($4) \*/" "$here/program.c" | cut -d: -f1); do
		grep -qE "^DA:$line,0" "$2" || not_ok "$1: line $line is reached, or no point"
	done
}

try() { # NAME
	"$COVBUF" run -q --force -o rec "./$1" 10 || not_ok "$1 runs"
	"$COVBUF" export --lcov -o rec.info rec || not_ok "$1 exports"
	check_lines "$1" rec.info always "never|fork"
	"$COVBUF" run -q --force -o rec "./$1" 10 fork
	"$COVBUF" export --lcov -o rec.info rec
	check_lines "$1 fork" rec.info "always|fork" "never"
	"$COVBUF" report --functions rec > out || not_ok "$1 reports"
	check "$1: a function that was not called" grep -qE "^never_called +0/[1-9]" out
	check "$1: one that was" grep -qE "^step +[1-9][0-9]*/[1-9]" out
	"$COVBUF" run -q --force --trace -o rec "./$1" 10
	"$COVBUF" export --json -o rec.json rec
	# 3 threads x 10 steps
	check "$1: hits" grep -qE '"function":"step",.*"hits":30}' rec.json
}

build_gcc gcc && try gcc
build_gcc gcc-nopie -no-pie -fno-pie && try gcc-nopie
build_gcc gcc-O2 -O2 && "$COVBUF" run -q ./gcc-O2 && expect "optimised" 0 "program.c +[0-9]+/[0-9]+" "$COVBUF" report gcc-O2.covbuf
build_clang clang && try clang

# A library that is instrumented, and a program that is not and only has the engine.
"$CC" -O0 -g -fPIC -fsanitize-coverage=trace-pc -Dmain=program_main -c "$here/program.c" -o library.o
echo 'int program_main(int, char **); int main(int c, char **v) { return program_main(c, v); }' > main.c
"$CC" -shared library.o -o libprogram.so -Wl,--whole-archive "$COVBUF_IMAGE" -Wl,--no-whole-archive &&
	"$CC" -O0 -g main.c -o with-library -L. -lprogram -Wl,-rpath,"$dir" "${link[@]}" && try with-library

# Callbacks that are inlined when linking: the same lines as when they are called.
# shellcheck disable=SC2086
if build_clang called -O2 && [ -e "$COVBUF_LTO" ] &&
	"$CLANG" -O2 -g -flto -fsanitize-coverage=trace-pc-guard,pc-table -mllvm -sanitizer-coverage-prune-blocks=0 \
		-c "$here/program.c" -o inlined.o &&
	"$CLANG" -O2 -flto -fuse-ld=lld inlined.o -o inlined ${COVBUF_LINK//$COVBUF_CALLED/$COVBUF_LTO} 2> /dev/null; then
	for name in called inlined; do
		"$COVBUF" run -q ./$name 10
		"$COVBUF" export --lcov $name.covbuf | sed -n 's/^DA:\([0-9]*\),[1-9].*/\1/p' > $name.lines
	done
	check "inlined: the lines that were reached" cmp called.lines inlined.lines
	check "which are some" test -s inlined.lines
fi

# The same bitcode, its callbacks called and inlined: what was reached of each function, and how often.
if [ -n "$CLANG" ] && [ -e "$COVBUF_LTO" ] && "$CLANG" -O2 -g -flto -fsanitize-coverage=trace-pc-guard,pc-table \
	-mllvm -sanitizer-coverage-prune-blocks=0 -c "$here/program.c" -o same.o &&
	"$CLANG" -O2 -flto -fuse-ld=lld same.o -o called "${link[@]}" 2> /dev/null; then
	# shellcheck disable=SC2086
	"$CLANG" -O2 -flto -fuse-ld=lld same.o -o inlined ${COVBUF_LINK//$COVBUF_CALLED/$COVBUF_LTO} 2> /dev/null
	for way in unique trace; do
		for name in called inlined; do
			"$COVBUF" run -q --force --$way -o $name.covbuf ./$name 10
			"$COVBUF" report --functions $name.covbuf > $name.functions
		done
		check "inlined, $way: the points that were reached" cmp called.functions inlined.functions
		check "inlined, $way: which are some" grep -qE "^work +[1-9]" inlined.functions
	done
fi

# Formats.
"$COVBUF" run -q --force -o rec ./gcc 10
expect "the table" 0 "^Total +[0-9]+/[0-9]+ +[0-9.]+% +[0-9]+/[0-9]+ +[0-9.]+%" "$COVBUF" report rec
expect "a prefix" 0 "^program.c " "$COVBUF" report --source-prefix "$here" rec
expect "several recordings" 0 "program.c" "$COVBUF" report rec gcc-O2.covbuf
if command -v python3 > /dev/null; then
	"$COVBUF" report --json rec | python3 -c 'import json, sys; d = json.load(sys.stdin); assert d["totals"]["points"]["covered"] > 5' ||
		not_ok "JSON"
	"$COVBUF" export --json rec | python3 -c 'import json, sys; [json.loads(l) for l in sys.stdin]' || not_ok "JSON Lines"
	"$COVBUF" stat --json rec | python3 -c 'import json, sys; d = json.load(sys.stdin); assert len(d["threads"]) == 4' ||
		not_ok "JSON of stat"
fi
if command -v genhtml > /dev/null; then
	expect "HTML" 0 "Total" "$COVBUF" report --html pages rec
	check "its first page" grep -q "program.c\|command" pages/index.html
fi

# A binary that is not what it was.
cp gcc old-gcc
build_gcc gcc -O1
expect "a changed binary" 1 "gcc: it has changed since the recording \(build-id [0-9a-f]+, recorded [0-9a-f]+\); its [0-9]+ addresses are left out" "$COVBUF" report rec
mkdir -p kept && cp old-gcc kept/gcc
expect "the old one, elsewhere" 0 "program.c" "$COVBUF" report --binaries kept rec
rm gcc
expect "a missing binary" 1 "gcc: it is not there any more; its [0-9]+ addresses are left out" "$COVBUF" report rec
expect "one of two is missing" 0 "gcc: it is not there any more" "$COVBUF" report rec gcc-O2.covbuf
echo "not a program" > gcc
expect "no ELF file" 1 "gcc: it is not an ELF file" "$COVBUF" report rec
build_gcc bare -g0 && "$COVBUF" run -q ./bare
expect "no debug information" 0 "bare: it has no debug information: .*build with -g" "$COVBUF" report --functions bare.covbuf
check "its functions all the same" grep -qE "^step +[1-9]" out
done_testing
