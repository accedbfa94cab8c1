#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the command writes is whole or not there, and nothing else stays: limits of file size, signals, pages that were
# not written.
. "$(dirname "$0")/lib.sh"
build_gcc program || exit 1
"$COVBUF" run -q -o rec ./program 10
mkdir new bin

# SIGXFSZ would end the command before it can say so.
limited() { (ulimit -f 8 && exec "$COVBUF" "$@"); }
expect "merge, a limit of file size" 1 "new/m: cannot be written: File too large" limited merge -o new/m rec
expect "run, a limit of file size" 1 "File too large; .*ulimit -f" limited run -o new/r ./program 10
check "nothing stays" test -z "$(ls -A new)"
# shellcheck disable=SC2016
sh -c 'ulimit -f 20000 && exec "$0" run -q -o rec-limit head -c 32M /dev/zero > new/zero' "$COVBUF" > /dev/null 2>&1
check "what is run has the signal" test $? = 153
rm -f new/zero

# genhtml that waits, and one that says nothing of what it could not write.
cat > bin/genhtml <<- 'END'
	#!/bin/sh
	for last; do :; done
	echo "$last" > tracefile.part && mv tracefile.part tracefile
	[ -e quick ] || exec sleep 30
END
chmod +x bin/genhtml
PATH=$PWD/bin:$PATH "$COVBUF" report --html pages rec > text 2>&1 &
report=$!
for _ in $(seq 300); do
	[ ! -e tracefile ] || break
	sleep 0.1
done
check "a tracefile" test -s "$(cat tracefile)"
kill -TERM $report
wait $report
check "ended by the signal" test $? = 143
check "its tracefile is gone" test ! -e "$(cat tracefile)"
touch quick
expect "no pages" 1 "pages: genhtml has not written all pages" env PATH="$PWD/bin:$PATH" "$COVBUF" report --html pages rec
check "this tracefile is gone, too" test ! -e "$(cat tracefile)"
done_testing
