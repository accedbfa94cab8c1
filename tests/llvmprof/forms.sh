#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# forms.sh MAJOR [--all]
#
# However an image is linked: its file has all counts, those before the runtime too, and all of MC/DC. With --all, each
# way with each linker.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
use_clang "$1"
all=${2:-}
lld=$(command -v "ld.lld-$1" || command -v "/usr/lib/llvm-$1/bin/ld.lld") || lld=
with_lld=(--ld-path="$lld")

object() { # NAME FLAGS...
	local name=$1
	shift
	"$clang" "${flags[@]}" -c "$@" "$here/forms.c" -o "$name.o" || not_ok "compiling $name"
}

# 10 calls in each image, 5 early ones, and 6 where there is a resolver. MC/DC of all images.
expect() { # NAME EARLY IMAGES COMMAND...
	local name=$1 early=$2 images=$3 before=$failed one got
	shift 3
	failed=0
	run "$@" || not_ok "$name: exit status $?: $(cat err)"
	[ ! -s err ] || not_ok "$name: $(cat err)"
	[ "$(files profraw)" = "$images" ] || { not_ok "$name: $(files profraw) files, not $images"; return; }
	for one in program library; do
		[ $one = program ] || [ "$images" = 2 ] || continue
		rm -f ./*.all
		cp profile/*"${one:0:3}"*.profraw . && for got in ./*.profraw; do mv "$got" "${got%.profraw}.all"; done
		got="$(calls ${one}_decide) $(calls ${one}_early)"
		[ "$got" = "10 $early" ] || not_ok "$name: $one has $got calls, not 10 and $early"
		[ "${major}" -lt 18 ] || mcdc "$name" "$one"
	done
	[ $failed != 0 ] || ok "$name"
	failed=$((failed | before))
}

mcdc() { # NAME PROGRAM-OR-LIBRARY
	local image=./program got
	[ "$2" = program ] || image=./library.so
	got=$("$cov" report --show-mcdc-summary "$image" -instr-profile=merged | awk '$1 == "TOTAL" { print $(NF - 2), $(NF - 1), $NF }')
	[ "$got" = "2 0 100.00%" ] || not_ok "$1: MC/DC of $2: $got"
}

program() { # NAME EARLY LINK-FLAGS...: a program alone
	local name=$1 early=$2
	shift 2
	"$clang" "$@" -o program || { not_ok "$name: linking"; return; }
	expect "$name" "$early" 1 ./program
}

pair() { # NAME FLAGS...: a program with a library that is linked, and with one that it opens
	local name=$1
	shift
	"$clang" -shared library.o "$runtime" "$@" -o library.so || not_ok "$name: linking the library"
	"$clang" linked.o ./library.so "$runtime" "$@" -o program || not_ok "$name: linking the program"
	expect "$name, linked" 6 2 ./program
	"$clang" opened.o "$runtime" "$@" -ldl -o program || not_ok "$name: linking the program"
	expect "$name, opened" 6 2 ./program ./library.so
}

major=$1
object program -fPIE -DIFUNC
object linked -fPIE -DIFUNC -DLINKED
object opened -fPIE -DIFUNC -DOPENED
object library -fPIC -DIFUNC -DLIBRARY
pair "PIE, ld.bfd"
program "static, ld.bfd" 6 program.o "$runtime" -static
if [ -n "$lld" ]; then
	pair "PIE, ld.lld" "${with_lld[@]}"
	program "static, ld.lld" 6 program.o "$runtime" -static "${with_lld[@]}"
fi
# Those that cannot read the script: the runtime is the last object.
for linker in gold mold; do
	if [ -n "${COVBUF_EMULATED:-}" ] || ! command -v "ld.$linker" > /dev/null; then
		echo "skipped ld.$linker: it is not installed${COVBUF_EMULATED:+ for this processor}"
		continue
	fi
	with_script=$runtime runtime=$COVBUF_BUILD/adapters/llvmprof/$1/last.o
	pair "PIE, ld.$linker" -fuse-ld=$linker
	program "static, sections collected, ld.$linker" 6 program.o "$runtime" -static -Wl,--gc-sections -fuse-ld=$linker
	runtime=$with_script
done
[ -z "${COVBUF_EMULATED:-}" ] || QEMU_PAGESIZE=65536 expect "pages of 64 KiB" 6 1 ./program
# Without compiler-rt's runtime, though the driver asks for it.
if [ -n "${COVBUF_EMULATED:-}" ]; then
	echo "skipped: profile flags at the link: compiler-rt is not there for this processor"
else
	program "profile flags at the link" 6 program.o "$runtime" "${flags[@]}"
fi
linkers=("")
[ -z "$lld" ] || linkers+=("${with_lld[0]}")
[ -n "$all" ] || linkers=("${linkers[-1]}")
for linker in "${linkers[@]}"; do
	use=("$runtime" ${linker:+"$linker"})
	name=${linker:+ld.lld}
	name=${name:-ld.bfd}
	object fixed -fno-pie -DIFUNC
	program "no PIE, $name" 6 fixed.o -no-pie "${use[@]}"
	if [ -e "$("$clang" -print-file-name=rcrt1.o)" ]; then
		program "static PIE, $name" 6 program.o -static-pie "${use[@]}"
	else
		echo "skipped: static PIE: the C library has none for this processor"
	fi
	program "sections collected, relocated at once, $name" 6 program.o "${use[@]}" -Wl,--gc-sections,-z,relro,-z,now
	[ -n "$all" ] || continue
	pair "sections collected, relocated at once, $name" ${linker:+"$linker"} -Wl,--gc-sections,-z,relro,-z,now
	program "no build ID, $name" 6 program.o "${use[@]}" -Wl,--build-id=none
	program "pages of 64 KiB, $name" 6 program.o "${use[@]}" -Wl,-z,max-page-size=65536
	object atomic -fPIE -DIFUNC -fprofile-update=atomic
	program "atomic counters, $name" 6 atomic.o "${use[@]}"
done
# With ld.bfd, by LLVM's plugin for it, with which the clang of the same version comes or not.
lto_linkers=()
[ -z "$lld" ] || lto_linkers+=("${with_lld[0]}")
if [ -n "${COVBUF_EMULATED:-}" ]; then
	echo "skipped LTO with ld.bfd: the linker that crosses is not asked for it"
elif [ -e "$("$clang" -print-file-name=LLVMgold.so)" ] || [ -e "/usr/lib/llvm-$1/lib/LLVMgold.so" ]; then
	lto_linkers+=(-fuse-ld=bfd)
else
	echo "skipped LTO with ld.bfd: there is no LLVMgold.so: apt install llvm-$1-linker-tools"
fi
[ -n "$lld" ] || echo "skipped ld.lld: there is no ld.lld-$1"
for lto in full thin; do
	[ ${#lto_linkers[@]} -gt 0 ] || break
	object program -fPIE -flto=$lto
	object opened -fPIE -DOPENED -flto=$lto
	object library -fPIC -DLIBRARY -flto=$lto
	# As covbuf::llvmprof has it: the runtime takes part, with all of the program's flags.
	"$clang" "${flags[@]}" -flto=$lto -c "$COVBUF_SOURCE/adapters/llvmprof/runtime.c"
	for linker in "${lto_linkers[@]}"; do
		name="LTO $lto, ${linker##*[=/]}"
		"$clang" -shared -flto=$lto library.o "$runtime" "$linker" -o library.so
		"$clang" -flto=$lto opened.o "$runtime" "$linker" -o program
		expect "$name" 5 2 ./program ./library.so
		"$clang" -flto=$lto program.o runtime.o \
			-Wl,-T,"$COVBUF_SOURCE/adapters/llvmprof/llvmprof.lds" "$linker" -o program
		expect "$name, of the runtime too" 5 1 ./program
	done
done
exit "$failed"
