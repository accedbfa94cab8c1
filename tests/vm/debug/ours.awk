# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# ours.awk: a kernel's log without
# - reports of races (KCSAN) in which no function of covbuf.ko or its sample takes part: in strict mode the kernel reports its
#   own, and those of kernel functions that the tests' modules call. A report stands between two lines of "=". What an
#   interrupt interrupted, further down its stack, takes no part. Nor do locks that race with themselves, as PREEMPT_RT's
#   do when they look who waits.
# - the tale of an allocation that the program "fault" wanted to fail.

{
	text = $0
	sub(/\r$/, "", text)
	sub(/^\[[^]]*\] ?/, "", text)
}

# Title: "BUG: KCSAN: data-race in A / B"
function is_lock(name) {
	return name ~ /^(_*rt_mutex_|rtlock_|rt_spin_|rwbase_|mark_wakeup_next_waiter|try_to_take_rt_mutex|task_blocks_on_rt_mutex|remove_waiter)/
}

function flush_report() {
	if (is_race && (!is_ours || is_lock(one) && is_lock(other)))
		dropped++
	else
		printf "%s", report
	report = ""
	is_race = is_ours = interrupted = 0
}

text ~ /^=+$/ && length(text) > 40 {
	report = report $0 "\n"
	if (in_report)
		flush_report()
	in_report = !in_report
	next
}
in_report {
	report = report $0 "\n"
	if (text ~ /^BUG: KCSAN/) {
		is_race = 1
		one = text
		sub(/.* in /, "", one)
		other = one
		sub(/.* \/ /, "", other)
	}
	if (text ~ /^ *$/)
		interrupted = 0 # the next stack
	if (text ~ /^ asm_/)
		interrupted = 1
	if (!interrupted && text ~ / \[covbuf(_sample)?\]/)
		is_ours = 1
	next
}

text ~ /^fault: (vmalloc error|page allocation failure)/ { in_tale = 1 }
in_tale {
	if (text ~ /<\/TASK>/)
		in_tale = 0
	next
}

{ print }

END {
	flush_report()
	if (dropped)
		printf "%d reports of races without covbuf.ko are left out here\n", dropped
}
