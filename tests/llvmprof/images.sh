#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# images.sh MAJOR
#
# Libraries that come and go keep all their counts; images whose link or objects do not fit say so and run on; what
# programs call of compiler-rt's is there.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
use_clang "$1"
build images images.c -ldl
build library.so images.c -DLIBRARY -fPIC -shared
build other images.c -ldl -Wl,--build-id=0xabcd
[ "$failed" = 0 ] || exit 1

reloaded() { # NAME FORM PROFRAW PROFCNT CALLS
	COVBUF_PROFILE_FORM=$2 run ./images reload ./library.so || not_ok "$1: exit status $?"
	[ ! -s err ] || not_ok "$1: $(cat err)"
	join
	equal "$1: calls" "$5" "$(calls library_hit) $(calls early_hit)"
	equal "$1: files of the library" "$3 $4" "$(find profile -name 'library.so.*.profraw' | wc -l) $(find profile -name 'library.so.*.profcnt' | wc -l)"
}

# Each load: a constructor before the runtime and a destructor after it.
reloaded "a library opened three times, and twice in a child" whole 2 0 "50 10"
reloaded "the same, counts alone" counts 0 2 "50 10"
run ./images twice ./library.so
join
equal "a library in two namespaces" "20 4" "$(calls library_hit) $(calls early_hit)"
equal "each has a file" 2 "$(find profile -name 'library.so.*.profraw' | wc -l)"
FORK_AT_EXIT=1 run ./images exit ./library.so
for ((i = 0; i < 600; i++)); do # nobody waits for it
	join
	[ "$(calls early_hit)" != 1002 ] || break
	sleep 0.05
done
equal "a child of a destructor" "10 1002" "$(calls library_hit) $(calls early_hit)"

run ./images
COVBUF_PROFILE=profile ./other
equal "other links have other IDs" "2 2" "$(files template) $(find profile -name '*.template' | sed 's/.*images\.//; s/.*other\.//' | sort -u | wc -l)"

# What cannot work: one line, of what is wrong and what to do, and the program runs.
refused() { # NAME PATTERN COMMAND...
	local name=$1 pattern=$2 lines
	shift 2
	run "$@" || not_ok "$name: exit status $?"
	lines=$(wc -l < err)
	if [ "$lines" = 1 ] && grep -qE "^covbuf: counts of /.* stay private: $pattern; " err; then
		equal "$name" 0 "$(find . -path './profile/*' | wc -l)"
	else
		not_ok "$name: $(cat err)"
	fi
	COVBUF_PROFILE='' "$@" > out 2>&1 || not_ok "$name: exit status $? with nothing asked for"
	[ ! -s out ] || not_ok "$name: with nothing asked for: $(cat out)"
}

object=$COVBUF_BUILD/adapters/llvmprof/$1/runtime.o
"$clang" "${flags[@]}" -c "$here/images.c" -o images.o
"$clang" images.o "$object" -ldl -o unscripted
refused "linked without the script" "it was linked without covbuf's linker script" ./unscripted
if [ -x /usr/bin/ld.gold ]; then
	"$clang" images.o "$object" -ldl -fuse-ld=gold -o gold && refused "gold" "it was linked without.*" ./gold
fi
echo 'int main(int argc, char **argv) { return argc > 1 && argv; }' > pgo.c
"$clang" -O1 -fprofile-generate -c pgo.c && "$clang" pgo.o "$runtime" -o pgo
refused "instrumented for optimization" "it is instrumented for optimization, or has counters of one byte" ./pgo
if [ "$1" -ge 18 ]; then
	"$clang" "${flags[@]}" -mllvm -enable-single-byte-coverage -c "$here/images.c" -o bytes.o &&
		"$clang" bytes.o "$runtime" -ldl -o bytes
	refused "counters of one byte" "it is instrumented for optimization, or has counters of one byte" ./bytes
fi
cat > values.c << 'END'
int (*f)(void); int one(void); int one(void) { return 0; }
void __llvm_profile_instrument_target(unsigned long a, void *b, unsigned c);
void __llvm_profile_instrument_target(unsigned long a, void *b, unsigned c) { (void)a; (void)b; (void)c; }
int main(void) { f = one; return f(); }
END
"$clang" "${flags[@]}" -mllvm -enable-value-profiling -c values.c && "$clang" values.o "$runtime" -o values
refused "values" "profiles of values, which only compiler-rt's runtime writes" ./values
# Records of this compiler's size and of another's.
for other in $COVBUF_CLANGS; do
	if [ "$1" -lt 18 ] || [ "${other%%=*}" -ge 18 ] || [ -n "${COVBUF_EMULATED:-}" ]; then continue; fi
	echo 'int other_function(int a); int other_function(int a) { return a ? 1 : 2; }' > other.c
	"${other#*=}" -O1 -fprofile-instr-generate -fcoverage-mapping -c other.c -o other.o &&
		"$clang" images.o other.o "$runtime" -ldl -o mixed
	refused "objects of clang ${other%%=*}" "records of another profile format" ./mixed
done
echo 'int main(void) { return 0; }' > nothing.c
"$clang" nothing.c "$runtime" -o nothing
run ./nothing || not_ok "an image without counters: exit status $?"
equal "an image without counters has no file" "0 0" "$(find . -path './profile*' | wc -l) $(wc -c < err)"

# compiler-rt's interface, with its archive on the link line and without.
cat > calls.c << 'END'
int __llvm_profile_write_file(void);
int __llvm_profile_dump(void);
void __llvm_profile_reset_counters(void);
void __llvm_profile_set_filename(const char *);
void __llvm_profile_initialize_file(void);
void hit(void);
void hit(void) { }
int main(void)
{
	hit();
	hit();
	__llvm_profile_set_filename("elsewhere");
	__llvm_profile_initialize_file();
	__llvm_profile_reset_counters();
	hit();
	return __llvm_profile_write_file() + __llvm_profile_dump();
}
END
"$clang" "${flags[@]}" -c calls.c
"$clang" calls.o "$runtime" -o calls && run ./calls && join
equal "compiler-rt's interface" "1 1" "$(calls hit) $(files profraw)"
if "$clang" -fprofile-instr-generate calls.o "$runtime" -o calls 2> err; then
	run ./calls && join
	equal "beside compiler-rt" "1 1 0" "$(calls hit) $(files profraw) $(find . -name '*.profraw' -not -path './profile/*' | wc -l)"
else
	echo "skipped: beside compiler-rt: it is not installed for clang $1"
fi

# Nothing of the runtime is seen from outside the image, and none of it is instrumented.
equal "no symbols for others" "" "$(readelf -W --dyn-syms library.so |
	awk '/ GLOBAL +DEFAULT / && !/ UND / && $NF !~ /^(library_hit|early_hit)$/')"
"$clang" "${flags[@]}" -fsanitize-coverage=trace-pc-guard -fPIC -c "$COVBUF_SOURCE/adapters/llvmprof/runtime.c" -o runtime.o
equal "the runtime is not instrumented" "" "$(readelf -SW runtime.o | grep -oE '__llvm_(prf|cov)[a-z]*|sancov')"
exit "$failed"
