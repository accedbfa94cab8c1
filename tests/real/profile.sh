# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# For the tests that hold profiles in shared memory against compiler-rt's. The same objects are linked once with
# compiler-rt (ref/PROGRAM) and once with the adapter (own/PROGRAM), and run on the same input: what LLVM's tools,
# those of each version that is there, say of the two profiles must be the same bytes.
. "${0%/*}/common.sh"
need ps
unset LLVM_PROFILE_FILE COVBUF_PROFILE COVBUF_PROFILE_FORM

lacks() { # VERSION: prints what is missing for it
	local tool runtime
	for tool in clang llvm-profdata llvm-cov; do
		command -v "$tool-$1" > /dev/null || { echo "$tool-$1 is missing"; return; }
	done
	runtime=$("clang-$1" --rtlib=compiler-rt -print-libgcc-file-name)
	compgen -G "${runtime%/*}/libclang_rt.profile*.a" > /dev/null || echo "libclang-rt-$1-dev is missing"
	[ -f "$COVBUF_BUILD/adapters/llvmprof/$1/covbuf.lds" ] || echo "this build has no runtime for clang-$1"
}
versions=()
for version in 19 22; do
	why=$(lacks $version)
	if [ -n "$why" ]; then
		echo "clang $version is not tried: $why"
	else
		versions+=("$version")
	fi
done
[ ${#versions[@]} -gt 0 ] || skip "no clang can be tried; scripts/install-deps.sh installs one"
profile_flags=(-fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc)

adapter() { # VERSION: sets link, what a program of that compiler is linked with
	link=("-Wl,-T,$COVBUF_BUILD/adapters/llvmprof/$1/covbuf.lds")
}

link_both() { # VERSION PROGRAM OBJECT... LIBRARY...: ref/PROGRAM and own/PROGRAM
	local version=$1 program=$2 link
	shift 2
	mkdir -p ref own
	adapter "$version"
	logged ends.log "clang-$version" -O1 -c "$here/profile_ends.c" -o ends.o
	logged ref.log "clang-$version" -fprofile-instr-generate "$@" ends.o -o "ref/$program"
	logged own.log "clang-$version" "$@" ends.o "${link[@]}" -o "own/$program"
}

# What there is to be compared of a profile: PREFIX.VERSION.{text,counts,report,show,lcov}
views() { # PREFIX PROGRAM RAW...
	local prefix=$1 program=$2 to version
	shift 2
	for version in "${versions[@]}"; do
		to=$prefix.$version
		"llvm-profdata-$version" merge "$@" -o "$to.profdata"
		"llvm-profdata-$version" merge --text "$@" -o "$to.text"
		"llvm-profdata-$version" show --all-functions --counts "$to.profdata" > "$to.counts"
		"llvm-cov-$version" report --show-mcdc-summary "$program" -instr-profile="$to.profdata" > "$to.report"
		"llvm-cov-$version" show --show-branches=count --show-mcdc "$program" -instr-profile="$to.profdata" > "$to.show"
		"llvm-cov-$version" export -format=lcov "$program" -instr-profile="$to.profdata" > "$to.lcov"
	done
}

same_views() { # PREFIX PREFIX WHAT
	local version view
	for version in "${versions[@]}"; do
		for view in text counts report show lcov; do
			[ -s "$1.$version.$view" ] || fail "$3: tools $version wrote no $view"
			cmp "$1.$version.$view" "$2.$version.$view" || {
				diff "$1.$version.$view" "$2.$version.$view" | head -20 || true
				fail "$3: $view of tools $version is not what it is with compiler-rt"
			}
		done
	done
	echo "$3: $(awk '/^TOTAL/ { printf "functions %s of %s, branches missed %s of %s, MC/DC missed %s of %s", \
		$5 - $6, $5, $12, $11, $15, $14 }' "$1.${versions[0]}.report"); the same"
}

# The same program with the same counts gives the same indexed profile.
same_profile() { # PREFIX RAW WHAT
	local version
	for version in "${versions[@]}"; do
		"llvm-profdata-$version" merge "$2" -o "$run/profdata"
		cmp "$1.$version.profdata" "$run/profdata" || fail "$3: tools $version read other counts than at exit"
	done
	echo "$3: the same"
}

# A whole profile is one file; more are a mistake here.
only() { # GLOB: prints the file
	local found
	mapfile -t found < <(compgen -G "$1")
	[ ${#found[@]} -eq 1 ] || fail "not one file is $1, but ${#found[@]}: ${found[*]}"
	echo "${found[0]}"
}

await_stop() { # PID
	local i state
	for ((i = 0; i < 1200; i++)); do
		state=$(ps -o state= -p "$1") || fail "the program ended before it stopped"
		[[ $state != T* ]] || return 0
		sleep 0.05
	done
	fail "the program did not stop within a minute"
}

# What is in $pid, stopped or not, does not outlive the test.
trap 'kill -9 "${pid:-}" 2> /dev/null || true; rm -rf "$run"' EXIT
end() { # CHILD: kills $pid; of this shell, that or the one that started it
	kill -9 "$pid"
	wait "$1" 2> /dev/null || true
	pid=
}
