#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# installed.sh MAJOR
#
# The three ways that the installed runtime is linked: pkg-config, one linker argument, and covbuf::llvmprof; the
# source by hand, for a clang that was not there; and scripts/link-flags.sh for a build folder.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
use_clang "$1"
prefix="$dir/in stalled"
cmake --install "$COVBUF_BUILD" --prefix "$prefix" > log 2>&1 || not_ok "installing: $(tail -3 log)"
cat > counted.c << 'END'
void hit(void);
void hit(void) { }
int main(void) { hit(); return 0; }
END
"$clang" "${flags[@]}" -c counted.c

linked() { # NAME COMMAND...
	local name=$1
	shift
	rm -f counted
	"$@" > log 2>&1 || not_ok "$name: $(tail -3 log)"
	run ./counted
	join
	equal "$name" "1 0" "$(calls hit) $(wc -c < err)"
}

PKG_CONFIG_PATH=$(find "$prefix" -name 'covbuf-llvmprof-*.pc' -printf '%h\n' -quit)
export PKG_CONFIG_PATH
words=()
eval "words=($(pkg-config --libs "covbuf-llvmprof-$1"))"
linked "pkg-config" "$clang" counted.o "${words[@]}" -o counted
eval "words=($(pkg-config --cflags --libs "covbuf-llvmprof-$1"))"
linked "pkg-config --cflags" "$clang" -O2 counted.c "${words[@]}" -o counted
eval "words=($(pkg-config --variable=last "covbuf-llvmprof-$1"))"
linked "pkg-config --variable=last" "$clang" counted.o "${words[@]}" -o counted
lib=$prefix/lib/covbuf/llvmprof
linked "the linker's argument" "$clang" counted.o -Wl,-T,"$lib/$1/covbuf.lds" -o counted
linked "the source" "$clang" counted.o "$lib/runtime.c" -Wl,-T,"$lib/llvmprof.lds" -o counted
linked "scripts/link-flags.sh" "$clang" counted.o "$("$COVBUF_SOURCE/scripts/link-flags.sh" --profile "$clang" "$COVBUF_BUILD")" -o counted
cat > CMakeLists.txt << 'END'
cmake_minimum_required(VERSION 3.20)
project(counted C)
find_package(covbuf 1 REQUIRED)
add_compile_options(-fprofile-instr-generate -fcoverage-mapping -Wall -Wextra -Werror -std=gnu99)
add_executable(counted counted.c)
target_link_libraries(counted PRIVATE covbuf::llvmprof)
END
cmake -S . -B build -DCMAKE_C_COMPILER="$clang" -DCMAKE_PREFIX_PATH="$prefix" > log 2>&1 || not_ok "find_package: $(tail -5 log)"
linked "covbuf::llvmprof" bash -c 'cmake --build build && cp build/counted .'
# Without the runtime the script alone would give a program without a profile.
for linker in bfd lld; do
	if "$clang" -fuse-ld=$linker counted.o -Wl,-T,"$lib/llvmprof.lds" -o none > log 2>&1 || ! grep -q "the runtime is not linked" log; then
		not_ok "linked by $linker without the runtime: $(tail -3 log)"
	fi
done
exit "$failed"
