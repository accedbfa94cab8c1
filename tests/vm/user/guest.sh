# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=dash
# libcovbuf itself, without covbuf.ko: its unit tests, and the stress tests for some seconds.
here=$PWD
mkdir -p /lib64 /bin
ln -s "$here/lib/ld64.so.2" /lib64/ld64.so.2
export LD_LIBRARY_PATH="$here/lib"
cat > /bin/readelf << END
#!/bin/busybox sh
sed -n "s,^\${2##*/} ,,p" $here/ids
END
chmod +x /bin/readelf

export COVBUF_TEST_SLOWNESS=10

pages_have_64k() { [ "$(awk '/KernelPageSize/ { print $2; exit }' /proc/self/smaps)" = 64 ]; }
expect pages_have_64k pages_have_64k

for program in test_*; do
	status=0
	"./$program" > /tmp/out 2>&1 || status=$?
	# What is wrong with a test is on the lines behind its own.
	awk -v program="$program" '
		function flush() { if (name) print "not ok " program "/" name ":" why; name = "" }
		/^ok / { flush(); print "ok " program "/" $2; next }
		/^skipped / { flush(); sub(/^skipped /, "skip " program "/"); print; next }
		/^not ok / { flush(); name = $3; why = ""; next }
		/^[0-9]+ passed/ { flush(); next }
		{ why = why $0 }
		END { flush() }' /tmp/out
	grep -q '^[0-9]* passed, ' /tmp/out || not_ok "$program" "it ended with status $status: $(tail -1 /tmp/out)"
done
seconds=${LONG:+60}
expect stress_engine ./stress_engine --seconds "${seconds:-5}"
expect kill_storm ./kill_storm --seconds "${seconds:-5}"
