#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# How the command is called, and what it says when it is called wrongly.
. "$(dirname "$0")/lib.sh"

expect "no command" 2 "^Usage: covbuf" "$COVBUF"
expect "help" 0 "report .*coverage per file" "$COVBUF" --help
expect "version" 0 "^covbuf [0-9]+\.[0-9]+\.[0-9]+$" "$COVBUF" --version
expect "unknown command" 2 "there is no command 'rep'; did you mean 'report'" "$COVBUF" rep
expect "unknown option" 2 "there is no option '--nope'" "$COVBUF" --nope
for command in run kernel ls stat top report export merge diff profraw; do
	expect "$command --help" 0 "^Usage: covbuf $command" "$COVBUF" $command --help
	expect "$command with an unknown option" 2 "covbuf $command: there is no option '--nope'" "$COVBUF" $command --nope
	expect "$command with an unknown letter" 2 "covbuf $command: there is no option '-Z'" "$COVBUF" $command -Z
done
for command in stat top report merge diff profraw; do
	expect "$command of nothing" 2 "^Try 'covbuf $command --help'" "$COVBUF" $command
done
expect "run of nothing" 2 "which program" "$COVBUF" run --
expect "export without a format" 2 "which format" "$COVBUF" export x
expect "an option without its value" 2 "option '-o' needs a value" "$COVBUF" run -o
expect "two ways at once" 2 "only one of them" "$COVBUF" run --trace --cmp true
expect "a size that is none" 2 "'12Q' is not a size; write for example" "$COVBUF" run --limit 12Q true
expect "a negative size" 2 "'-1' is not a size" "$COVBUF" run --limit=-1 true
expect "a size that is too large" 2 "more than fits" "$COVBUF" run --limit 99999999T true
expect "a limit too small for the tables" 1 "limit of 65536 bytes is too small" "$COVBUF" run -o x --limit 64K true
check "nothing is left of it" test ! -e x
done_testing
