#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# hooks.sh COVBUF.KO...
#
# What the compiler made of the hooks, read from the disassembly. Each hook calls nothing and jumps nowhere but within itself and to
# its return; nothing watches it (ftrace, a sanitizer, a stack protector); while nobody collects it returns after
# five instructions at most, the return included, without a branch. Prints a line of result for each hook and rule.
set -eu
[ $# -ge 1 ] || { echo "usage: ${0##*/} COVBUF.KO..." >&2; exit 2; }
command -v objdump > /dev/null || { echo "${0##*/}: objdump is missing; scripts/install-deps.sh installs it" >&2; exit 1; }

status=0
for module; do
	[ -r "$module" ] || { echo "${0##*/}: there is no file $module" >&2; exit 1; }
	objdump -dr --no-show-raw-insn "$module" | awk -v module="${module##*/}" '
		function judge(rule, why) {
			if (why == "") {
				print "ok hooks/" module "/" hook "/" rule
			} else {
				print "not ok hooks/" module "/" hook "/" rule ": " why
				bad = 1
			}
		}
		# One instruction, of which all relocations are known.
		function look(   name) {
			if (text == "")
				return
			name = text
			sub(/ .*/, "", name)
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
			text = to = ""
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
				leaves = watched = branches = text = to = ""
				returned = idle = 0
			}
			next
		}
		hook == "" { next }
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
