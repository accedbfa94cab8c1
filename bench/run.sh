#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh [OPTION]...
#
# Measures what libcovbuf's operations cost on this machine, beside what one would use instead: builds with -O2 and without
# assertions, runs every bench, and leaves in bench/results/MACHINE/ the tables (table.txt), JSON lines (results.jsonl) and
# plots (SVG). The last table holds each target beside what was reached. README.md says how to read them. Under 15 minutes.
#   --quick        a minute: fewer passes, no whole programs, no reports, no largest sizes
#   --only NAME    this program or bench, or those that the pattern matches; may be given again
#   --count        instructions too, by callgrind (two minutes more)
#   --list         names programs and benches, and what they ask
#   --with COMMAND starts each program with it: 'chrt -f 50' (root) keeps other work off its cores
#   --build DIR    build there instead of in build-bench/
#   --results DIR  leave the results there
#   --static       make build-bench/libcovbuf-bench.tar.gz and measure nothing: programs that need no library, to be unpacked
#                  on another machine; run.sh in it has the same options but for these two. Peers that have no static
#                  library, and whole programs, are not in it
# A run with --quick or --only leaves its results in the build folder. Run it while the machine is idle: it warns if it is not.
set -eu
me=${0##*/}
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/.." && pwd)
usage() { sed -n '3,19s/^# \{0,1\}//p' "$0"; }
die() { echo "$me: $*" >&2; exit 1; }
warn() { echo "$me: warning: $*" >&2; }

quick='' count='' list='' with='' static='' build='' results=''
only=()
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=--quick ;;
	--only) only+=("${2:?--only needs a name}"); shift ;;
	--count) count=1 ;;
	--list) list=1 ;;
	--with) with=${2:?--with needs a command}; shift ;;
	--static) static=1 ;;
	--build) build=${2:?--build needs a folder}; shift ;;
	--results) results=${2:?--results needs a folder}; shift ;;
	-h | --help) usage; exit 0 ;;
	*) echo "$me: there is no option '$1'; see --help" >&2; exit 2 ;;
	esac
	shift
done

# ---- building --------------------------------------------------------------------------------------------------------

# bin/ beside this: unpacked from --static.
carried=
[ ! -e "$here/bin/names" ] || carried=1
if [ -n "$carried" ]; then
	[ -z "$static$build" ] || die "these programs were built elsewhere: no --static, no --build"
	build=$here
	programs=$here/bin
	commit=$(cat "$here/commit")
	compilers=$(cat "$here/compilers")
else
	[ -n "$build" ] || build=$source/build-bench${static:+-static}
	programs=$build/bench
	commit=$(git -C "$source" describe --always --dirty 2> /dev/null || echo none)
fi

build_all() {
	local settings=(-DCMAKE_BUILD_TYPE=Release -DCOVBUF_TESTS=OFF)
	[ -z "$static" ] || settings+=(-DCOVBUF_BENCH_STATIC=ON -DCMAKE_PROJECT_libcovbuf_INCLUDE="$here/static.cmake")
	mkdir -p "$build"
	build=$(cd "$build" && pwd)
	programs=$build/bench
	if ! cmake -S "$source" -B "$build" -G Ninja "${settings[@]}" > "$build/bench.log" 2>&1 ||
		! ninja -C "$build" benches >> "$build/bench.log" 2>&1; then
		tail -n 20 "$build/bench.log" >&2
		die "it does not build; all of it: $build/bench.log"
	fi
	compilers=$(sed -n 's/^CMAKE_C_COMPILER:[^=]*=//p' "$build/CMakeCache.txt" | head -n 1)
	compilers=$("$compilers" --version | head -n 1)$(clang-19 --version 2> /dev/null | sed -n '1s/^/; /p')
}
[ -n "$carried" ] || build_all

if [ -n "$static" ]; then
	pack=$(mktemp -d)
	trap 'rm -rf "$pack"' EXIT
	mkdir -p "$pack/libcovbuf-bench/bin"
	cp "$here"/{run.sh,count.sh,summary.py,plot.py,README.md} "$pack/libcovbuf-bench/"
	while read -r name; do
		cp "$programs/$name" "$pack/libcovbuf-bench/bin/"
	done < "$programs/names"
	cp "$programs/names" "$pack/libcovbuf-bench/bin/"
	echo "$commit" > "$pack/libcovbuf-bench/commit"
	echo "$compilers" > "$pack/libcovbuf-bench/compilers"
	tar -C "$pack" -czf "$build/libcovbuf-bench.tar.gz" libcovbuf-bench
	echo "$me: $build/libcovbuf-bench.tar.gz: unpack it on the other machine and start libcovbuf-bench/run.sh"
	exit 0
fi

# ---- what to run -----------------------------------------------------------------------------------------------------

# Two that are no programs of this suite: whole programs in every configuration, and covbuf report.
declare -A scripts=([programs]=$here/programs/run.sh [report]=$here/report.sh)
wanted=() # program, or program:bench,bench...
add_wanted() { # NAME LIST-OF-ITS-BENCHES
	local name=$1 bench pattern matched=
	[ ${#only[@]} -gt 0 ] || { wanted+=("$name"); return; }
	for pattern in "${only[@]}"; do
		# shellcheck disable=SC2053 # a pattern
		if [[ $name == $pattern ]]; then
			wanted+=("$name")
			return
		fi
	done
	while read -r bench _; do
		for pattern in "${only[@]}"; do
			# shellcheck disable=SC2053
			[[ $bench != $pattern ]] || matched+=",$bench"
		done
	done <<< "$2"
	[ -z "$matched" ] || wanted+=("$name:${matched#,}")
}

while read -r name; do
	benches=$("$programs/$name" --list) || die "$programs/$name --list failed"
	[ -z "$list" ] || printf '%s\n  %s\n' "$name" "${benches//$'\n'/$'\n'  }"
	add_wanted "$name" "$benches"
done < "$programs/names"
if [ -z "$carried" ]; then
	for name in programs report; do
		[ -x "${scripts[$name]}" ] || continue
		[ -z "$list" ] || printf '%s\n  %s\n' "$name" "$(sed -n '/^# SPDX/d; /^# [A-Z]/{s/^# //p;q}' "${scripts[$name]}")"
		# minutes each
		if [ -z "$quick" ] || [ ${#only[@]} -gt 0 ]; then
			add_wanted "$name" ""
		fi
	done
fi
[ -z "$list" ] || exit 0
[ ${#wanted[@]} -gt 0 ] || die "there is no '${only[*]}'; see --list"

# ---- the machine -----------------------------------------------------------------------------------------------------

model=$(sed -n 's/^model name[[:space:]]*: //p; s/^cpu[[:space:]]*: \(POWER.*\)/\1/p' /proc/cpuinfo | head -n 1)
model=${model:-$(uname -m)}
machine=$(printf '%s-%scores' "$model" "$(nproc)" | tr -cs 'A-Za-z0-9.\n' '-')
load() { cut -d' ' -f1-3 /proc/loadavg; }
if [ -z "$results" ]; then
	results=$here/results/$machine
	[ -z "$quick" ] && [ ${#only[@]} -eq 0 ] || results=$build/results/$machine
fi
mkdir -p "$results"
results=$(cd "$results" && pwd)
json=$results/results.jsonl
text=$results/table.txt
load_before=$(load)
loaded=
if awk '{ exit !($1 > 0.5) }' <<< "$load_before"; then
	loaded="other work was running (load $load_before): believe minima of one thread only"
	warn "the machine is not idle, its load is $load_before: figures will be too high, and those of several threads wrong"
fi

read -ra before <<< "$with"
[ -z "$with" ] || "${before[@]}" true || die "--with: '$with true' failed"
# libjemalloc is loaded while running and wants static TLS.
export GLIBC_TUNABLES=glibc.rtld.optional_static_tls=65536

escape() { local text=${1//\\/\\\\}; echo "${text//\"/\\\"}"; }
printf '{"machine":"%s","cores":%s,"kernel":"%s","compilers":"%s","commit":"%s","date":"%s","load":"%s","quick":%s}\n' \
	"$(escape "$model")" "$(nproc)" "$(uname -r)" "$(escape "$compilers")" "$commit" "$(date -u +%Y-%m-%d)" \
	"$load_before" "$([ -n "$quick" ] && echo true || echo false)" > "$json"

# ---- running ---------------------------------------------------------------------------------------------------------

options=()
[ -z "$quick" ] || options+=("$quick")
if [ -n "$count" ]; then
	counted=()
	for name in "${wanted[@]}"; do
		[ -n "${scripts[${name%%:*}]:-}" ] || counted+=("${name%%:*}")
	done
	if "$here/count.sh" "$programs" "$results/counts.tsv" "${counted[@]}"; then
		options+=(--counts "$results/counts.tsv")
	else
		warn "instructions are not counted"
	fi
fi

run_one() { # NAME[:BENCH,BENCH...]
	local name=${1%%:*} benches=() bench status=0
	[[ $1 != *:* ]] || for bench in $(tr , ' ' <<< "${1#*:}"); do benches+=(--only "$bench"); done
	if [ -n "${scripts[$name]:-}" ]; then
		"${before[@]}" "${scripts[$name]}" ${quick:+"$quick"} --build "$build" --json "$json" || status=$?
	else
		"${before[@]}" timeout 240 "$programs/$name" "${options[@]}" "${benches[@]}" --json "$json" || status=$?
	fi
	[ $status -eq 0 ] && return
	echo "$name: ended with status $status"
	printf '{"bench":"%s","variant":"all","missing":"ended with status %s"}\n' "$name" $status >> "$json"
}

{
	echo "$model, $(nproc) cores, Linux $(uname -r)"
	echo "$compilers; libcovbuf $commit, $(date -u +%Y-%m-%d)${quick:+, --quick}"
	echo "load when this began: $load_before${loaded:+; $loaded}"
	echo
	for name in "${wanted[@]}"; do
		run_one "$name"
	done
	echo "took $((SECONDS / 60)):$(printf %02d $((SECONDS % 60))), load when this ended: $(load)"
	echo
	if command -v python3 > /dev/null; then
		"$here/summary.py" "$json"
	else
		echo "no summary and no plots: python3 is not there. summary.py and plot.py make them from results.jsonl anywhere"
	fi
} | tee "$text"

if ! command -v python3 > /dev/null; then
	:
elif command -v gnuplot > /dev/null; then
	rm -f "$results"/*.svg
	"$here/plot.py" "$json" "$results"
else
	echo "$me: no plots: gnuplot is not there (Debian: gnuplot-nox)"
fi
echo "$me: results in $results"
