#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# module.sh [COVBUF.KO...]
#
# Whether covbuf.ko's hooks carry no instrumentation and call nothing, as built for each kernel of tests/vm that is
# there already; with arguments, in these modules, of kernels that watch themselves, for example. Status 77: there is no
# kernel.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
case ${1:-} in
-h | --help) sed -n '3,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
need_machine x86-64

hooks() { # NAME COVBUF.KO
	judge "module/$1/hooks" "$here/check_noinstr.py" "$here/module.rules" "$2"
}

if [ $# -gt 0 ]; then
	for module; do
		hooks "$module" "$module"
	done
	summary
	exit
fi
cache=${COVBUF_VM_CACHE:-$here/../../build-vm}
for kernel in "$cache"/kernels/*/build; do
	[ -e "$kernel" ] || continue
	kernel=$(basename "$(dirname "$kernel")")
	if "$here/../vm/build-module.sh" "$kernel" "$here/../../adapters/kmod" "$work/$kernel" > "$work/why" 2>&1; then
		hooks "$kernel" "$work/$kernel/covbuf.ko"
	else
		verdict 'not ok' "module/$kernel/built" "$work/why"
	fi
	rm -rf "${work:?}/$kernel"
done
[ $((passed + failed)) -gt 0 ] || { echo "skipped: no kernel is in $cache; tests/vm/run.sh fetches them"; exit 77; }
summary
