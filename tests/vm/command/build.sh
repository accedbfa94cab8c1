#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# build.sh KERNEL OUT: the covbuf command with the libraries it needs, the module in some builds, and which of its lines
# are to be reached when.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$COVBUF_VM/lib.sh"
kernel=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)
image=$out/image
mkdir "$image"
need "$(tools_of "$kernel")objcopy" xz

# shellcheck source=../with_command.sh
. "$COVBUF_VM/with_command.sh"
with_command "$kernel" "$out" "$image"
tools=$(tools_of "$kernel")

# As built, without debug information, and another build of the same name.
build() { # OUT [MAKE-ARGUMENT...]
	local to=$1
	shift
	"$COVBUF_VM/build-module.sh" "$kernel" "$here/module" "$out/$to" COVBUF="$top/adapters/kmod" "$@"
}
build module
build other CFLAGS_lines.o=-DOTHER
mkdir "$image"/{module,bare,other}
cp "$out/module/lines.ko" "$image/module"
cp "$out/other/lines.ko" "$image/other"
"${tools}objcopy" --strip-debug "$out/module/lines.ko" "$image/bare/lines.ko"
xz --check=crc32 -k -c "$out/module/lines.ko" > "$image/lines.ko.xz"

# "REMARK LINE"
sed -nE '=; s,.*/\* ([a-z]+) \*/.*,\1,p' "$here/module/lines.c" |
	awk '/^[0-9]+$/ { line = $1; next } /^(never|task|remote|init|exit)$/ { print $1, line }' > "$image/remarks"
[ -s "$image/remarks" ] || die "no line of lines.c has a remark"
