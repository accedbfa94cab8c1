#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# selfcheck.sh
#
# Breaks copies of the sources, of the table and of the tests, one thing at a time, and sees that check_table.py or
# run.sh --recorded notices each. Exit status 1 if one was missed.
set -eu

case ${1:-} in
'') ;;
*) sed -n '4,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
command -v python3 > /dev/null || { echo "skipped: python3 is not installed"; exit 77; }
top=$(cd "$(dirname "$0")/../.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

nr=0 missed=0

(cd "$top" && tar cf - include libcovbuf shm adapters tools docs/ordering.md tests/litmus tests/object/barriers.table) | tar xf - -C "$copy"

# A check and its options, of the copy.
check() {
	local words
	read -ra words <<< "$1"
	"$copy/tests/litmus/${words[0]}" "${words[@]:1}" 2>&1
}

for check in check_table.py 'run.sh --recorded'; do
	check "$check" || { echo "$check fails already: see above"; exit 1; }
done

# break_it CHECK FILE SED-SCRIPT: the script changes the file, and the check fails with a message
break_it() {
	local file=$2 script=$3 said
	sed -i "$script" "$copy/$file"
	nr=$((nr + 1))
	if cmp -s "$top/$file" "$copy/$file"; then
		echo "nothing changed in $file: $script"
		missed=$((missed + 1))
	elif said=$(check "$1") || [ -z "$said" ]; then
		echo "not noticed in $file: $script"
		missed=$((missed + 1))
	fi
	cp -p "$top/$file" "$copy/$file"
}

# an order is left out, one is put in, one moves to another function; a place, a row, a test's name or row goes
break_it check_table.py libcovbuf/core/queue.h 's/covb_cas_release(/covb_cas(/'
break_it check_table.py libcovbuf/core/pool.c '0,/covb_load(/s//covb_load_acquire(/'
break_it check_table.py shm/wait.c 's/covb_announce(struct/covb_announce2(struct/'
break_it check_table.py adapters/kmod/module.c '0,/smp_wmb();/s///'
break_it check_table.py shm/segment.c 's/__ATOMIC_ACQUIRE/__ATOMIC_RELAXED/'
break_it check_table.py tests/litmus/places.txt '/queue.h covb_queue_push/d'
break_it check_table.py tests/litmus/places.txt '/queue.h covb_queue_push/s/ 8$/ 9/'
break_it check_table.py docs/ordering.md '/^| 8 |/d'
break_it check_table.py docs/ordering.md '/^| 8 |/s/core.queue.h/core\/pool.h/'
break_it check_table.py docs/ordering.md '/^| 20 |/s/wake.alg/woke.alg/; /^| 20 |/s/\[wake\]/[woke]/'
break_it check_table.py tests/litmus/algorithms/wake.alg 's/^rows: .*/rows: 20/'
break_it check_table.py docs/ordering.md 's/[0-9]* tests of [0-9]* algorithms/1 tests of 2 algorithms/'
break_it check_table.py tests/litmus/machine.py 's/"{label}:", "isync"/"{label}:", "lwsync"/'
break_it check_table.py tests/object/barriers.table '/^inlined_cas_acquire/s/isync pair/pair/'

# a test changes; a verdict is another one, or is not there; a rule that the verdicts do not bear out
break_it 'run.sh --recorded' tests/litmus/algorithms/cmp.alg 's/load_acquire/load/; s/\[load\]//'
break_it 'run.sh --recorded' tests/litmus/algorithms/cmp.alg 's/operand=0$/operand=1/'
break_it 'run.sh --recorded' tests/litmus/machine.py 's/"lwsync"\] if op.endswith("release")/"isync"] if op.endswith("release")/'
break_it 'run.sh --recorded' tests/litmus/expect.txt 's,^ppc/cmp Never,ppc/cmp Sometimes,'
break_it 'run.sh --recorded' tests/litmus/expect.txt 's,^\(.*/cmp.load\) Sometimes,\1 Never,'
break_it 'run.sh --recorded' tests/litmus/expect.txt '/^lkmm.cmp.store /d'
break_it 'run.sh --recorded' tests/litmus/algorithms/cmp.alg 's/^init:/spent load: it is said\ninit:/'

echo "$nr things broken, $missed missed"
[ "$missed" -eq 0 ]
