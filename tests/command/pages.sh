#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The manual pages: one for each command, without faults, and with every option that --help has.
. "$(dirname "$0")/lib.sh"
pages=$here/../../docs/man
for command in "" -run -kernel -ls -stat -top -report -export -merge -diff -profraw; do
	page=$pages/covbuf$command.1
	check "covbuf$command has a page" test -s "$page"
	# Text as it is read, so that macros do not hide the options.
	if command -v mandoc > /dev/null; then
		mandoc -T lint -W warning "$page" > out 2>&1
		check "covbuf$command.1 has no faults" test ! -s out
		mandoc -T ascii "$page" | sed 's/.\x08//g' > text
	else
		sed 's/^\.It Fl //; s/-\([a-z]\)/--\1/g' "$page" > text
	fi
	for option in $("$COVBUF" ${command:+"${command#-}"} --help | grep -oE '^ +(-[a-z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
		case $option in --help | --version) continue ;; esac
		grep -q -- "$option" text || not_ok "covbuf$command.1 has no $option"
	done
done
done_testing
