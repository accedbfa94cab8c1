#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# clang.sh ARGUMENT...
#
# clang-19, for the modules of a kernel that gcc built: without the options of gcc's that come from the
# kernel's configuration and that clang refuses, and with what Kconfig would have decided otherwise
# (clang.h).
arguments=()
for argument; do
	case $argument in
	-mrecord-mcount | -fconserve-stack) ;;
	*) arguments+=("$argument") ;;
	esac
done
exec clang-19 "${arguments[@]}"
