#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# zlib's minigzip, its profile in shared memory: what compiler-rt writes, read at exit, stopped with all its work
# done, killed there, and as counts that are put together again; read over and over while it works, it only grows.
. "${0%/*}/profile.sh"
fetch zlib
zlib=$sources/zlib
cd "$run"
megabytes 12 > input

build() { # VERSION
	local objects=$built/profile_minigzip/$1
	if [ ! -f "$objects/minigzip.o" ]; then
		mkdir -p "$objects"
		(cd "$objects" && printf '%s\0' "$zlib"/*.c "$zlib/test/minigzip.c" | logged build.log xargs -0 -n 4 -P 2 \
			"clang-$1" -O2 -w -DHAVE_UNISTD_H -D_LARGEFILE64_SOURCE=1 "${profile_flags[@]}" -I"$zlib" -c)
	fi
	link_both "$1" minigzip "$objects"/*.o
}

stopped() { # FORM: own/minigzip stops when it is done, its profile in stopped.FORM; sets pid
	COVBUF_PROFILE=stopped.$1 COVBUF_PROFILE_FORM=$1 COVB_TEST_STOP=1 own/minigzip < input > own.gz &
	pid=$!
	await_stop "$pid"
}

for version in "${versions[@]}"; do
	clang="minigzip of clang $version"
	mkdir "$run/$version" && cd "$run/$version" && ln -s ../input .
	build "$version"
	LLVM_PROFILE_FILE=packing.profraw ref/minigzip < input > ref.gz
	LLVM_PROFILE_FILE=unpacking.profraw ref/minigzip -d < ref.gz | cmp - input
	COVBUF_PROFILE=packing own/minigzip < input > own.gz 2> said
	COVBUF_PROFILE=unpacking own/minigzip -d < ref.gz 2>> said | cmp - input || fail "$clang does not unpack"
	cmp ref.gz own.gz || fail "$clang packs otherwise in shared memory"
	[ ! -s said ] || fail "$clang said: $(cat said)"
	views compiler-rt ref/minigzip packing.profraw unpacking.profraw
	views shared own/minigzip "$(only 'packing/*.profraw')" "$(only 'unpacking/*.profraw')"
	same_views compiler-rt shared "$clang, two processes at exit"
	views packing own/minigzip "$(only 'packing/*.profraw')"

	stopped whole
	same_profile packing "$(only 'stopped.whole/*.profraw')" "$clang, stopped at its end"
	end "$pid"
	same_profile packing "$(only 'stopped.whole/*.profraw')" "$clang, killed there"
	stopped counts
	"$covbuf" profraw -q stopped.counts -o live.profraw
	same_profile packing live.profraw "$clang, counts, stopped at its end"
	end "$pid"
	"$covbuf" profraw -q stopped.counts -o killed.profraw
	same_profile packing killed.profraw "$clang, counts, killed there"
done

# The highest count of all, as "show" says it: never less than it was. Once more where there was little to be seen of it.
reads=0 grown=0
for ((i = 0; i < 10 && grown < 3; i++)); do
	rm -rf growing
	COVBUF_PROFILE=growing own/minigzip < input > own.gz &
	pid=$!
	before=0
	while kill -0 "$pid" 2> /dev/null; do
		if ! compgen -G 'growing/*.profraw' > /dev/null; then
			sleep 0.01
			continue
		fi
		now=$("llvm-profdata-$version" show "$(only 'growing/*.profraw')" | sed -n 's/^Maximum internal block count: //p')
		[ "$now" -ge "$before" ] || fail "a count was $before, and is $now"
		reads=$((reads + 1)) grown=$((grown + (now > before))) before=$now
	done
	wait "$pid" || fail "minigzip ended with $? while it was read"
	pid=
done
[ "$grown" -ge 3 ] || fail "in $reads reads the counts grew $grown times, not 3"
echo "$reads reads while it worked, $grown times grown"
