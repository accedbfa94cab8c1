#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# install-deps.sh [--list] [build] [test] [real] [bench]
#
# Installs the Debian 12 packages that libcovbuf needs: to be built, to be tested, to record the real
# programs that its tests and scripts/quickstart.sh build. Without a group: these three. bench: what
# bench/run.sh measures libcovbuf beside, and draws and counts with. Only what is missing is asked for;
# where nothing is, neither root nor a network is needed. --list prints the names and installs nothing.
set -eu
me=${0##*/}
die() { echo "$me: $*" >&2; exit 1; }

build=(
	gcc g++ make cmake ninja-build pkg-config libc6-dev binutils
	liburcu-dev libjemalloc-dev
	libdw-dev libelf-dev libncurses-dev libzstd-dev
	clang-19 llvm-19 lld-19 # adapters as bitcode, for LTO
	libclang-rt-19-dev      # clang asks for it when it links its own coverage, though nothing is taken from it
	lcov                    # genhtml, for covbuf report --html
)
test=(
	libcriterion-dev
	spin mandoc python3 procps patch zstd
	qemu-system-x86 busybox-static cpio gcc-12 # covbuf.ko in virtual machines
	bc bison flex                              # kernels with KCOV, and with debugging
	relacy-dev frama-c-base                    # models, proofs
	gcc-powerpc64le-linux-gnu g++-powerpc64le-linux-gnu libc6-dev-ppc64el-cross qemu-user qemu-system-ppc # POWER
	llvm-19-dev # a pass plugin for profiles
	mold llvm-19-linker-tools # other linkers, and LTO with ld.bfd
)
# Debian brings these by its security updates; a mirror without them is no error, and their tests are skipped.
optional=(clang-22 llvm-22 llvm-22-dev lld-22 libclang-rt-22-dev llvm-22-linker-tools) # profiles of a newer LLVM, with group test
real=(
	dpkg-dev xz-utils # source packages
	libevent-dev tcl  # memcached and sqlite3 are built with these
)
bench=(
	gnuplot-nox valgrind python3
	libck-dev libdpdk-dev libmimalloc-dev
	liblttng-ust-dev lttng-tools afl++ libclang-rt-19-dev
	clang-14 lld-19 llvm-19 dpkg-dev tcl # whole programs in every configuration
)

list=
groups=()
for argument; do
	case $argument in
	--list) list=1 ;;
	build | test | real | bench) groups+=("$argument") ;;
	-h | --help) sed -n '3,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) echo "usage: $me [--list] [build] [test] [real] [bench]" >&2; exit 2 ;;
	esac
done
[ ${#groups[@]} -gt 0 ] || groups=(build test real)
wanted=()
for group in "${groups[@]}"; do
	declare -n members=$group
	wanted+=("${members[@]}")
	[ "$group" != test ] || wanted+=("${optional[@]}")
done
if [ -n "$list" ]; then
	printf '%s\n' "${wanted[@]}"
	exit 0
fi

command -v dpkg-query > /dev/null ||
	die "this is not Debian: there is no dpkg. Install what '$me --list' prints, by its names in your system"
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" 2> /dev/null |
	sed -n 's/ installed$//p') || true
missing=() needed=
for package in "${wanted[@]}"; do
	grep -qxF "$package" <<< "$installed" && continue
	missing+=("$package")
	[[ " ${optional[*]} " == *" $package "* ]] || needed=1
done
if [ ${#missing[@]} -eq 0 ]; then
	echo "$me: all ${#wanted[@]} packages are there"
	exit 0
fi
echo "$me: missing: ${missing[*]}"
if [ -z "$needed" ]; then
	die() { echo "$me: skipped, with what needs it: ${missing[*]} ($*)" >&2; exit 0; }
fi
command -v apt-get > /dev/null || die "there is no apt-get here; install the above in your system's way"
(. /etc/os-release && [ "${VERSION_CODENAME:-}" = bookworm ]) ||
	echo "$me: made for Debian 12 (bookworm); other releases may not have all of these" >&2

apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o Acquire::Retries=3)
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo > /dev/null || die "not root, and there is no sudo; as root: apt-get install ${missing[*]}"
	apt=(sudo "${apt[@]}")
fi
"${apt[@]}" update ||
	die "apt-get update failed; is the network there? Then: apt-get install ${missing[*]}"
asked=()
for package in "${missing[@]}"; do
	if [[ " ${optional[*]} " == *" $package "* ]] && ! apt-cache show "$package" > /dev/null 2>&1; then
		echo "$me: $package is not to be had here; what needs it is skipped" >&2
	else
		asked+=("$package")
	fi
done
[ ${#asked[@]} -gt 0 ] || exit 0
missing=("${asked[@]}")
"${apt[@]}" -y --no-install-recommends install "${missing[@]}" ||
	die "apt-get install failed; see above. By hand: apt-get install ${missing[*]}"
