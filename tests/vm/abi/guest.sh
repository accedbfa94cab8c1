# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=dash
# KCOV's ABI, rule by rule: on covbuf.ko's two devices, or, where the kernel has KCOV, on that: then the rules that it is known
# not to keep (differences) are to fail as they are known to.
kcov=/sys/kernel/debug/kcov

# POWER's little-endian kernels run no 32-bit programs.
run32() { [ ! -e abi32 ] || ./abi32 "$@"; }

# Every result of the program, those in the file differences turned round.
compare() {
	awk '
		FNR == NR {
			if (/^[a-z]+\//)
				name = $1
			else if (name != "" && sub(/^\tKCOV: /, ""))
				kcov[name] = $0
			next
		}
		/^(ok|not ok|skip) / {
			name = $0
			sub(/^(ok|not ok|skip) /, "", name)
			sub(/:.*/, "", name)
			if (name in kcov) {
				said = index($0, kcov[name])
				print "# " $0
				if (said && !/^ok /)
					print "ok " name
				else
					print "not ok " name ": KCOV is known to differ: \"" kcov[name] "\""
				delete kcov[name]
				next
			}
		}
		{ print }
		END {
			for (name in kcov)
				print "not ok differences/" name ": there is no such check"
		}' differences -
}

if [ -e $kcov ]; then
	refuse refused_beside_kcov "CONFIG_KCOV" load_covbuf
	insmod abi_mod.ko || exit
	# Two rules KCOV keeps, but with a warning in the log, which would count as a complaint.
	{ ./abi -s init/without_memory -s merge/area_size_0 $kcov; run32 $kcov; } 2>&1 | compare
	rmmod abi_mod
else
	load_covbuf && insmod abi_mod.ko || exit
	./abi $kcov && run32 $kcov
	./abi /dev/covbuf dev/ && run32 /dev/covbuf dev/
	if why=$(at_rest); then ok at_rest; else not_ok at_rest "$why"; fi
	rmmod abi_mod && unload_covbuf
fi
