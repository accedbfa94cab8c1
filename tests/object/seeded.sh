#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# seeded.sh MACHINE...
#
# Whether the checkers find what is wrong and nothing else: each rule that broken.c breaks, each kind of
# instrumentation, and the project's own headers with an order or an attribute taken away. MACHINE is x86-64 or
# ppc64le. Status 77: a cross compiler or what it needs is not there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
for machine; do
	case $machine in
	x86-64 | ppc64le) machines+=("$machine") ;;
	-h | --help) sed -n '3,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) echo "usage: ${0##*/} x86-64|ppc64le..." >&2; exit 2 ;;
	esac
done
[ ${#machines[@]} -gt 0 ] || { echo "${0##*/}: name a machine; see --help" >&2; exit 2; }

# Of FILE, which a checker printed: is there a line of each function and rule, and is there no other?
expect() { # NAME FILE FUNCTION:RULE...
	local name=$1 file=$2 want
	shift 2
	sort -u "$file" > "$work/left"
	: > "$work/why"
	for want; do
		grep -qE "(^|: )${want%%:*}: .*${want#*:}" "$work/left" || echo "not found: $want" >> "$work/why"
		sed -i -E "/(^|: )${want%%:*}: .*${want#*:}/d" "$work/left"
	done
	sed 's/^/not asked for: /' "$work/left" >> "$work/why"
	if [ -s "$work/why" ]; then verdict 'not ok' "$name" "$work/why"; else verdict ok "$name"; fi
}

# The instructions that differ from broken.table, as this machine and compiler have them.
wrong_order() { # MACHINE COMPILER
	local fence
	case $1-$2 in
	x86-64-*)
		# stores and loads are ordered there as they are: what is missing cannot be seen
		printf '%s\n' "broken_order:'lock', not ''" "broken_local:'lock', not ''"
		[ "$2" = gcc ] || echo "broken_fence:mfence', and no row"
		;;
	ppc64le-*)
		[ "$2" = gcc ] && fence='lwsync isync pair' || fence='2\*lwsync pair'
		printf '%s\n' "broken_order:'sync', not 'lwsync'" "broken_release:'', not 'lwsync'" \
			"broken_acquire:'', not 'isync'" "broken_twice:'2\*lwsync', not 'lwsync'" \
			"broken_local:'$fence', not 'pair'" "broken_fence:sync', and no row"
		;;
	esac
	echo "broken_missing:no code of it"
}

# The tree with one word of one file changed; its own consumer.c is looked at.
mutant() { # NAME MACHINE COMPILER FILE FROM TO CHECK... -- FLAG...
	local name=$1 machine=$2 compiler=$3 file=$4 from=$5 to=$6 check=() tree=$work/tree
	shift 6
	while [ "$1" != -- ]; do
		check+=("$1")
		shift
	done
	shift
	rm -rf "$tree"
	mkdir -p "$tree/libcovbuf" "$tree/tests/object"
	cp -R "$here/../../include" "$tree"
	cp -R "$here/../../libcovbuf/core" "$tree/libcovbuf"
	cp "$here/consumer.c" "$tree/tests/object"
	COVBUF_OBJECT_TOP=$tree build "$work/before.o" "$machine" "$compiler" "$tree/tests/object/consumer.c" "$@"
	sed -i "s|$from|$to|" "$tree/$file"
	COVBUF_OBJECT_TOP=$tree build "$work/after.o" "$machine" "$compiler" "$tree/tests/object/consumer.c" "$@"
	: > "$work/why"
	! cmp -s "$tree/$file" "$here/../../$file" || echo "$file has no '$from'" >> "$work/why"
	[ "${check[0]##*/}" != check_barriers.py ] || "${check[0]}" --update "${check[@]:2}" "$work/before.o"
	"${check[@]}" "$work/before.o" >> "$work/why" || :
	! "${check[@]}" "$work/after.o" > /dev/null || echo "nothing is found" >> "$work/why"
	if [ -s "$work/why" ]; then verdict 'not ok' "$name" "$work/why"; else verdict ok "$name"; fi
}

mutants() { # MACHINE COMPILER
	local at=seeded/$1/$2 noinstr=("$here/check_noinstr.py" "$work/inlined.rules")
	local barriers=("$here/check_barriers.py" --named "$work/inlined.table" "$1 $2")
	# of the table, what consumer.c has, as it is before the change
	grep -E '^function|^inlined_' "$here/barriers.table" > "$work/inlined.table"
	cat "$here/userspace.rules" "$here/callbacks.rules" | grep -E '^(root inlined_|allow|indirect)' > "$work/inlined.rules"
	mutant "$at/order_too_strong" "$1" "$2" libcovbuf/core/queue.h 'covb_store(&areas\[i\].next' \
		'covb_xchg_acquire(\&areas[i].next' "${barriers[@]}" --
	if [ "$1" = ppc64le ]; then
		mutant "$at/cmp_without_release" "$1" "$2" include/covbuf/trace.h 'covb_store_release(&slot\[3\]' \
			'covb_store(\&slot[3]' "${barriers[@]}" --
		mutant "$at/pc_with_release" "$1" "$2" include/covbuf/trace.h 'covb_store(slot, pc)' \
			'covb_store_release(slot, pc)' "${barriers[@]}" --
		mutant "$at/take_without_acquire" "$1" "$2" libcovbuf/core/flag.h 'covb_cas_acquire(&area->flag' \
			'covb_cas(\&area->flag' "${barriers[@]}" --
		mutant "$at/signal_fence" "$1" "$2" include/covbuf/atomic.h '#define covb_barrier() .*' \
			'#define covb_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)' "${barriers[@]}" --
	fi
	mutant "$at/attribute_missing" "$1" "$2" include/covbuf/trace.h \
		'COVBUF_INLINE COVBUF_NOINSTR uint64_t \*covb_slot_pc' \
		'__attribute__((noinline)) static uint64_t *covb_slot_pc' "${noinstr[@]}" -- -finstrument-functions
}

for machine in "${machines[@]}"; do
	need_machine "$machine"
	for compiler in gcc clang; do
		at=seeded/$machine/$compiler
		build "$work/broken.o" "$machine" "$compiler" "$here/broken.c"
		"$here/check_noinstr.py" "$here/broken.rules" "$work/broken.o" > "$work/found" && : > "$work/found"
		expect "$at/noinstr_rules" "$work/found" "broken_call:leaves: to outside" \
			"broken_tail:leaves: to outside" "broken_memcpy:leaves: to memcpy" \
			"broken_pointer:indirect" "broken_pointer_tail:indirect" \
			"broken_tls:(dynamic TLS|instrumented: __tls_get_addr)" "missing:broken_missing"
		"$here/check_barriers.py" "$here/broken.table" "$machine $compiler" "$work/broken.o" > "$work/found" &&
			: > "$work/found"
		mapfile -t wrong < <(wrong_order "$machine" "$compiler")
		expect "$at/barriers" "$work/found" "${wrong[@]}"
		# each kind alone: in the function that nothing protects, and in what calls it, nowhere else
		while read -r _ pattern flag; do
			read -ra list <<< "$flag"
			build "$work/broken.o" "$machine" "$compiler" "$here/broken.c" "${list[@]}"
			"$here/check_noinstr.py" "$here/broken.rules" "$work/broken.o" > "$work/found" &&
				: > "$work/found"
			others='broken_(call|tail|memcpy|pointer|pointer_tail|tls)'
			grep -vE ": ($others|broken_plain(\.[a-z0-9.]+)?): |^missing: " "$work/found" > "$work/why" || :
			grep -qE "broken_plain: $pattern" "$work/found" ||
				echo "broken_plain() has no $pattern" >> "$work/why"
			if [ -s "$work/why" ]; then kind='not ok'; else kind=ok; fi
			verdict "$kind" "$at/kind/$pattern${list[*]: -1}" "$work/why"
		done < <(kinds "$machine" "$compiler")
		mutants "$machine" "$compiler"
	done
done
summary
