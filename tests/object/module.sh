#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# module.sh [--all | COVBUF.KO...]
#
# Whether covbuf.ko's hooks carry no instrumentation and call nothing, as built for 6.12 on x86-64 and on POWER, as far
# as tests/vm has fetched these. Status 77: there is none.
#   --all      for each kernel that is there
#   COVBUF.KO  in these modules, of kernels that watch themselves, for example
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
kernels='6.12 6.12-64k-ppc64el'
case ${1:-} in
--all) kernels='*' && shift ;;
-h | --help) sed -n '3,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
-*) echo "${0##*/}: there is no option '$1'; see --help" >&2; exit 2 ;;
esac
for module; do
	[ -f "$module" ] || { echo "${0##*/}: there is no $module" >&2; exit 2; }
done
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
cd "$cache/kernels" 2> /dev/null || kernels=
for kernel in $kernels; do
	[ -e "$kernel/build" ] || continue
	if "$here/../vm/build-module.sh" "$kernel" "$here/../../adapters/kmod" "$work/$kernel" > "$work/why" 2>&1; then
		hooks "$kernel" "$work/$kernel/covbuf.ko"
	else
		verdict 'not ok' "module/$kernel/built" "$work/why"
	fi
	rm -rf "${work:?}/${kernel:?}"
done
[ $((passed + failed)) -gt 0 ] || { echo "skipped: no kernel is in $cache; tests/vm/run.sh fetches them"; exit 77; }
summary
