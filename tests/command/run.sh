#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# covbuf run: exit statuses, signals, children, limits, and who may be killed.
. "$(dirname "$0")/lib.sh"
build_gcc program || { echo "the program cannot be built"; exit 1; }

records() { "$COVBUF" stat --json "$1" | sed -n 's/^"records":\([0-9]*\),.*/\1/p'; }
lost() { "$COVBUF" stat --json "$1" | grep -o '"lost":{[^}]*}' | head -1 | grep -oE ':[0-9]+' | tr -d : | awk '{ n += $1 } END { print n }'; }

expect "the default name" 0 "program.covbuf: [0-9]+ records of 4 threads in 1 process, none lost" "$COVBUF" run ./program
check "the recording" test -s program.covbuf
expect "an old recording stays" 1 "program.covbuf: it exists; give another name with -o, or --force" "$COVBUF" run ./program
expect "--force replaces it" 0 "records" "$COVBUF" run --force ./program
expect "its exit status" 37 "records" "$COVBUF" run --force ./program 10 exit 37
expect "its signal" 139 "records" "$COVBUF" run --force ./program 10 kill 11
expect "no such program" 127 "covbuf run: ./nope: there is no such program" "$COVBUF" run -o n ./nope
expect "no such program in PATH" 127 "in PATH" "$COVBUF" run -o n nope-nope
expect "not executable" 126 "program.o: it cannot be run: Permission denied" "$COVBUF" run -o n ./program.o
check "no recording of what did not run" test ! -e n
expect "a directory that is not there" 1 "its directory does not exist" "$COVBUF" run -o no/dir ./program
expect "a program that does not record" 0 "it did not record" "$COVBUF" run -o t true
"$COVBUF" run -q --force ./program 10 > quiet.out 2>&1
check "--quiet says nothing" test ! -s quiet.out

# Every record is there, or counted as lost.
"$COVBUF" run -q --trace -o small ./program 100000
"$COVBUF" run -q --trace --limit 8M -o limited ./program 1000000
"$COVBUF" run -q --trace -o unlimited ./program 1000000
check "a limit is kept" test "$(stat -c %s limited)" -le 8388608
check "what is beyond it is counted" \
	test $(($(records limited) + $(lost limited))) = $(($(records unlimited) + $(lost unlimited)))
check "and only that" test "$(lost unlimited)" = 0

# Signals that another process sends go to the program.
"$COVBUF" run -q -o sig ./program 10 sleep 60 > sig.out &
pid=$!
until grep -q asleep sig.out; do sleep 0.02; done
kill -TERM $pid
wait $pid
check "SIGTERM is passed on" test $? = 143

# Children.
"$COVBUF" run -q -o forked ./program 10 fork
check "a child is followed" test "$("$COVBUF" stat --json forked | grep -c '"ppid"')" = 2
"$COVBUF" report --functions forked > out
check "what it reached is reported" grep -qE "^in_child +[1-9]" out
"$COVBUF" run -q --no-follow -o alone ./program 10 fork
"$COVBUF" report --functions alone > out
check "or not, if so asked" grep -qE "^in_child +0/" out
"$COVBUF" run -o outlived ./program 10 outlive go > outlived.out 2>&1 &
pid=$!
until grep -q "1 of its processes still records" outlived.out || ! kill -0 $pid; do sleep 0.02; done
check "a child that outlives the program is told of" grep -q "1 of its processes still records" outlived.out
check "and is waited for" kill -0 $pid
touch go
wait $pid
check "to its end" test $? = 0

# A server and its children use one set of rows of the module table, also where process slots are used again.
"$COVBUF" run -q -o served ./program 10 serve 600
"$COVBUF" report --functions served > out 2> served.err
# one record each, but where the machine was so busy that no area was ready
check "what 600 children reached is reported" test "$(awk '/^in_child/ { print $4 }' out)" -ge 100
check "and their children" test "$(awk '/^in_grandchild/ { print $4 }' out)" -ge 100
check "every record belongs to a module" test -z "$(grep -E 'in no module|found no room in its table' served.err)"
for way in --trace --stream; do
	"$COVBUF" run -q --force -o served $way ./program 10 serve 150
	"$COVBUF" report --functions served > out 2> served.err
	check "$way: what children reached is reported" grep -qE "^in_grandchild +[1-9]" out
	check "$way: every record belongs to a module" test -z "$(grep -E 'in no module|found no room in its table' served.err)"
done

# kill -9.
"$COVBUF" run -q -o killed ./program 10 kill 9
check "a killed program's status" test $? = 137
expect "a killed program's report" 0 "program.c" "$COVBUF" report killed
"$COVBUF" run -q -o orphaned ./program 10 sleep 1 > orphan.out &
pid=$!
until grep -q asleep orphan.out 2> /dev/null; do sleep 0.02; done
kill -9 $pid
wait $pid 2> /dev/null
expect "covbuf killed, the program alive" 0 "program.c" "$COVBUF" report orphaned
sleep 1.2
expect "covbuf killed, the program ended" 0 "program.c" "$COVBUF" report orphaned

# A program that executes another, which is linked to the same addresses.
cat > before.c << 'END'
#include <unistd.h>
int before(int x) { return x > 2 ? 1 : 2; }
int main(int c, char **v) { before(c); return execv("./after", v); }
END
echo 'int after(int x) { return x > 2 ? 1 : 2; } int main(int c, char **v) { (void)v; return after(c); }' > after.c
for name in before after; do
	"$CC" -O0 -g -no-pie -fno-pie -fsanitize-coverage=trace-pc $name.c -o $name "${link[@]}" || not_ok "$name is built"
done
for way in --unique --trace --stream; do
	"$COVBUF" run -q --force $way -o executed ./before
	"$COVBUF" report --functions executed > out
	check "$way: before and after exec are told apart" test "$(grep -cE '^(before|after) +[1-9]' out)" = 2
done

# A program with callbacks that do nothing, in a library.
echo 'void __sanitizer_cov_trace_pc(void) {}' > nothing.c
if [ -e "$COVBUF_PRELOAD" ] && "$CC" -shared -fPIC nothing.c -o libnothing.so &&
	"$CC" program.o -o foreign -L. -lnothing -Wl,-rpath,"$dir" -lpthread; then
	expect "it does not record by itself" 0 "foreign: it did not record" "$COVBUF" run ./foreign
	expect "--preload" 0 "foreign.covbuf: [1-9][0-9]* records of 4 threads" "$COVBUF" run --force --preload ./foreign
	expect "and its report" 0 "program.c" "$COVBUF" report foreign.covbuf
fi
done_testing
