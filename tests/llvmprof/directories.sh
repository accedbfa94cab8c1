#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# directories.sh MAJOR
#
# Whatever COVBUF_PROFILE names, full, foreign or set up by somebody else: the program runs as without, says in one line why
# there is no file and what to do, and nothing is written elsewhere.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
use_clang "$1"
build processes processes.c -pthread
build images images.c -ldl
build library.so images.c -DLIBRARY -fPIC -shared
[ "$failed" = 0 ] || exit 1

one_line() { # NAME PATTERN: what the program said
	if [ "$(wc -l < err)" = 1 ] && grep -qE "^covbuf: counts of /.*/processes stay private: $2$" err; then
		ok "$1"
	else
		not_ok "$1: $(cat err)"
	fi
}

refused() { # NAME DIRECTORY PATTERN
	local name=$1
	COVBUF_PROFILE=$2 ./processes hit > out 2> err || not_ok "$name: exit status $?"
	one_line "$name" "$3"
}

leave=$dir/elsewhere
mkdir "$leave"
COVBUF_PROFILE='' ./processes hit 2> err
equal "empty: nothing" "" "$(cat err)$(find . -name '*.prof*')"
refused "a directory above that is not there" nothing/profile \
	"nothing/profile: No such file or directory; the directory above it has to exist.*"
: > file
refused "a file" file "$dir/file: Not a directory; .*"
refused "no place for files" /sys "/sys: .*; let COVBUF_PROFILE name .*"
mkdir open && chmod 0777 open
refused "where everybody may write" open "$dir/open: Operation not permitted; .* where not everybody may write"
equal "and nothing is there" 0 "$(find open -type f | wc -l)"
chmod 1777 open
COVBUF_PROFILE=open ./processes hit 2> err
equal "but only remove what is theirs" "1 1 0" "$(files profraw open) $(files template open) $(wc -l < err)"
long=$(printf '%0250d' 0)
refused "a long path" "$dir/$long$long" "/.*: File name too long; .*"
(umask 0 && COVBUF_PROFILE="$dir/of mine" ./processes hit)
equal "made for its user alone" "700 600" "$(stat -c %a 'of mine') $(stat -c %a 'of mine'/*.profraw)"
ln -s "of mine" link
COVBUF_PROFILE="link" ./processes hit
equal "a link to a directory" 2 "$(files profraw 'of mine')"
COVBUF_PROFILE=profile COVBUF_PROFILE_FORM=some ./processes hit 2> err
one_line "a form that is none" "COVBUF_PROFILE_FORM names no form of files; let it be counts, or whole"
(ulimit -f 4 && COVBUF_PROFILE=profile exec ./processes hit) 2> err || not_ok "the limit of file sizes: $?"
one_line "the limit of file sizes" "$dir/profile: File too large; raise the limit of file sizes \(ulimit -f\)"
equal "and nothing is left" 0 "$(find profile -type f 2> /dev/null | wc -l)"
{
	sleep 0.1
	COVBUF_PROFILE=/proc/none ./processes hit
	echo $? > status
} 2>&1 | true
equal "where nobody reads the line" 0 "$(cat status)"
cp processes .hidden
rm -rf profile
COVBUF_PROFILE=profile ./.hidden hit
equal "a hidden program's file is not hidden" 1 "$(files profraw)"

# Whoever may write in the directory and knows the names.
rm -rf profile
COVBUF_PROFILE=profile ./images exit ./library.so
stem=$(cd profile && echo images.*.template)
library_stem=$(cd profile && echo library.so.*.template)
rm -rf profile && mkdir -m 700 profile
echo untouched > victim
# shellcheck disable=SC2016 # its own process number
timeout 120 bash -c '
	ln -s "$PWD/victim" "profile/.$1.$$.0"
	ln -s "$PWD/victim" "profile/$1.$$.0.profraw"
	ln -s "$PWD/victim" "profile/$1.template"
	ln -s "$PWD/victim" "profile/$2.$$.0.profraw"
	mkfifo "profile/$2.$$.1.profraw" "profile/$2.$$.0.profcnt"
	head -c 100000 /dev/zero > "profile/$2.$$.2.profraw"
	mkdir "profile/$2.$$.3.profraw"
	COVBUF_PROFILE=profile exec ./images exit ./library.so' - "${stem%.template}" "${library_stem%.template}" 2> err ||
	not_ok "names that are taken: exit status $?"
equal "names that are taken" "untouched 0" "$(cat victim) $(wc -l < err)"
equal "others are found" 2 "$(find profile -type f \( -name 'images.*.1.profraw' -o -name 'library.so.*.4.profraw' \) | wc -l)"

# Mappings that cannot be had: nothing is shared then, and nothing is left.
cat > fail.c << 'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
void *mmap(void *at, size_t bytes, int access, int flags, int fd, off_t offset)
{
	static int n;
	void *(*next)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, "mmap");

	if (flags & MAP_SHARED && (flags & MAP_SHARED_VALIDATE) != MAP_SHARED_VALIDATE && ++n == atoi(getenv("FAIL_AT"))) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return next(at, bytes, access, flags, fd, offset);
}
END
"$clang" -O1 -fPIC -shared -Wno-pointer-sign fail.c -o fail.so -ldl
[ "$1" -lt 18 ] && parts=2 || parts=3
for ((n = 1; n <= parts; n++)); do
	rm -rf profile
	FAIL_AT=$n COVBUF_PROFILE=profile LD_PRELOAD=$dir/fail.so ./processes print_shared > out 2> err || not_ok "mapping $n: $?"
	one_line "mapping $n cannot be had" "$dir/profile: Cannot allocate memory; raise .*"
	equal "and nothing is shared or left" "0 0" "$(cat out) $(find profile -type f | wc -l)"
done
rm -rf profile
COVBUF_PROFILE=profile ./processes print_shared > out
equal "with all of them: the note, and the sections side by side" 2 "$(cat out)"

# Containers, in which each program is process 1.
rm -rf profile
if unshare -rpf true 2> err; then
	for ((i = 0; i < 40; i++)); do
		COVBUF_PROFILE=profile unshare -rpf ./processes hit || not_ok "process 1: $?"
	done
	equal "forty times process 1" 40 "$(files profraw)"
else
	echo "skipped: containers: $(cat err)"
fi

# Where there is no room, as far as the program can know: what is written without having been reserved is a SIGBUS later.
cat > no_room.c << 'END'
#include <errno.h>
#include <sys/types.h>

int posix_fallocate(int fd, off_t offset, off_t bytes)
{
	(void)fd, (void)offset, (void)bytes;
	return ENOSPC;
}
END
"$clang" -shared -fPIC no_room.c -o no_room.so || exit 1
rm -rf profile
COVBUF_PROFILE=profile LD_PRELOAD=$dir/no_room.so ./processes hit 2> err || not_ok "no room: $?"
one_line "no room" "$dir/profile: No space left on device; make room there"
equal "no room: files" 0 "$(find profile -type f | wc -l)"

# Room for the program's file, not for its child's; or not for it.
# shellcheck disable=SC2016
full='
	mount -t tmpfs -o size="$1" none full || exit 77
	shift
	COVBUF_PROFILE=full "$@" > out 2> err
	echo $? > status
	find full -type f | wc -l > left'
mkdir full
rm -rf profile
COVBUF_PROFILE=profile ./processes stay
kib() { du -k --apparent-size profile/*."$1" | awk 'NR == 1 { print int(($1 + 3) / 4) * 4 }'; }
whole=$(kib profraw) child=$(kib profcnt)
for size in $((whole - 4)) $((whole + child - 4)); do
	unshare -rm bash -c "$full" - ${size}k ./processes stay 2> mount_error || {
		echo "skipped the full disk: no tmpfs may be mounted here: $(cat mount_error)"
		break
	}
	equal "$size KiB of room: exit status" 0 "$(cat status)"
	one_line "$size KiB of room" "$dir/full: No space left on device; make room there"
	if [ $size -lt "$whole" ]; then left=0; else left=2; fi
	equal "$size KiB of room: files" $left "$(cat left)"
done

# A program with somebody else's rights does not look at the environment.
if [ "$(id -u)" = 0 ]; then
	cp processes privileged && chown 65534 privileged && chmod u+s privileged && chmod 711 "$dir"
	rm -rf profile
	COVBUF_PROFILE=profile ./privileged hit 2> err
	equal "setuid" "0 0" "$(wc -c < err) $(find . -path './profile*' | wc -l)"
	mkdir theirs && chown 65534 theirs
	if command -v setpriv > /dev/null; then
		mkdir others && chown 65533 others && chmod 711 others
		COVBUF_PROFILE=others setpriv --reuid=65534 --clear-groups ./processes hit 2> err || not_ok "others: $?"
		one_line "a directory of another user" "$dir/others: .*; let COVBUF_PROFILE name .*"
		COVBUF_PROFILE=theirs setpriv --reuid=65534 --clear-groups ./processes hit 2> err
		equal "a directory of one's own" 1 "$(files profraw theirs)"
	fi
else
	echo "skipped: setuid and other users: needs root"
fi
equal "elsewhere" 0 "$(find "$leave" -type f | wc -l)"
exit "$failed"
