# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# ours.awk: a kernel's log without
# - reports of races (KCSAN) in which no function of a module takes part. In its strict mode the kernel reports its own by the
#   hundred. A report stands between two lines of "=".
# - the tale of an allocation that the program "fault" wanted to fail.

{
	text = $0
	sub(/\r$/, "", text)
	sub(/^\[[^]]*\] ?/, "", text)
}

function flush_report() {
	if (report ~ /BUG: KCSAN/ && report !~ /\+0x[0-9a-f]+\/0x[0-9a-f]+ \[[a-z0-9_]+\]|[a-z0-9_] \[[a-z0-9_]+\]/)
		dropped++
	else
		printf "%s", report
	report = ""
}

text ~ /^=+$/ && length(text) > 40 {
	if (in_report) {
		report = report $0 "\n"
		flush_report()
	} else {
		report = $0 "\n"
	}
	in_report = !in_report
	next
}
in_report {
	report = report $0 "\n"
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
		printf "%d reports of races between functions of the kernel alone are left out here\n", dropped
}
