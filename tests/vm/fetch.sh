#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# fetch.sh [--update] [KERNEL...]
#
# Downloads Debian's kernels 6.1, 6.1-rt, 6.12 and 6.12-rt, and for POWER 6.1-ppc64el, 6.12-ppc64el and
# 6.12-64k-ppc64el, with their headers, each in the newest version there is, and unpacks them into
# $COVBUF_VM_CACHE (build-vm/ of the tree). Nothing is installed, the machine's apt configuration is read and
# not changed, and no root is needed. Where its sources have no such kernel, Debian's backports are looked
# through too, from the same mirror. What is there already is not fetched again, unless --update asks for
# what is newer. For a kernel that cannot be had, the reason is printed, and kept in
# kernels/KERNEL.missing; the status is then 77.
set -eu
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

update=
case ${1:-} in
--update) update=1; shift ;;
-h | --help) usage ;;
-*) usage 2 >&2 ;;
esac
# shellcheck disable=SC2086
[ $# -gt 0 ] || set -- $stock
for kernel; do
	[[ " $stock " = *" $kernel "* ]] || die "no kernel '$kernel'; there are: $stock"
done
need apt-get apt-cache dpkg-deb flock
mkdir -p "$cache/kernels" "$cache/debs"
exec 9> "$cache/.lock"
flock 9

missing=0 unreachable=
miss() { # KERNEL WHY
	missing=1
	echo "$2" > "$cache/kernels/$1.missing"
	echo "$me: $1: $2" >&2
}

# An apt of our own for each set of sources: "machine" are those of this machine that are of its Debian
# release, "backports" is the archive of that name, and "ppc64el" is what the machine's mirror has for
# ppc64el, backports among it. Security updates are not: that archive's index for ppc64el is at times older
# than its signature, and apt refuses it.
release=$(. /etc/os-release && [ "$ID" = debian ] && echo "${VERSION_CODENAME:-}") || release=
[ -n "$release" ] || die "this is not Debian, or /etc/os-release does not name its release"
declare -A updated=()
apt_conf() { echo "$cache/apt-$1/apt.conf"; }
apt_setup() { # SET
	local dir=$cache/apt-$1 file site suite architectures='"amd64"'
	[ -z "${updated[$1]:-}" ] || return 0
	rm -rf "$dir/parts"
	mkdir -p "$dir/parts" "$dir/lists/partial" "$dir/archives/partial"
	: > "$dir/status"
	[ "$1" != ppc64el ] || architectures='"ppc64el"; "amd64"'
	# -c comes after the machine's own settings: nothing runs after our update, and root stays root in
	# here.
	cat > "$dir/apt.conf" << END
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$dir/parts";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State::lists "$dir/lists";
Dir::State::status "$dir/status";
Dir::Cache "$dir";
APT::Architecture ${architectures%%;*};
APT::Architectures { $architectures; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END
	case $1 in
	machine)
		for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
			if grep -qsE "(^|[[:blank:]])$release(-[a-z]+)*([[:blank:]]|\$)" "$file"; then
				cp "$file" "$dir/parts/"
			fi
		done
		;;
	*)
		apt_setup machine || return 1
		# shellcheck disable=SC2016
		site=$(apt-get indextargets -c "$(apt_conf machine)" --format '$(SITE)' \
			'Created-By: Packages' "Release: $release" 'Component: main' | head -1)
		[ -n "$site" ] || return 1
		for suite in $([ "$1" = backports ] || echo "$release $release-updates") "$release-backports"; do
			echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $suite main"
		done > "$dir/parts/$1.list"
		;;
	esac
	[ -n "$(ls "$dir/parts")" ] || return 1
	# One source of several may fail: what is missing for it will be missed below.
	apt-get -q -c "$dir/apt.conf" update --error-on=any > "$dir/update.log" 2>&1 ||
		unreachable=$(grep -m 1 -E '^(W|E|Err)' "$dir/update.log") || unreachable="apt-get update failed"
	updated[$1]=1
}

# The newest version of which every package of all its flavours is there, these being given.
newest() { # SET SERIES FLAVOUR...
	local set=$1 series=$2 names version flavour common package
	shift 2
	names=$(apt-cache -c "$(apt_conf "$set")" pkgnames linux-)
	while read -r version; do
		for flavour; do
			common=common
			[[ $flavour != rt-* ]] || common="common-rt"
			for package in linux-image-"$version-$flavour" linux-headers-"$version"-{"$flavour",$common}; do
				grep -qxF "$package" <<< "$names" || continue 3
			done
		done
		echo "$version"
		return
	done < <(sed -nE "s/^linux-headers-(${series//./\\.}\.[0-9][^-]*(-[0-9]+)?)-$1\$/\1/p" <<< "$names" | sort -rV)
	return 1
}

# Packages stay until their kernel is complete: an interrupted fetch goes on where it was.
download() { # SET PACKAGE...: prints the files
	local set=$1 package file
	shift
	for package; do
		file=$cache/debs/$package.deb
		if [ ! -e "$file" ]; then
			rm -rf "$cache/debs/partial"
			mkdir "$cache/debs/partial"
			echo "$me: fetching $package" >&2
			(cd "$cache/debs/partial" && apt-get -q -c "$(apt_conf "$set")" download "$package") \
				> "$cache/debs/download.log" 2>&1 || return 1
			mv "$cache/debs/partial/"*.deb "$file"
		fi
		echo "$file"
	done
}

# Only the kernel itself of the image package. Headers name each other by absolute paths.
unpack() { # ROOT VERSION DEB...
	local root=$1 version=$2 deb
	shift 2
	for deb; do
		case $deb in
		*/linux-image-*)
			dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --wildcards './boot/vmlinu?-*' './boot/config-*'
			;;
		*) dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" ;;
		esac || return 1
	done
	sed -i "s,^include /usr/src/,include $root/usr/src/," "$root/usr/src/linux-headers-$version/Makefile"
	ln -s "usr/src/linux-headers-$version" "$root/build"
	ln -s "$(cd "$root" && echo boot/vmlinu?-"$version")" "$root/vmlinuz"
}

# Of the packages that the headers need. What runs in a build is amd64's, for POWER too: Debian builds
# linux-kbuild for all processors. A guest for POWER has its busybox from here, too.
companions() { # SET HEADERS
	apt-cache -c "$(apt_conf "$1")" depends "$2" | sed -nE 's/^ *Depends: (linux-(headers|kbuild|compiler)-.*)/\1/p' |
		if [ "$1" = ppc64el ]; then
			sed '/^linux-kbuild-/s/$/:amd64/'
			echo busybox-static
		else
			cat
		fi
}

get() { # KERNEL
	local kernel=$1 dir=$cache/kernels/$1 sets="machine backports" all="amd64 rt-amd64" flavour series set version files work
	series=${1%%-*}
	flavour=$(flavour_of "$kernel")
	if [ "$(processor "$kernel")" = ppc64el ]; then
		sets=ppc64el all=$flavour
	fi
	for set in $sets; do
		# shellcheck disable=SC2086
		apt_setup "$set" && version=$(newest "$set" "$series" $all) && break
		version=
	done
	if [ -z "$version" ]; then
		if [ -n "$unreachable" ]; then
			miss "$kernel" "package lists cannot be fetched; is the network there? $unreachable"
		else
			miss "$kernel" "neither this machine's package sources nor Debian's backports have a kernel $series"
		fi
		return
	fi
	version=$version-$flavour
	[ -z "$(ls "$dir/boot/"vmlinu?-"$version" 2> /dev/null)" ] || return 0
	set -- "linux-image-$version" "linux-headers-$version"
	while read -r package; do
		set -- "$@" "$package"
	done < <(companions "$set" "linux-headers-$version")
	files=$(download "$set" "$@") ||
		{ miss "$kernel" "apt-get download failed: $(tail -1 "$cache/debs/download.log")"; return; }
	work=$cache/kernels/.$kernel
	rm -rf "$work"
	mkdir "$work"
	# shellcheck disable=SC2086
	(cd "$cache" && unpack "$work" "$version" $files) || { miss "$kernel" "its packages cannot be unpacked"; return; }
	rm -rf "$dir"
	mv "$work" "$dir"
	sed -i "s,^include $work/,include $dir/," "$dir/build/Makefile"
	rm -f "$cache/kernels/$kernel.missing"
	echo "$me: $kernel is Linux $version" >&2
}

for kernel; do
	if [ -n "$update" ] || [ ! -e "$cache/kernels/$kernel/build" ]; then
		get "$kernel"
	fi
done
[ $missing -eq 0 ] || exit 77
rm -rf "$cache/debs"
