#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# private-jemalloc.sh LIBJEMALLOC_PIC.A OUT.O
#
# A copy of jemalloc in one object in which three entry points are global, under names of ours, and all
# else is local, so that linking it replaces nobody's malloc; and a setting that 5.3 can be built without,
# but not told (cache_oblivious). It asks us instead of the environment for
# its settings, and starts when it is first called: its constructor goes, since most programs that have
# the library never make a segment. AR, LD and OBJCOPY name other tools.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 LIBJEMALLOC_PIC.A OUT.O" >&2; exit 2; }
library=$(realpath "$1")
out=$(realpath -m "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

"${AR:-ar}" x "$library"
rm -f jemalloc_cpp.pic.o # operator new and delete
"${LD:-ld}" -r ./*.o -o all.o
# Renamed first, localized after: in one call, GNU's objcopy would go by the new names and LLVM's by the old.
for call in mallocx dallocx mallctl; do
	"${OBJCOPY:-objcopy}" --redefine-sym "$call=covb_je_$call" all.o
done
"${OBJCOPY:-objcopy}" --redefine-sym je_opt_cache_oblivious=covb_je_opt_cache_oblivious all.o
"${OBJCOPY:-objcopy}" \
	--redefine-sym secure_getenv=covb_je_getenv --redefine-sym readlink=covb_je_readlink \
	--remove-section .init_array --remove-section .rela.init_array \
	--keep-global-symbol covb_je_mallocx --keep-global-symbol covb_je_dallocx \
	--keep-global-symbol covb_je_mallctl --keep-global-symbol covb_je_opt_cache_oblivious all.o
mv all.o "$out"
