#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# test-power.sh [--long] [--dir DIR] [TEST-REGEX]
#
# POWER: the library, the command, the adapters and the examples are cross-built for ppc64le, by gcc and by
# clang, warnings being errors, and their tests run under qemu-user, which poses as POWER8, 9 and 10:
#
#   gcc     for POWER8     everything on POWER9; unit tests and stress on POWER8
#   clang   for POWER10    unit tests and stress on POWER10: its code is pc-relative, and has prefixes
#   --long                 everything of both, on each processor that it was built for, and stress for a minute each
#
# Memory ordering is not tested by this: qemu runs POWER's loads and stores in the order that x86 gives them, its
# stdcx. compares values and knows no reservations, and signals come in between blocks of instructions, never
# within one. What it does test is the code that two compilers make for POWER, its ABI, its layout of
# thread-local storage, and system calls. Pages have 4 KiB; qemu's 64 KiB end where a file ends when it is mapped.
#
# The last line is "N passed, N failed, N skipped". Exits with 77 where there is no cross compiler, no qemu-ppc64le
# or no network to fetch libraries from (scripts/ppc-sysroot.sh). Builds in DIR, build-power/ of the tree.
set -u
set -o pipefail
me=${0##*/}
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$top/build-power
long=
only=.
die() { echo "$me: $*" >&2; exit 1; }
miss() { echo "skipped: $*"; echo "0 passed, 0 failed, 1 skipped"; exit 77; }

while [ $# -gt 0 ]; do
	case $1 in
	--long) long=1 ;;
	--dir) dir=${2:?--dir needs a folder} && shift ;;
	-h | --help) sed -n '3,20s/^# \{0,1\}//p' "$0"; exit 0 ;;
	-*) echo "$me: there is no option '$1'; see --help" >&2; exit 2 ;;
	*) only=$1 ;;
	esac
	shift
done
triple=powerpc64le-linux-gnu
for tool in $triple-gcc $triple-g++ clang-19 ld.lld-19 llvm-ar-19 qemu-ppc64le cmake ninja gcc; do
	command -v "$tool" > /dev/null || miss "$tool is missing; scripts/install-deps.sh installs it"
done
sysroot=$("$top/scripts/ppc-sysroot.sh") || miss "scripts/ppc-sysroot.sh gives no libraries for ppc64el"
mkdir -p "$dir" || die "cannot make $dir"
dir=$(cd "$dir" && pwd)
jobs=$(nproc)
[ "$jobs" -le 8 ] || jobs=8

started=$SECONDS
passed=0 failed=0 skipped=0
failures=()
step() { printf '\n[%d:%02d] %s\n' $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)) "$*"; }
fail() { failed=$((failed + 1)); failures+=("$*"); echo "failed: $*"; }

# What lets programs of the two machines execute each other; for both.
preload() { # COMPILER... FOLDER
	mkdir -p "$dir/preload/lib/${*: -1}"
	"${@:1:$#-1}" -O2 -fPIC -shared -DCOVB_QEMU="\"$(command -v qemu-ppc64le)\"" "$top/tests/power/preload.c" \
		-o "$dir/preload/lib/${*: -1}/preload.so" || die "tests/power/preload.c cannot be built"
}
preload gcc x86_64-linux-gnu
preload $triple-gcc --sysroot="$sysroot" $triple

# The tests' scripts say gcc, clang-19, objdump, and mean those of the machine they run on. What is no option
# here is a path there: qemu looks for it below the root first.
mkdir -p "$dir/bin"
tool() { # NAME TEXT
	printf '#!/bin/bash\n%s\n' "$2" > "$dir/bin/$1.new"
	chmod +x "$dir/bin/$1.new"
	mv "$dir/bin/$1.new" "$dir/bin/$1"
}
for name in gcc g++; do
	tool $name "exec /usr/bin/$triple-$name --sysroot='$sysroot' \"\$@\""
done
for name in clang clang++; do
	tool $name-19 "exec /usr/bin/$name-19 --target=$triple --sysroot='$sysroot' --gcc-toolchain=/usr \${COVB_POWER_CPU--mcpu=power9} \"\$@\""
done
for name in nm objdump objcopy readelf addr2line strip ld ar; do
	tool $name "for a; do shift; [[ \$a != /* || ! -e '$sysroot'\$a ]] || a='$sysroot'\$a; set -- \"\$@\" \"\$a\"; done
exec /usr/bin/$triple-$name \"\$@\""
done
export PATH=$dir/bin:$PATH

build() { # NAME COMPILER C++-COMPILER FLAGS: a build counts as a test
	local name=$1
	step "building with $2 $4"
	cmake -S "$top" -B "$dir/$name" -G Ninja --toolchain "$top/cmake/ppc64le-linux-gnu.cmake" \
		-DCOVBUF_SYSROOT="$sysroot" -DCMAKE_C_COMPILER="$dir/bin/$2" -DCMAKE_CXX_COMPILER="$dir/bin/$3" \
		-DCMAKE_C_FLAGS="$4" -DCMAKE_CXX_FLAGS="$4" -DCOVBUF_WERROR=ON -DCOVBUF_BENCH=OFF \
		> "$dir/$name-configure.log" 2>&1 ||
		{ tail -20 "$dir/$name-configure.log"; fail "configuring $name"; return 1; }
	ninja -C "$dir/$name" > "$dir/$name-build.log" 2>&1 ||
		{ grep -A 20 FAILED "$dir/$name-build.log" | head -60; fail "building $name"; return 1; }
	passed=$((passed + 1))
}

count() { # FILE NAME: adds what ctest wrote, and says what failed and what was skipped, and why
	local lines kind test why
	[ -s "$1" ] || { fail "$2: ctest wrote no results"; return; }
	lines=$(awk -v RS='<testcase ' 'NR > 1 {
			name = $0; sub(/.*name="/, "", name); sub(/".*/, "", name)
			status = $0; sub(/.* status="/, "", status); sub(/".*/, "", status)
			text = $0; if (!sub(/.*<system-out>/, "", text)) text = ""; sub(/<.*/, "", text)
			n = split(text, line, "\n")
			print status, name, status == "notrun" ? line[1] : ""
			for (i = 1; i <= n; i++)
				if (status == "run" && line[i] ~ /^skipped /) print "within", name, line[i]
		}' "$1")
	while read -r kind test why; do
		case $kind in
		run) passed=$((passed + 1)) ;;
		fail) failed=$((failed + 1)); failures+=("$2: $test") ;;
		within) echo "$test: $why" ;;
		*) skipped=$((skipped + 1)); echo "skipped $test: $why" ;;
		esac
	done <<< "$lines"
}

emulate() { # CPU: for what is executed from here on
	export COVBUF_EMULATED=1 COVBUF_TEST_SLOWNESS=5 QEMU_CPU=$1 QEMU_LD_PREFIX=$sysroot
	# shellcheck disable=SC2016 # the dynamic linker replaces $LIB
	export LD_PRELOAD=$dir'/preload/$LIB/preload.so'
}

run() { # NAME CPU TESTS: those of build NAME
	local name=$1 cpu=$2 tests=$3
	[ -e "$dir/$name/build.ninja" ] || return 0
	step "$name's tests on $cpu"
	rm -f "$dir/$name-$cpu.xml"
	(
		emulate "$cpu"
		exec ctest --test-dir "$dir/$name" -j "$jobs" --timeout 900 --output-on-failure --no-tests=error \
			--test-output-size-passed 20000 --output-junit "$dir/$name-$cpu.xml" -R "$tests" 2>&1
	) | grep --line-buffered -vE '^ *Start +[0-9]+:|target signal [0-9]+ .* core dumped$'
	count "$dir/$name-$cpu.xml" "$name on $cpu"
}

stress() { # NAME CPU: a minute each
	local program
	for program in stress_engine kill_storm; do
		step "$1's $program on $2"
		if (emulate "$2"; "$dir/$1/tests/stress/$program" --seconds 60); then
			passed=$((passed + 1))
		else
			fail "$1's $program on $2, at length"
		fi
	done
}

units='^(unit/|stress/)'
[ "$only" = . ] || units=$only
build gcc gcc g++ ""
COVB_POWER_CPU='' build clang clang-19 clang++-19 -mcpu=power10
if [ -n "$long" ]; then
	for cpu in power8 power9 power10; do
		run gcc $cpu "$only"
		stress gcc $cpu
	done
	COVB_POWER_CPU='' run clang power10 "$only"
	stress clang power10
else
	run gcc power9 "$only"
	run gcc power8 "$units"
	COVB_POWER_CPU='' run clang power10 "$units"
fi
step "done"
[ ${#failures[@]} -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
