# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=dash
# The engine's cases (tests/vectors) run when the module is loaded: by themselves, or as a KUnit suite. Results are in the
# kernel's log: "vectors: ok NAME", or KUnit's "ok NUMBER NAME", what went wrong standing before.
echo "vm: cases begin" > /dev/kmsg
expect loads insmod vectors.ko
dmesg | sed -n '/vm: cases begin/,$s/^\[[^]]*\] *//p' > /tmp/log
sed 's/^vectors: //' /tmp/log | awk '
	sub(/^not as expected: /, "") { why = $0 }
	/^(ok|not ok) ([0-9]+ )?vectors\// {
		sub(/ok [0-9]+/, "ok")
		print $0 (/^not ok [^ ]+$/ ? ": " why : "")
		nr++
	}
	END { print nr + 0 > "/tmp/nr" }'
# Each of them at each level, and none that went missing.
ran_all() {
	wanted=$(sed -n 's/^vectors: \([0-9]*\) cases$/\1/p' /tmp/log) ran=$(cat /tmp/nr)
	[ "$ran" = "$wanted" ] || { echo "$ran of ${wanted:-?} cases said how they ended"; return 1; }
}
expect ran_all ran_all
expect unloads rmmod vectors
