# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# What the tests of objects have in common: a folder to work in, what a machine needs, verdicts. The reader has set
# here to this folder.
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2034 # for who reads this
machines=()
passed=0 failed=0

# shellcheck disable=SC2154 # here
# Ends the test as skipped where this machine's objects cannot be made.
need_machine() { # MACHINE
	local tool prefix=
	[ "$1" = x86-64 ] || prefix=powerpc64le-linux-gnu-
	for tool in "${prefix}gcc" "${prefix}ld" "${prefix}objdump" readelf clang-19 python3; do
		command -v "$tool" > /dev/null ||
			{ echo "skipped: $tool is missing; scripts/install-deps.sh installs it"; exit 77; }
	done
	if [ "$1" = ppc64le ] && [ -z "${COVBUF_PPC_SYSROOT:-}" ]; then
		COVBUF_PPC_SYSROOT=$("$here/../../scripts/ppc-sysroot.sh" 2> "$work/sysroot.log") ||
			{ echo "skipped: no headers for ppc64el: $(tail -1 "$work/sysroot.log")"; exit 77; }
		export COVBUF_PPC_SYSROOT
	fi
}

# Like build.sh; what cannot be built ends the test.
build() { # OUT MACHINE COMPILER FORM FLAG...
	"$here/build.sh" "$@" 2> "$work/build.log" || { cat "$work/build.log" >&2; exit 1; }
}

verdict() { # ok|'not ok' NAME [WHY-FILE]
	echo "$1 $2"
	if [ "$1" = ok ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		sed "s|$work/||g; s/^/    /" "$3"
	fi
}

# Passes if the command does; what it prints is why it does not.
judge() { # NAME COMMAND...
	local name=$1
	shift
	if "$@" > "$work/why" 2>&1; then
		verdict ok "$name"
	else
		verdict 'not ok' "$name" "$work/why"
	fi
}

summary() {
	echo "$passed passed, $failed failed, 0 skipped"
	[ "$failed" -eq 0 ]
}

# The kinds of instrumentation of a compiler for a machine: lines 'BUILD PATTERN FLAG...'.
kinds() { # MACHINE COMPILER
	awk -v machine="$1" -v compiler="$2" '$1 == compiler && ($2 == "all" || $2 == machine) {
		$1 = $2 = ""; sub(/^ +/, ""); print }' "$here/kinds"
}
