#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Each public header stands alone, in C11 and in C++17, with every warning on.
#
# check_headers.sh SOURCE_DIR
set -u
src=$1 bad=0 nr=0

for cc in gcc clang-19 clang; do
	command -v "$cc" >/dev/null || continue
	for header in "$src"/include/covbuf/*.h; do
		case ${header##*/} in kmod*.h) continue ;; esac # for modules: need a kernel's headers
		for flavour in "" -DCOVBUF_IMAGE; do
			for lang in "c -std=c11" "c -std=gnu11" "c++ -std=c++17"; do
				echo "#include <covbuf/$(basename "$header")>" |
					"$cc" -x $lang -Wall -Wextra -Wpedantic -Wno-variadic-macros -Werror $flavour \
						-I"$src/include" -fsyntax-only - || {
					echo "$header: $cc -x $lang $flavour"
					bad=1
				}
				nr=$((nr + 1))
			done
		done
	done
done
echo "$nr compilations"
exit $bad
