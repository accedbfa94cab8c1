#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# hooks.sh COVBUF.KO...
#
# What the compiler made of the hooks, read from the disassembly. Each hook calls nothing and jumps nowhere but within itself and to
# its return; nothing watches it (ftrace, a sanitizer, a stack protector); where it records, and all that is collected, it
# has no barrier, locked instruction or reservation; while nobody collects it returns after five instructions at most, the
# return included, without a branch. On POWER it leaves the link register alone, and what it looks at first, once a key has let
# it in, is the preempt count, by way of the paca. Prints a line of result for each hook and rule.
set -eu
[ $# -ge 1 ] || { echo "usage: ${0##*/} COVBUF.KO..." >&2; exit 2; }

status=0
for module; do
	[ -r "$module" ] || { echo "${0##*/}: there is no file $module" >&2; exit 1; }
	power='' objdump=objdump
	if [ "$(od -An -j18 -N2 -tx1 "$module")" = " 15 00" ]; then
		power=1 objdump=powerpc64le-linux-gnu-objdump # EM_PPC64
	fi
	command -v $objdump > /dev/null || { echo "${0##*/}: $objdump is missing; scripts/install-deps.sh installs it" >&2; exit 1; }
	# Where the keys lead, as "key ADDRESS TARGET", of code in .text; then that.
	{
		$objdump -r -j __jump_table "$module" |
			awk '$3 ~ /^\.text(\+|$)/ { sub(/^\.text(\+0x0*)?/, "", $3); at[n++] = $3
				if (n % 2 == 0) print "key", at[n - 2], at[n - 1] }'
		$objdump -dr --no-show-raw-insn "$module"
	} | awk -v module="${module##*/}" -v power="$power" '
		function judge(rule, why) {
			if (why == "") {
				print "ok hooks/" module "/" hook "/" rule
			} else {
				print "not ok hooks/" module "/" hook "/" rule ": " why
				bad = 1
			}
		}
		# One instruction, of which all relocations are known.
		function look() {
			if (text == "")
				return
			name = text
			sub(/ .*/, "", name)
			if (power)
				look_power()
			else
				look_x86()
			text = to = ""
		}
		function look_x86() {
			if (to == "" && match(text, /<[^>+]*/))
				to = substr(text, RSTART + 1, RLENGTH - 1)
			if (name ~ /^call/ && leaves == "")
				leaves = "it calls " to
			if (name ~ /^j/ && to != hook && to !~ /^\.text/ && to != hook ".cold" && to != "__x86_return_thunk" && leaves == "")
				leaves = "it jumps to " to
			if ((to ~ /fentry|mcount|[akm]san|tsan|ubsan|stack_chk|gcov|sancov/ || text ~ /%gs:0x28/) && watched == "")
				watched = "it uses " (to == "" ? text : to)
			if (!returned && !cold) {
				idle++
				returned = name ~ /^ret/ || to == "__x86_return_thunk"
				if (!returned && name ~ /^j/ && branches == "")
					branches = "it branches: " text
			}
			look_on_the_way(text ~ /^lock |^[lsm]fence|^xchg .*\(/, name ~ /^(ret|jmp)/)
		}
		# From where the first key leads, the one for all that is collected, to the first end of it: what jumps away on the way
		# there is for when nothing is recorded.
		function look_on_the_way(bad, ends) {
			if (!returned && way == "" && leads[address] != "")
				way = leads[address]
			if (address == way)
				on_the_way = 1
			if (on_the_way && bad && orders == "")
				orders = "it has " text
			if (on_the_way && ends) {
				on_the_way = 0
				nr_ways++
			}
		}
		function look_power() {
			if (name ~ /^b/ && name !~ /lr[-+]?$/ && to == "" && match(text, /<[^>+]*/))
				to = substr(text, RSTART + 1, RLENGTH - 1)
			if (name ~ /^b.*l[-+]?$/ || name ~ /^b.*ctrl/ || name == "sc")
				leaves = leaves == "" ? "it calls " to : leaves
			else if ((name ~ /^b/ && name !~ /lr[-+]?$/ && to != hook) || name ~ /ctr[-+]?$/)
				leaves = leaves == "" ? "it jumps to " (to == "" ? text : to) : leaves
			if ((to ~ /mcount|ftrace|[akm]san|tsan|ubsan|stack_chk|gcov|sancov/) && watched == "")
				watched = "it uses " to
			look_on_the_way(name ~ /sync$|^eieio$|^l[bhwdq]arx$/, name == "blr" || name == "b")
			if (name ~ /^mtlr/ && link == "")
				link = "it has " text
			if (!returned) {
				idle++
				returned = name == "blr"
				if (!returned && name ~ /^b/ && branches == "")
					branches = "it branches: " text
				if (leads[address] != "")
					entered[leads[address]] = 1
			}
			# What comes after the key, until the count is loaded.
			if (address in entered)
				loads = 2
			if (loads && name ~ /^(l|st)[bhwdm]/) {
				if (text !~ (loads == 2 ? "^ld r[0-9]+,[0-9]+\\(r13\\)$" : "^lwz r[0-9]+,0\\(r[0-9]+\\)$") && first == "")
					first = "what it looks at is " text
				if (!--loads)
					nr_first++
			}
		}
		function finish() {
			if (hook == "")
				return
			look()
			if (cold) {
				judge("cold_part_calls_nothing", leaves)
				judge("cold_part_is_not_watched", watched)
			} else {
				judge("calls_nothing", leaves)
				judge("is_not_watched", watched)
				judge("records_without_a_barrier", orders == "" && !nr_ways ? "no key leads there" : orders)
				if (power) {
					judge("keeps_the_link_register", link)
					judge("looks_at_the_level_first", first == "" && !nr_first ? "no key lets it in" : first)
				}
				if (branches == "" && idle > 5)
					branches = "it takes " idle " instructions"
				judge("is_short_while_idle", branches)
				nr++
			}
			hook = ""
		}
		/^[0-9a-f]+ <.*>:$/ {
			finish()
			if (match($2, /^<__sanitizer_cov_trace_[a-z0-9_]+(\.cold)?>:$/)) {
				hook = substr($2, 2, length($2) - 3)
				cold = sub(/\.cold$/, "", hook)
				leaves = watched = branches = orders = link = first = text = to = ""
				way = ""
				returned = idle = loads = nr_first = on_the_way = nr_ways = 0
			}
			next
		}
		$1 == "key" { leads[$2] = $3 }
		hook == "" { next }
		$1 ~ /:$/ && $2 ~ /^R_PPC64_/ {
			if ($2 ~ /^R_PPC64_REL(14|24)/)
				to = $3
			next
		}
		$1 ~ /:$/ && $2 ~ /^R_X86_64_/ {
			# of the data that an instruction uses, too
			to = $3
			sub(/[-+]0x[0-9a-f]+$/, "", to)
			if (text !~ /^(call|j)/ && to !~ /stack_chk|fentry/)
				to = ""
			next
		}
		$1 ~ /^[0-9a-f]+:$/ {
			look()
			address = $1
			sub(/:$/, "", address)
			text = $0
			sub(/^[^\t]*\t/, "", text)
			gsub(/[ \t]+/, " ", text)
			sub(/^(cs|ds|bnd|notrack) /, "", text)
		}
		END {
			finish()
			if (nr != 10) {
				print "not ok hooks/" module "/all: there are " nr + 0 " hooks, not 10"
				bad = 1
			}
			exit bad
		}' || status=1
done
exit $status
