#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# build.sh KERNEL OUT: the sample and a module written for KCOV, by each compiler, without coverage, and for
# a kernel that has CONFIG_KCOV.
set -eu
kernel=$1 out=$2
adapter=$(cd "$COVBUF_VM/../../adapters/kmod" && pwd)
mkdir "$out/image"
die() { echo "$*"; exit 1; }
build() { # OUT SOURCE [MAKE-ARGUMENT...]
	local to=$1 from=$2
	shift 2
	"$COVBUF_VM/build-module.sh" "$kernel" "$from" "$out/$to" COVBUF="$adapter" "$@"
}
undefined() { # MODULE: the symbols it wants of covbuf or KCOV, by who has them
	nm -u "$1" | sed -n 's/^ *U \(covbuf\|kcov\|__sanitizer\)_.*/\1/p' | sort -u | tr '\n' ' '
}
is() { # WHAT IS SHOULD
	[ "$2" = "$3" ] || die "$1: '$2' instead of '$3'"
}

for cc in gcc-12 clang-19; do
	for part in covbuf_sample:"$adapter/sample" names:"$COVBUF_VM/sample/names"; do
		CC=$cc build "$cc/${part%%:*}" "${part#*:}"
		mkdir -p "$out/image/$cc"
		cp "$out/$cc/${part%%:*}/${part%%:*}.ko" "$out/image/$cc"
		is "$cc: what is called" "$(undefined "$out/image/$cc/${part%%:*}.ko")" "__sanitizer covbuf "
	done
	nm -u "$out/$cc/covbuf_sample/covbuf_sample.ko" | grep -q '__sanitizer_cov_trace_const_cmp2$' ||
		die "$cc: comparisons are not traced"
	left_out=$(find "$out/$cc/names" -name left_out.o)
	is "$cc: an object that is left out" "$(undefined "$left_out")" ""
done

# The same sources without coverage need no covbuf.ko, nor its symbols.
mkdir "$out/image/plain"
KBUILD_EXTRA_SYMBOLS='' build plain "$adapter/sample" COVBUF_INSTRUMENT=n
cp "$out/plain/covbuf_sample.ko" "$out/image/plain"
is "without coverage" "$(undefined "$out/plain/covbuf_sample.ko")" ""

# These headers lie that the kernel has KCOV, whose symbols are made up: the kernel's own functions are called, by the
# kernel's own flags, and the log says so.
cp "$KBUILD_EXTRA_SYMBOLS" "$out/kcov.symvers"
for name in kcov_remote_start kcov_remote_stop kcov_common_handle; do
	printf '0x00000000\t%s\tcovbuf\tEXPORT_SYMBOL\t\n' $name
done >> "$out/kcov.symvers"
for part in sample:"$adapter/sample" names:"$COVBUF_VM/sample/names"; do
	KBUILD_EXTRA_SYMBOLS=$out/kcov.symvers build "kcov/${part%%:*}" "${part#*:}" CONFIG_KCOV=y \
		CONFIG_KCOV_ENABLE_COMPARISONS=y CONFIG_CC_HAS_SANCOV_TRACE_PC=y KCPPFLAGS=-DCONFIG_KCOV=1
	is "with CONFIG_KCOV" "$(undefined "$(echo "$out/kcov/${part%%:*}"/*.ko)")" "__sanitizer kcov "
	grep -q '^covbuf: Linux .* has CONFIG_KCOV' "$out/kcov/${part%%:*}/build.log" || die "with CONFIG_KCOV: nothing says so"
done

# Without the symbols of any covbuf.ko the build ends with a message.
mkdir "$out/alone"
cp -R "$adapter/instrument.mk" "$out/alone"
! KBUILD_EXTRA_SYMBOLS='' "$COVBUF_VM/build-module.sh" "$kernel" "$COVBUF_VM/sample/names" "$out/alone/names" \
	COVBUF="$out/alone" > "$out/alone/log" 2>&1 || die "without covbuf.ko's symbols the build succeeds"
grep -q 'covbuf: there is no covbuf.ko for Linux' "$out/alone/names/build.log" ||
	die "without covbuf.ko's symbols the build fails without saying so: $(tail -3 "$out/alone/log")"

for program in drive collect; do
	"$GUEST_CC" -std=gnu11 -g -O2 -Wall -Wextra -Werror -static -o "$out/image/$program" "$adapter/sample/$program.c"
done
