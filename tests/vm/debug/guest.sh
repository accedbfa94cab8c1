# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=dash
# Allocations that fail, one after another; then whatever was allocated since boot and is held by nobody, covbuf.ko being unloaded.

leaks=/sys/kernel/debug/kmemleak

if [ -e /proc/self/fail-nth ] && [ -d /sys/kernel/debug/failslab ]; then
	./fault "$PWD/covbuf.ko" "$PWD/fault_client.ko" || echo "fault ended with status $?"
else
	skip fault "this kernel has no CONFIG_FAULT_INJECTION with FAILSLAB"
fi

# An object counts once it is five seconds old and two scans found no pointer to it.
if [ -e "$leaks" ]; then
	sleep 6
	echo scan > "$leaks"
	echo scan > "$leaks"
	cat "$leaks" > /tmp/leaks
	if [ -s /tmp/leaks ]; then
		head -n 100 /tmp/leaks
		not_ok leaks "$(grep -c '^unreferenced object' /tmp/leaks) objects leaked since boot"
	else
		ok leaks
	fi
else
	skip leaks "this kernel has no CONFIG_DEBUG_KMEMLEAK"
fi
