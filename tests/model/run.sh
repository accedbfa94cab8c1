#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Check every configuration of the SPIN models: the algorithms as they are hold, and each broken variant
# fails. One line per configuration; exit status 1 on any other verdict, 77 where spin is not installed.
# Every search is exhaustive for its bounds: it ends by itself, neither cut by depth nor by memory.
#
#   run.sh [-j jobs] [model]

cd "$(dirname "$0")" || exit 2
jobs=2
[ "$1" = -j ] && { jobs=$2; shift 2; }
only=${1:-}

if ! command -v spin >/dev/null; then
	echo "skipped: spin is not installed (Debian: apt install spin)"
	exit 77
fi
CC=${CC:-cc}
command -v "$CC" >/dev/null || { echo "skipped: no C compiler"; exit 77; }

dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT

# check NUMBER holds|fails MODEL DEFINITIONS: one verdict, on one line
check() {
	local work=$dir/$1 want=$2 model=$3 errors states seconds got=broken opt=-O1
	[ "$2" = fails ] && opt=-O0
	shift 3
	mkdir "$work" && cp "$model.pml" "$work/model.pml" && cd "$work" || exit 2
	if ! spin -a "$@" model.pml >spin.log 2>&1 || ! "$CC" $opt -DSAFETY -DCOLLAPSE -w -o pan pan.c >cc.log 2>&1; then
		echo "UNEXPECTED $model $*: does not compile"
		cat spin.log cc.log 2>/dev/null | head -5
		return
	fi
	seconds=$SECONDS
	(ulimit -v 3000000; timeout 600 ./pan -m200000 -n -w22 >pan.log 2>&1)
	errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log)
	states=$(awk '/states, stored/ { print $1; exit }' pan.log)
	if grep -q 'max search depth too small\|out of memory\|Search not completed' pan.log && [ "$errors" = 0 ]; then
		got=incomplete
	elif [ "$errors" = 0 ]; then
		got=holds
	elif [ "$errors" = 1 ]; then
		got=fails
	fi
	seconds=$((SECONDS - seconds))
	if [ "$got" = "$want" ]; then
		printf 'ok         %-9s %-58s %s, %s states, %s s\n' "$model" "$*" "$got" "${states:-?}" "$seconds"
	else
		printf 'UNEXPECTED %-9s %-58s want %s, got %s\n' "$model" "$*" "$want" "$got"
		tail -3 pan.log
	fi
	rm -f pan pan.c
}

n=0
while read -r want model options; do
	case $want in '' | '#'*) continue ;; esac
	[ -n "$only" ] && [ "$only" != "$model" ] && continue
	n=$((n + 1))
	# shellcheck disable=SC2086
	(check "$n" "$want" "$model" $options) >"$dir/$n.out" &
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
done <<'LIST'
# frames: appends, push, pop, growth. Three levels of handlers unless LEVELS says otherwise.
holds frames
holds frames -DVOID -DOPS1=2
holds frames -DCAP=1
holds frames -DCOLLECTOR
holds frames -DGROW
holds frames -DGROW -DVOID -DOPS0=2 -DOPS1=2
holds frames -DMODES=2 -DOPS1=2
holds frames -DMODES=2 -DGROW -DOPS0=2 -DOPS1=2
holds frames -DMODES=2 -DVOID -DOPS0=1 -DOPS1=2
holds frames -DUNBORN
holds frames -DUNBORN -DATTACH
holds frames -DUNBORN -DATTACH -DMODES=2 -DGROW -DLEVELS=2
holds frames -DUNWIND -DCAP=3
holds frames -DUNWIND -DGROW
holds frames -DLEVELS=4 -DOPS0=1 -DOPS1=2
fails frames -DBROKEN=1
fails frames -DBROKEN=2
fails frames -DBROKEN=3
fails frames -DBROKEN=4 -DCOLLECTOR
fails frames -DBROKEN=5
fails frames -DBROKEN=6
fails frames -DBROKEN=7 -DGROW
fails frames -DBROKEN=8 -DGROW
fails frames -DBROKEN=9 -DGROW
fails frames -DBROKEN=10
fails frames -DBROKEN=11
fails frames -DBROKEN=12 -DMODES=2 -DGROW
fails frames -DBROKEN=13 -DMODES=2
fails frames -DBROKEN=14 -DUNWIND -DCAP=3
fails frames -DBROKEN=15 -DUNWIND
fails frames -DBROKEN=16 -DGROW
fails frames -DBROKEN=17 -DUNBORN -DATTACH
fails frames -DBROKEN=18 -DGROW -DVOID -DMODES=2 -DOPS0=2 -DOPS1=2
# ring: two slots unless N says otherwise, so a few appends are several laps.
holds ring -DRINGS=1
holds ring -DRINGS=1 -DN=3
holds ring -DHELD
holds ring -DHELD -DRINGS=3 -DOPS2=2
holds ring -DFRAME -DOPS1=2 -DOPS2=2
holds ring -DHELD -DFRAME -DRINGS=3 -DOPS0=1 -DOPS1=2 -DOPS2=2
holds ring -DABORT -DRINGS=1
fails ring -DBROKEN=1 -DRINGS=1
fails ring -DBROKEN=2 -DRINGS=1
fails ring -DBROKEN=3 -DRINGS=1
fails ring -DBROKEN=4 -DRINGS=1
fails ring -DBROKEN=5 -DRINGS=1
fails ring -DBROKEN=6 -DRINGS=1
fails ring -DBROKEN=7 -DRINGS=1
fails ring -DBROKEN=8 -DRINGS=1 -DABORT
fails ring -DBROKEN=9 -DHELD
fails ring -DBROKEN=10 -DHELD -DRINGS=3
# handoff: two producers, two rounds each, two areas, one consumer and its successor.
holds handoff
holds handoff -DKILLP
holds handoff -DKILLC
holds handoff -DKILLC -DKILLP
holds handoff -DTWICE
fails handoff -DBROKEN=1 -DTWICE
fails handoff -DBROKEN=2 -DKILLP
fails handoff -DBROKEN=3
fails handoff -DBROKEN=4 -DKILLC
fails handoff -DBROKEN=5
fails handoff -DBROKEN=6 -DKILLC
# merge: the two handshakes, with store buffers.
holds merge -DMERGE
holds merge -DMERGE -DPUSHERS=3
holds merge -DSLEEP
fails merge -DBROKEN=1 -DMERGE
fails merge -DBROKEN=2 -DMERGE
fails merge -DBROKEN=5 -DMERGE
fails merge -DBROKEN=3 -DSLEEP
fails merge -DBROKEN=4 -DSLEEP
# sequence: two sections beside three enables or resets.
holds sequence
fails sequence -DBROKEN=1
fails sequence -DBROKEN=2
fails sequence -DBROKEN=3
fails sequence -DBROKEN=4
LIST
wait

for i in $(seq "$n"); do cat "$dir/$i.out"; done
bad=$(cat "$dir"/*.out | grep -c '^UNEXPECTED')
echo "$n configurations, $bad unexpected, $SECONDS s"
[ "$n" -gt 0 ] && [ "$bad" -eq 0 ]
