# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=dash
# The module comes and goes; its devices are there, for root alone; who needs it without it is told.
mode() { command stat -c '%a %u %g' "$1" | grep -x '600 0 0' || { ls -l "$1"; return 1; }; }
loaded() { grep -q "^$1 " /proc/modules; }
gone() { # all that the module had
	! loaded covbuf && [ ! -e /dev/covbuf ] && [ ! -e /sys/kernel/debug/kcov ] && [ ! -e /sys/kernel/debug/covbuf ]
}

refuse kcov_kernel_is_told 'use /sys/kernel/debug/kcov' insmod covbuf-kcov.ko
refuse client_needs_covbuf 'Unknown symbol __sanitizer_cov_trace_pc' insmod client-gcc-12.ko

expect loads load_covbuf
expect device_is_there test -c /dev/covbuf
expect device_is_roots mode /dev/covbuf
expect debugfs_file_is_there test -f /sys/kernel/debug/kcov
expect debugfs_file_is_roots mode /sys/kernel/debug/kcov
refuse loads_once 'File exists' load_covbuf
expect at_rest_when_loaded at_rest
expect unloads unload_covbuf
expect leaves_nothing gone

load_ten_times() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		load_covbuf && mode /dev/covbuf && unload_covbuf && gone || return 1
	done
}
expect loads_again load_ten_times

# Each compiler's module on each compiler's covbuf.ko. An address that is none makes the hooks run between
# user_access_begin() and _end().
use_client() { # COVBUF.KO CLIENT.KO
	insmod "$1" && insmod "$2" || return 1
	for number in 0 1 2 3; do
		echo $number > /sys/module/client/parameters/number || return 1
	done
	refuse_unload && rmmod client && unload_covbuf
}
refuse_unload() {
	! unload_covbuf || { echo "covbuf.ko was unloaded under its client"; return 1; }
	loaded covbuf
}
for cc in gcc-12 clang-19; do
	expect "client_by_$cc" use_client /modules/covbuf.ko "client-$cc.ko"
	expect "client_by_${cc}_on_covbuf_by_clang-19" use_client covbuf-clang.ko "client-$cc.ko"
done
