# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=dash
# covbuf kernel and covbuf report in the guest: which lines and functions of a module are reported as reached, and what is said
# where something is missing.
here=$PWD
covbuf() { "$here/loader" --library-path "$here/lib" "$here/covbuf.bin" "$@"; }

# Whether the lines with these remarks, and no others, are reached in a tracefile. "never": they are in it, too.
reached() { # TRACEFILE REMARK...
	_file=$1 _bad=
	shift
	while read -r _remark _line; do
		_hits=$(sed -n "s/^DA:$_line,//p" "$_file")
		case " $* " in
		*" $_remark "*) [ "${_hits:-0}" != 0 ] || _bad="$_bad $_remark:$_line:${_hits:-none}" ;;
		*) [ "${_hits:-0}" = 0 ] || _bad="$_bad $_remark:$_line:$_hits" ;;
		esac
		[ "$_remark" != never ] || [ "$_hits" = 0 ] || _bad="$_bad $_remark:$_line:${_hits:-none}"
	done < "$here/remarks"
	[ -z "$_bad" ] && return
	cat "$_file"
	echo "wrong:$_bad"
	return 1
}

# Records, exports, and looks at the lines.
lines() { # NAME "REMARK..." OPTION... COMMAND
	_name=$1 _remarks=$2
	shift 2
	# shellcheck disable=SC2086
	covbuf kernel --module-dir "$here/module" -o "$_name" "$@" && covbuf export --lcov -o "$_name.info" "$_name" &&
		reached "$_name.info" $_remarks
}

says() { # PATTERN COMMAND...: its output has it, and its status is 0
	_pattern=$1
	shift
	if ! _output=$("$@" 2>&1); then
		echo "$_output"
		return 1
	fi
	echo "$_output" | grep -qE -- "$_pattern" && return
	echo "$_output"
	echo "no '$_pattern'"
	return 1
}

ends_with() { # STATUS COMMAND...
	_should=$1 _is=0
	shift
	"$@" || _is=$?
	[ $_is = "$_should" ] && return
	echo "status $_is instead of $_should"
	return 1
}

mkdir -p /tmp/try
cd /tmp/try || exit
# Of the command the main thread is recorded, and nothing that it starts: the shell itself writes.
printf '#!/bin/sh\nprintf "*" > /dev/lines\n' > write.sh
printf '#!/bin/sh\n/bin/sh ./write.sh\n' > child.sh
chmod +x ./*.sh

refuse no-device "load covbuf.ko ('modprobe covbuf'" covbuf kernel true
load_covbuf || exit
expect nothing-reached says "nothing was reached that is instrumented" covbuf kernel -o nothing true

# Lines.
expect init lines init init insmod "$here/module/lines.ko"
expect task lines task task ./write.sh
expect debugfs-device lines debugfs task --device /sys/kernel/debug/kcov ./write.sh
expect remote lines remote "task remote" --common ./write.sh
expect remote-of-child lines remote-child remote --common ./child.sh
expect child-is-not-recorded says "nothing was reached that is instrumented" covbuf kernel -o child ./child.sh
expect comparisons lines comparisons "" --cmp true

# Reports of a recording.
expect function says '^divide +[1-9][0-9]*/[1-9]' covbuf report --functions task
expect function-not-reached says '^never_called +0/[1-9]' covbuf report --functions task
expect file says 'lines\.c +[1-9]' covbuf report task
expect json says '"function":"divide".*"covered":true' covbuf export --json task
expect stat says '[0-9]+ +[0-9]+ +write.sh .* 0$' covbuf stat task
expect stat-remote says '[0-9]+ +0 +remote .* 0$' covbuf stat remote
expect ls says ' task$' covbuf ls task
expect merge covbuf merge -o merged task init
expect merged-exports covbuf export --lcov -o merged.info merged
expect merged-lines reached merged.info task init
expect diff says "^- .*lines.c:[0-9]+ divide" covbuf diff task init
expect comparisons-of-module says '[1-9][0-9]* records of ./write.sh' covbuf kernel --cmp -o cmp ./write.sh
expect comparisons-report says 'lines_write' covbuf report --functions --module-dir "$here/module" cmp

# Statuses, files.
expect status ends_with 7 covbuf kernel -o status sh -c 'exit 7'
# shellcheck disable=SC2016
expect signal ends_with 143 covbuf kernel -o signal sh -c 'kill $$'
expect no-command ends_with 127 covbuf kernel -o no-command ./missing
refuse no-command-said "there is no such program" covbuf kernel -o no-command ./missing
refuse exists "it exists; give another name" covbuf kernel -o task ./write.sh
expect forced covbuf kernel --force -o forced ./write.sh

# A full area, whatever the size of a page: at least that is known, and by covbuf.ko how much is missing at most.
expect full says 'the area for the command is full: at most [1-9][0-9]* records are missing; --size' covbuf kernel --size 512 -o full dd if=/dev/zero of=/dev/lines bs=1 count=3000
expect full-is-reported says '1 area of kernel records is full' covbuf report --module-dir "$here/module" full
expect full-is-counted says 'Lost: full' covbuf stat full

# Where the file of the module is.
expect file-not-known covbuf kernel -o unknown ./write.sh
refuse file-not-known-said "lines.ko: where it was loaded from is not known; its " covbuf report unknown
expect module-dir says '^divide +[1-9]' covbuf report --functions --module-dir "$here" unknown
cp "$here/module/lines.ko" .
expect here covbuf kernel -o here ./write.sh
expect here-is-found says '^divide +[1-9]' covbuf report --functions here
mv lines.ko gone
refuse gone "lines.ko: it is not there any more; its " covbuf report here
cp "$here/other/lines.ko" lines.ko
refuse another-build "lines.ko: it has changed since the recording (build-id " covbuf report here
expect another-build-is-not-taken covbuf kernel -o another ./write.sh
refuse another-build-is-not-known "where it was loaded from is not known" covbuf report another
cp "$here/bare/lines.ko" lines.ko
expect no-debug-information says "lines.ko: it has no debug information" covbuf report here
expect functions-all-the-same says '^divide +[1-9]' covbuf report --functions here
rm lines.ko
cp "$here/lines.ko.xz" .
expect compressed says '^divide +[1-9]' covbuf report --functions --module-dir . unknown
rm lines.ko.xz

# Others who have what we want.
cat > hold.sh << 'END'
#!/bin/sh
touch holding
while [ -e holding ]; do sleep 0.1; done
END
chmod +x hold.sh
covbuf kernel -q -o holder --remote usb:7 ./hold.sh &
for _ in $(seq 300); do
	[ ! -e holding ] || break
	sleep 0.1
done
refuse taken-handle "somebody else has enabled this handle" covbuf kernel -o second --remote usb:7 true
expect another-handle covbuf kernel -o third --remote usb:8,0x0100000000000009 true
rm holding
wait

# Who may not.
mkdir -p /etc
echo 'nobody:x:65534:65534::/:/bin/sh' > /etc/passwd
chmod 1777 /tmp/try
refuse not-root "only root may use it" su -s /bin/sh -c "$here/loader --library-path $here/lib $here/covbuf.bin kernel -o x true" nobody
echo 2 > /proc/sys/kernel/kptr_restrict
refuse hidden-addresses "kernel.kptr_restrict" covbuf kernel -o hidden ./write.sh
echo 0 > /proc/sys/kernel/kptr_restrict

# Afterwards.
expect exit lines exit exit rmmod lines
expect report-after-unload says '^divide +[1-9]' covbuf report --functions task

unload_covbuf && load_covbuf owners=1 || exit
refuse no-owner "load it with a higher 'owners'" covbuf kernel -o two --common true
if mount -t securityfs none /sys/kernel/security 2> /dev/null && echo integrity > /sys/kernel/security/lockdown; then
	refuse locked-down "the kernel is locked down" covbuf kernel --device /sys/kernel/debug/kcov -o locked true
	expect open-under-lockdown covbuf kernel -o unlocked true
else
	skip locked-down "this kernel has no lockdown"
fi
expect at-rest at_rest
unload_covbuf
