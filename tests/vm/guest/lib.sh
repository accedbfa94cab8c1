# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The functions that a guest.sh may use; README.md describes them.
# shellcheck shell=dash

stats=/sys/kernel/debug/covbuf/stats

ok() { echo "ok $1"; }
not_ok() { echo "not ok $1: $2"; }
skip() { echo "skip $1: $2"; }

expect() { # NAME COMMAND...
	_name=$1
	shift
	if _said=$("$@" 2>&1); then
		ok "$_name"
	else
		_status=$?
		echo "$_said"
		not_ok "$_name" "$* ended with status $_status: $(echo "$_said" | tail -n 1)"
		return 1
	fi
}

refuse() { # NAME TEXT COMMAND...
	_name=$1 _text=$2
	shift 2
	echo "vm: refuse $_name" > /dev/kmsg
	if _said=$("$@" 2>&1); then
		not_ok "$_name" "$* succeeded"
		return 1
	fi
	_said="$_said
$(dmesg | sed -n "\\,vm: refuse $_name,,\$p" | tail -n +2)"
	if echo "$_said" | grep -qF -- "$_text"; then
		ok "$_name"
	else
		echo "$_said"
		not_ok "$_name" "$* failed, but did not say '$_text'"
		return 1
	fi
}

# For check.sh, on the host.
send() { # NAME FILE
	echo "#file $1"
	gzip -c "$2" | base64
	echo "#end"
}

load_covbuf() { insmod /modules/covbuf.ko "$@"; }
unload_covbuf() { rmmod covbuf; }
stat() { sed -n "s/^$1 //p" "$stats"; }

at_rest() {
	[ -r "$stats" ] || { echo "there is no $stats"; return 1; }
	for _ in $(seq 40); do
		_busy=$(awk '
			{ value[$1] = $2 }
			END {
				if (value["areas_free"] != value["areas"])
					printf "%d of %d areas are free; ", value["areas_free"], value["areas"]
				split("areas_held areas_queued owners owners_enabled collecting", zero)
				for (i = 1; i in zero; i++)
					if (value[zero[i]] != "0")
						printf "%s is %s; ", zero[i], value[zero[i]]
			}' "$stats")
		[ -n "$_busy" ] || return 0
		sleep 0.5
	done
	echo "${_busy%; }"
	return 1
}
