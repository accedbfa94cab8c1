#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# quickstart.sh [--short] [--no-install] [--dir DIR]
#
# From a fresh Debian 12 machine to the coverage of a real multi-threaded program, recorded by another
# process while it ran: builds libcovbuf, builds xz instrumented from Debian's source, compresses with
# all cores under "covbuf run" while "covbuf stat" looks on, checks the output, and reports per file,
# per function and in HTML. A few minutes the first time; all it makes is in build-quickstart/.
#   --short       less data to compress
#   --no-install  the packages are there
#   --dir DIR     instead of build-quickstart/
# COVBUF_SOURCES names a folder for fetched source packages, to share it between runs.
set -eu
set -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$top/build-quickstart
megabytes=96
between=3 # seconds from one look to the next
install=1
while [ $# -gt 0 ]; do
	case $1 in
	--short) megabytes=24 between=0.3 ;;
	--no-install) install= ;;
	--dir) dir=${2:?--dir needs a folder} && shift ;;
	-h | --help) sed -n '3,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) echo "quickstart: there is no option '$1'; see --help" >&2; exit 2 ;;
	esac
	shift
done

started=$SECONDS
step() { printf '\n[%d:%02d] %s\n' $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)) "$*"; }
die() { printf '\nquickstart: %s\n' "$*" >&2; exit 1; }
quietly() { # LOG ADVICE COMMAND...
	local log=$1 advice=$2
	shift 2
	"$@" > "$log" 2>&1 || { tail -20 "$log" >&2; die "$advice (all that was said: $dir/$log)"; }
}
covbuf=$dir/lib/tools/covbuf
mkdir -p "$dir" || die "cannot make $dir; name another folder with --dir"
dir=$(cd "$dir" && pwd)
cd "$dir"

if [ -n "$install" ]; then
	step "Packages that building needs"
	"$top/scripts/install-deps.sh" build real ||
		die "packages are missing; install them as said above, then: scripts/quickstart.sh --no-install"
fi

step "Building libcovbuf in $dir/lib"
quietly configure.log "libcovbuf cannot be configured; scripts/install-deps.sh build installs what it needs" \
	cmake -S "$top" -B lib -G Ninja -DCMAKE_BUILD_TYPE=Release -DCOVBUF_TESTS=OFF -DCOVBUF_BENCH=OFF
quietly ninja.log "libcovbuf cannot be built" \
	ninja -C lib covbuf_static covbuf_sancov covbuf_command

sources=${COVBUF_SOURCES:-$dir/sources}
step "The source of xz, from Debian"
"$top/scripts/debian-source.sh" "$sources" xz-utils ||
	die "no source of xz-utils; is there a network, and a Debian repository in /etc/apt/sources.list*?"

step "Building xz with -fsanitize-coverage=trace-pc-guard,pc-table"
"$top/scripts/build-xz.sh" lib "$sources/xz-utils" xz || die "xz cannot be built; see above"

input=input-$megabytes.tar
if [ ! -s "$input" ]; then
	step "Data to compress: $megabytes MiB of this machine's files"
	# head ends it, so tar's status says nothing
	{ tar -C / --sort=name -cf - usr/include usr/share usr/lib 2> /dev/null || true; } |
		head -c ${megabytes}M > part || true
	[ "$(stat -c %s part)" -ge $((megabytes << 20)) ] ||
		die "there are less than $megabytes MiB in /usr/include, /usr/share and /usr/lib; try --short"
	mv part "$input"
fi

# Smaller blocks than xz would choose, so that a little data keeps many threads busy.
step "covbuf run -o xz.covbuf -- xz -T0 --block-size=4MiB $input"
rm -f xz.covbuf output.xz
"$covbuf" run -o xz.covbuf -- xz/xz -T0 --block-size=4MiB -c "$input" > output.xz &
recorder=$!
trap 'kill $recorder 2> /dev/null || true' EXIT
snapshots=0
while kill -0 $recorder 2> /dev/null; do
	# Until the program has attached there is nothing to see.
	if "$covbuf" stat xz.covbuf > snapshot 2> /dev/null && grep -q ' 1 live' snapshot &&
		[ $snapshots -lt 4 ]; then
		snapshots=$((snapshots + 1))
		step "Seen from another process, look $snapshots: covbuf stat xz.covbuf"
		cat snapshot
		[ $snapshots -lt 4 ] || step "xz goes on. To look by yourself: $covbuf top $dir/xz.covbuf"
		sleep $between
	else
		sleep 0.1
	fi
done
wait $recorder || die "xz failed under covbuf run with status $?"
trap - EXIT
[ $snapshots -ge 2 ] || die "only $snapshots live looks at the recording: xz was done too early, or stat failed; \
try it by hand: $covbuf stat $dir/xz.covbuf"

step "The output, decompressed by this machine's own xz, is the input?"
xz -dc output.xz | cmp - "$input" || die "what xz wrote is not what it read: $dir/output.xz, $dir/$input"
echo "yes: $(stat -c %s "$input") bytes became $(stat -c %s output.xz)"

step "covbuf report: lines, points (places that the compiler has marked) and functions that were reached, of all"
"$covbuf" report --source-prefix "$sources/xz-utils" xz.covbuf > files.txt || die "the report failed; see above"
cat files.txt
step "covbuf report --functions: the threaded encoder's, of $dir/functions.txt"
"$covbuf" report --functions --source-prefix "$sources/xz-utils" xz.covbuf > functions.txt ||
	die "the report failed; see above"
head -1 functions.txt
grep 'stream_encoder_mt\.c:' functions.txt || die "xz -T0 did not reach its threaded encoder, says functions.txt"

step "covbuf report --html"
rm -rf html
quietly html.log "the pages could not be made; is lcov installed?" \
	"$covbuf" report --html html --source-prefix "$sources/xz-utils" xz.covbuf
[ -s html/index.html ] || die "there is no page $dir/html/index.html"

step "Done. What there is to look at:
  $dir/html/index.html   the source of xz, covered lines marked
  $dir/functions.txt     per function
  $dir/xz.covbuf         the recording
  $covbuf report|stat|export --help
Your own program: compile with -fsanitize-coverage=trace-pc-guard,pc-table (clang) or
-fsanitize-coverage=trace-pc (gcc), link with what scripts/link-flags.sh $dir/lib prints,
then: covbuf run -- PROGRAM"
