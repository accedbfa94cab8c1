# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=dash
# What the hooks look like was found when this was built. That what is counted happens, is tested; the counts mean something
# in the machine of bench/kernel.sh only, which runs this too.
[ ! -e hooks ] || cat hooks
if [ -e /sys/kernel/debug/kcov ]; then
	covbuf=
else
	covbuf=1
	expect loads load_covbuf
fi
if insmod empty.ko && insmod count.ko && ./count > counts; then
	ok counts
else
	not_ok counts "count ended with a status other than 0"
fi
sed 's/^/count: /' counts
rmmod count empty
if [ -n "$covbuf" ]; then
	expect at_rest at_rest
	unload_covbuf
fi
