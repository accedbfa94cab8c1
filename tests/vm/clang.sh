#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# clang.sh ARGUMENT...
#
# clang-19, for the modules of a kernel that gcc built: without the options of gcc's that come from the
# kernel's configuration and that clang refuses, and with what Kconfig would have decided otherwise
# (clang.h). On POWER there is then neither ftrace nor a stack protector: clang knows not how the kernel
# has them.
arguments=() power=
[[ " $* " != *" --target=powerpc"* ]] || power=1
for argument; do
	case $power$argument in
	-mrecord-mcount | -fconserve-stack | 1-fconserve-stack) ;;
	1-mprofile-kernel | 1-pg | 1-mno-strict-align | 1-fstack-protector* | 1-mstack-protector-guard*) ;;
	*) arguments+=("$argument") ;;
	esac
done
exec clang-19 "${arguments[@]}"
