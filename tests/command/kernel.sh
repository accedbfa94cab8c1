#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# covbuf kernel without a kernel: what it says where it cannot record, and reports of recordings that are made of
# numbers and a made-up /proc and /sys. A real kernel's are in tests/vm/command.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# ---- called wrongly, or where there is nothing to record with
expect "no command" 2 "which command" "$COVBUF" kernel
expect "handles that are none" 2 "'usb' is not a list of handles; write for example" "$COVBUF" kernel --remote usb true
expect "a handle with a wrong bit" 2 "0x0100000100000001 is not a handle: .*bits 32 to 55 zero" "$COVBUF" kernel --remote 0x0100000100000001 true
expect "a common handle" 2 "subsystem 0 is for --common" "$COVBUF" kernel --remote usb:1,5 true
expect "too many handles" 2 "256 handles at most" "$COVBUF" kernel --remote "$(seq -s, -f 'usb:%g' 1 257)" true
expect "too large an area" 2 "from 2 to 16777216 words" "$COVBUF" kernel --size 17M true
expect "a negative time" 2 "'-1' is not a number of milliseconds" "$COVBUF" kernel --linger=-1 true
# shellcheck disable=SC2046
expect "a directory too many" 2 "16 directories at most" "$COVBUF" kernel $(printf -- '--module-dir x %.0s' {1..17}) true
expect "no such device" 1 "missing-device: there is no such device" "$COVBUF" kernel --device missing-device true
expect "no device at all" 1 "/dev/null: it is not a KCOV device" "$COVBUF" kernel --device /dev/null true
expect "no directory for the recording" 1 "x/y: it cannot be made in x: No such file" "$COVBUF" kernel -o x/y true
touch there
expect "a recording that exists" 1 "there: it exists; give another name with -o, or --force" "$COVBUF" kernel -o there true
expect "a recording that is no file" 1 "it is not a file" "$COVBUF" kernel --force -o /dev/null true
if [ ! -e /dev/covbuf ] && [ ! -e /sys/kernel/debug/kcov ]; then
	expect "no device" 1 "there is no KCOV device.*load covbuf.ko|only root may use it" "$COVBUF" kernel -o none true
	one_line kernel
	check "no recording" test ! -e none
fi

# ---- a module, and a kernel in which it is loaded
module() { # NAME FLAGS...: NAME.ko
	local name=$1
	shift
	"$CC" -O0 -g -fno-pic -fcf-protection=none -fsanitize-coverage=trace-pc "$@" -c "$here/kernel_module.c" -o "$name.o" &&
		ld -r --build-id=sha1 -o "$name.ko" "$name.o"
}
sites() { # KO SECTION FUNCTION ADDRESS: what is recorded of the function, if the section is at the address
	local start size
	read -r start size < <(nm -S "$1" | awk -v f="$3" '$4 == f { print $1, $2 }') || return
	readelf -rW "$1" | awk -v s=".rela$2'" '$3 == s || index($0, s) { on = 1; next } /^Relocation/ { on = 0 }
		on && /__sanitizer_cov_trace_pc/ { print $1 }' |
		while read -r at; do
			at=$((16#$at))
			[ $at -lt $((16#$start)) ] || [ $at -ge $((16#$start + 16#$size)) ] || printf '%x\n' $(($4 + at + 4))
		done
}
module demo || { echo "$CC and ld cannot build a relocatable file"; exit 77; }
[ -n "$(sites demo.ko .text reached 0)" ] || { echo "the machine's calls are not known to this test"; exit 77; }
notes() { "${objcopy:-objcopy}" --dump-section .note.gnu.build-id="$2" "$1" scratch; }

text=0xffffffffc0a26000 offset=0x37000000
load() { # ROOT NAME KO TEXT SIZE SECTION=ADDRESS...
	local root=$1 name=$2 section
	mkdir -p "$root/proc/sys/kernel" "$root/sys/module/$name"/{sections,notes}
	echo "$name $5 0 - Live $4 (OE)" >> "$root/proc/modules"
	notes "$3" "$root/sys/module/$name/notes/.note.gnu.build-id"
	shift 5
	for section; do
		echo "${section#*=}" > "$root/sys/module/$name/sections/${section%=*}"
	done
	echo 6.12.0-test > "$root/proc/sys/kernel/osrelease"
}
kaslr() { # ROOT OFFSET
	mkdir -p "$1/sys/kernel/debug/covbuf"
	echo "$2" > "$1/sys/kernel/debug/covbuf/kaslr_offset"
}
load one demo demo.ko $text 32768 .text=$text .exit.text=0xffffffffc0a27000 .data=0xffffffffc0a29000 .init.text=0xffffffffc0b00000
load one other demo.ko 0xffffffffc0a30000 4096 .text=0xffffffffc0a30000
kaslr one 37000000
record() { "$COVBUF_RECORD" "$@"; }
at() { printf '0x%x' $(($1 - offset)); }
{
	sites demo.ko .text reached "$(at $text)"
	sites demo.ko .exit.text leave "$(at 0xffffffffc0a27000)"
} > addresses
mkdir -p deep/er
cp demo.ko deep/er/
mv demo.ko kept.ko
nr=$(wc -l < addresses)
all='^reached +([0-9]+)/\1 +100' # of its points

record one one rec deep < addresses > rows
check "each section of code has a row, minus the offset, up to what follows" diff - rows << END
unknown 0
ffffffff89a26000-ffffffff89a27000 $dir/deep/er/demo.ko(.text) build-id of 20 bytes
ffffffff89a27000-ffffffff89a29000 $dir/deep/er/demo.ko(.exit.text) build-id of 20 bytes
ffffffff89a30000-ffffffff89a31000 other.ko(.text) build-id of 20 bytes
END

# ---- reports
marks() { grep -nE "/\* $1 \*/" "$here/kernel_module.c" | cut -d: -f1; }
lines() { # NAME TRACEFILE WANTED UNWANTED
	local line
	for line in $(marks "($3)"); do grep -qE "^DA:$line,[1-9]" "$2" || not_ok "$1: line $line is not reached"; done
	for line in $(marks "($4)"); do grep -qE "^DA:$line,0" "$2" || not_ok "$1: line $line is reached, or no point"; done
}
expect "a function" 0 "$all" "$COVBUF" report --functions rec
check "one that was not reached" grep -qE "^not_reached +0/[1-9]" out
check "one of another section" grep -qE "^leave +1/1 " out
check "one of initialization" grep -qE "^begin +0/[1-9]" out
"$COVBUF" export --lcov -o rec.info rec
lines "lines" rec.info "reached|leave" "not|begin"
expect "stat" 0 "4242 +4242 +program +ended +$nr +1 +0" "$COVBUF" stat rec
expect "who made it" 0 "$nr records in 1 area," "$COVBUF" stat rec
expect "ls" 0 " rec$" "$COVBUF" ls rec
expect "points" 0 '"function":"reached".*"module":".*/demo.ko".*"covered":true' "$COVBUF" export --json rec
head -1 addresses | record one one first deep > rows
"$COVBUF" merge -o merged rec first && "$COVBUF" merge -o again merged first rec
check "merged" cmp merged again
"$COVBUF" export --lcov -o merged.info merged
check "what is merged is as before" cmp rec.info merged.info
expect "what one has more" 0 "^- .*kernel_module.c:[0-9]+ leave" "$COVBUF" diff --functions rec first

# Comparisons: their addresses are no points, but have lines.
sites kept.ko .text reached "$(at $text)" | while read -r a; do printf '%x\n' $((16#$a + 2)); done > between
record --cmp one one cmp deep < between > out
expect "comparisons" 0 "^reached +0/[1-9]" "$COVBUF" report --functions cmp
"$COVBUF" export --lcov cmp > cmp.info
check "lines of comparisons" grep -qE "^DA:[0-9]+,[1-9]" cmp.info

# Losses.
record --full --lost 77 one one full deep < addresses > out
expect "a full area" 0 "1 area of kernel records is full" "$COVBUF" report full
expect "what is lost" 0 "77 records or sections were lost while recording \(full\)$" "$COVBUF" report full
echo ffffffff80000000 | record one one nowhere deep > out
check "addresses of nowhere are counted" grep -q "^unknown 1$" out
expect "addresses of nowhere" 0 "1 of 1 records are in no module" "$COVBUF" report nowhere

# Which file: of this build and no other, by either spelling of its name, compressed or not.
rm deep/er/demo.ko
expect "gone" 1 "er/demo.ko: it is not there any more; its $nr addresses are left out; give its directory with --module-dir" "$COVBUF" report rec
module demo -DOTHER
cp demo.ko deep/er/
expect "another build" 1 "demo.ko: it has changed since the recording \(build-id [0-9a-f]+, recorded [0-9a-f]+\); its $nr addresses are left out; give the directory of the old one with --module-dir" "$COVBUF" report rec
mkdir -p tree/a/b
cp kept.ko tree/a/b/demo.ko
expect "elsewhere, below" 0 "$all" "$COVBUF" report --functions --module-dir tree rec
expect "elsewhere, as other binaries" 0 "$all" "$COVBUF" report --functions --binaries tree/a/b rec
rm deep/er/demo.ko demo.ko tree/a/b/demo.ko
if command -v xz > /dev/null && command -v zstd > /dev/null; then
	for way in xz "zstd:zst" gzip:gz; do
		${way%:*} -c kept.ko > "demo.ko.${way#*:}"
		expect "compressed, ${way%:*}" 0 "$all" "$COVBUF" report --functions --module-dir . rec
		rm "demo.ko.${way#*:}"
	done
	head -c 1000 kept.ko | zstd -qc > demo.ko.zst
	expect "compressed, cut" 1 "left out" "$COVBUF" report --module-dir . rec
	rm demo.ko.zst
fi
load dashed snd_demo kept.ko $text 32768 .text=$text
kaslr dashed 37000000
cp kept.ko tree/a/snd-demo.ko
sites kept.ko .text reached "$(at $text)" | record dashed dashed rec-dashed tree > rows
check "- is _" grep -q "/tree/a/snd-demo.ko(.text)" rows
record one one rec-name < addresses > rows
expect "no file known to report" 1 "demo.ko: where it was loaded from is not known; its $nr addresses are left out; give its directory with --module-dir" "$COVBUF" report rec-name
head -0 addresses | record dashed dashed rec-empty > out
expect "nothing recorded" 1 "there are no records, and no kernel module that is instrumented" "$COVBUF" report rec-empty
cp kept.ko demo.ko
expect "here by its build-id" 0 "$all" "$COVBUF" report --functions rec-name
mkdir -p dep/lib/modules/6.12.0-test/updates
cp -R one/. dep
echo "updates/demo.ko.xz: kernel/x.ko" > dep/lib/modules/6.12.0-test/modules.dep
rm demo.ko
record dep dep rec-dep < addresses > rows
check "where depmod saw it" grep -q " /lib/modules/6.12.0-test/updates/demo.ko.xz(.text)" rows
cp kept.ko stripped.ko
strip --strip-debug stripped.ko
mkdir bare
mv stripped.ko bare/demo.ko
expect "no debug information" 0 "demo.ko: it has no debug information" "$COVBUF" report --functions --module-dir bare rec
check "its functions all the same" grep -qE "$all" out
objcopy --rename-section .exit.text=.gone.text kept.ko bare/demo.ko
expect "a section that is not there" 0 "bare/demo.ko: it has no .exit.text; 1 addresses are left out" "$COVBUF" report --functions --module-dir bare rec
printf '%x\n' $((text - offset + 0xff0)) | record one one beyond > out
expect "beyond the end of a section" 0 "1 addresses are beyond the end of its .text" "$COVBUF" report --module-dir bare beyond
echo "no module" > bare/demo.ko
expect "no module" 1 "left out" "$COVBUF" report --module-dir bare rec

# Modules that come and go. Where demo had what it needed for its initialization, late is now.
load two demo kept.ko $text 32768 .text=$text .init.text=0xffffffffc0b00000 .exit.text=0xffffffffc0a27000 .strtab=0xffffffffc0c10800
load two late kept.ko 0xffffffffc0c00000 8192 .text=0xffffffffc0c00000 .init.text=0xffffffffc0c10000
kaslr two 37000000
record one two coming < addresses > rows
check "who came and who went" diff <(cut -d' ' -f1,2 rows) - << END
unknown 0
ffffffff89a26000-ffffffff89a27000 demo.ko(.text)
ffffffff89a27000-ffffffff89a29000 demo.ko(.exit.text)
ffffffff89a30000-ffffffff89a31000 other.ko(.text)
ffffffff89c00000-ffffffff89c02000 late.ko(.text)
ffffffff89c10000-ffffffff89c12000 late.ko(.init.text)
END
load three third kept.ko 0xffffffffc0a26800 2048 .text=0xffffffffc0a26800
load three taken kept.ko 0xffffffffc0d00000 8192 .text=0xffffffffc0d00000 .init.text=0xffffffffc0a26900
kaslr three 37000000
record one three replaced < addresses > rows 2> said
check "one at the place of another" grep -q "module third was loaded where demo had been" said
check "neither has it" diff <(cut -d' ' -f1,2 rows) - << END
unknown $((nr - 1))
ffffffff89a27000-ffffffff89a29000 demo.ko(.exit.text)
ffffffff89a30000-ffffffff89a31000 other.ko(.text)
ffffffff89d00000-ffffffff89d02000 taken.ko(.text)
END

# How far the kernel was moved.
cp -R one moved
rm -r moved/sys/kernel
if [[ $("$CC" -dumpmachine) = powerpc64* ]]; then
	expect "POWER's kernels are where they were linked" 0 "ffffffffc0a26000-" record moved moved x < addresses
else
	expect "nothing says how far the kernel was moved" 1 "how far the kernel was moved at boot is told neither" record moved moved x < addresses
	printf 'ffffffffb8000000 T startup_64\nffffffffb8000000 T _stext\nffffffffb8e00000 T _etext\n' > moved/proc/kallsyms
	expect "by kallsyms" 0 "ffffffff89a26000-" record moved moved x < addresses
	check "the kernel itself" grep -q "^ffffffff81000000-ffffffff81e00000 vmlinux(_stext)" out
	printf 'ffffffffb8001000 T _stext\n' > moved/proc/kallsyms
	expect "not by that" 1 "how far the kernel was moved" record moved moved x < addresses
	# An ELF header, one PT_NOTE at 0x78, and the note.
	{
		printf '\x7fELF\2\1\1\0\0\0\0\0\0\0\0\0\4\0\x3e\0\1\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0'
		printf '\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\x38\0\1\0\0\0\0\0\0\0'
		printf '\4\0\0\0\0\0\0\0\x78\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
		printf '\13\0\0\0\0\1\0\0\0\0\0\0VMCOREINFO\0\0OSRELEASE=6.12\nKERNELOFFSET=37000000\nX=1\n'
		head -c 600 /dev/zero
	} > moved/proc/kcore
	expect "by kcore" 0 "ffffffff89a26000-" record moved moved x < addresses
	printf '\377\377\377\377' | dd of=moved/proc/kcore bs=1 seek=32 conv=notrunc status=none
	expect "not by a damaged one" 1 "how far the kernel was moved" record moved moved x < addresses
fi
cp -R one hidden
echo 0x0000000000000000 | tee hidden/sys/module/*/sections/.[a-z]* > /dev/null
sed -i 's/0xf.* /0x0000000000000000 /' hidden/proc/modules
expect "hidden addresses" 1 "the kernel hides its modules' addresses" record hidden hidden x < addresses
printf '\4\0\0\0\377\377\377\377\3\0\0\0GNU\0' > one/sys/module/demo/notes/.note.gnu.build-id
expect "a note without an end" 0 "demo.ko\(.text\) build-id of 0 bytes" record one one x < addresses
printf '\4\0\0\0\24\0\0\0\3\0\0\0GNU\0abcd' > one/sys/module/demo/notes/.note.gnu.build-id
expect "a note that is cut" 0 "demo.ko\(.text\) build-id of 0 bytes" record one one x < addresses

# The kernel itself, where all of it is instrumented.
echo 'int __attribute__((no_sanitize_coverage)) __sanitizer_cov_trace_pc(void) { return 0; } void _start(void) {}' > start.c
"$CC" -O0 -fno-pic -c start.c -o start.o &&
	ld -o tree/vmlinux --build-id=sha1 -Ttext=0xffffffff81000000 --defsym=_stext=0xffffffff81000000 demo.o start.o 2> /dev/null
if [ -e tree/vmlinux ]; then
	mkdir -p whole/sys/kernel
	kaslr whole 37000000
	notes tree/vmlinux whole/sys/kernel/notes
	mkdir whole/proc
	printf 'ffffffffb8000000 T _stext\nffffffffb8100000 T _etext\n' > whole/proc/kallsyms
	objdump -d tree/vmlinux | awk '/<reached>:/ { on = 1 } /^$/ { on = 0 } found { print $1; found = 0 }
		on && /(call|bl) .*trace_pc/ { found = 1 }' | tr -d : | record whole whole kernel tree > rows
	check "a kernel has a row" grep -q "/tree/vmlinux(_stext) build-id of 20 bytes" rows
	expect "a kernel's functions" 0 "$all" "$COVBUF" report --functions kernel
	check "and those not reached" grep -qE "^not_reached +0/[1-9]" out
	mv tree/vmlinux other-vmlinux
	expect "no file of the kernel" 1 "vmlinux: no file of this kernel is known|vmlinux: it is not there" "$COVBUF" report kernel
fi

# POWER's modules have other calls and relocations.
if command -v powerpc64le-linux-gnu-gcc > /dev/null; then
	(powerpc64le-linux-gnu-gcc -O0 -g -fno-pic -fsanitize-coverage=trace-pc -c "$here/kernel_module.c" -o power.o &&
		powerpc64le-linux-gnu-ld -r --build-id=sha1 -o power.ko power.o) || not_ok "POWER: cannot be built"
	objcopy=powerpc64le-linux-gnu-objcopy load power power power.ko $text 32768 .text=$text
	kaslr power 37000000
	powerpc64le-linux-gnu-readelf -rW power.ko | awk '/^Relocation/ { on = /rela.text/ } on && /REL24.*__sanitizer_cov_trace_pc/ { print $1 }' |
		while read -r a; do printf '%x\n' $((text - offset + 16#$a + 4)); done | record power power rec-power . > rows
	expect "POWER" 0 "$all" "$COVBUF" report --functions rec-power
fi

# Bytes changed, and files cut: an error or a report, never a crash. In what was recorded, and in the module.
cp kept.ko demo.ko
size=$(stat -c %s rec)
sparse=${COVBUF_EMULATED:+5}
for at in $(seq 0 $((31 * ${sparse:-1})) 700) $(seq 65536 $((7919 * ${sparse:-1})) $((size - 1))); do
	cp rec bad
	printf '\377\377\377' | dd of=bad bs=1 seek="$at" conv=notrunc status=none
	for command in report stat "merge -o bad.merged"; do
		# shellcheck disable=SC2086
		timeout 120 "$COVBUF" $command bad > out 2>&1
		status=$?
		[ $status -le 1 ] || not_ok "$command, bytes changed at $at: exit status $status"
	done
done
ok "changed bytes"
head -c $((size - 65536)) rec > "cut"
expect "cut" 0 "parts are damaged or cut off" "$COVBUF" report --module-dir . cut
done_testing
