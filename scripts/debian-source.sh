#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# debian-source.sh DIR PACKAGE...
#
# Fetches Debian source packages and unpacks each as DIR/PACKAGE. The machine's apt configuration is
# read and not changed: from its own package sources this makes a list of the source repositories, in
# DIR, and lets apt fetch and verify with that. Needs no root, but dpkg-dev. What is there already is
# not fetched again, so a second call works without a network.
set -eu
me=${0##*/}
die() { echo "$me: $*" >&2; exit 1; }
[ $# -ge 2 ] || { echo "usage: $me DIR PACKAGE..." >&2; exit 2; }
mkdir -p "$1" || die "cannot make the folder $1"
dir=$(cd "$1" && pwd)
shift

# Callers that run at the same time share what the first one fetches.
exec 9> "$dir/.lock"
flock 9
missing=()
for package; do
	[ -d "$dir/$package" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

for tool in apt-get dpkg-source; do
	command -v "$tool" > /dev/null ||
		die "$tool is missing; this needs Debian with dpkg-dev (scripts/install-deps.sh installs it)"
done
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$release" ] || die "/etc/os-release names no release of Debian"

# Entries of this release with the component main, as deb-src; third parties' repositories are left out.
apt=$dir/.apt
mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"
find "$apt/parts" -type f -delete
nr=0
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
	[ -r "$file" ] || continue
	nr=$((nr + 1))
	case $file in
	*.list)
		awk -v release="$release" '
			$1 == "deb" && $0 ~ " " release "(-updates|-security)? (.* )?main( |$)" {
				sub(/^deb/, "deb-src")
				print
			}' "$file" > "$apt/parts/$nr.list"
		;;
	*.sources)
		grep -v '^#' "$file" | awk -v release="$release" '
			BEGIN { RS = ""; ORS = "\n\n"; FS = "\n" }
			{
				suites = components = off = 0
				for (i = 1; i <= NF; i++) {
					if ($i ~ "^Suites:.* " release "(-updates|-security)?( |$)")
						suites = 1
					if ($i ~ "^Components:.* main( |$)")
						components = 1
					if (tolower($i) ~ "^enabled: *(no|false)")
						off = 1
					if ($i ~ "^Types:")
						$i = "Types: deb-src"
				}
				if (suites && components && !off) {
					for (i = 1; i <= NF; i++)
						printf "%s\n", $i
					printf "\n"
				}
			}' > "$apt/parts/$nr.sources"
		;;
	esac
done
find "$apt/parts" -type f -empty -delete
[ -n "$(ls "$apt/parts")" ] || die "no entry for Debian $release (main) in /etc/apt/sources.list or sources.list.d"

# -c comes after the machine's own settings: nothing runs after our update, and root stays root in DIR.
cat > "$apt/apt.conf" << END
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/parts";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END
try=(apt-get -q -c "$apt/apt.conf")
"${try[@]}" update > "$apt/update.log" 2>&1 || {
	tail -5 "$apt/update.log" >&2
	die "apt-get update failed; is the network there? All of it: $apt/update.log"
}
for package in "${missing[@]}"; do
	work=$dir/.unpack
	rm -rf "$work"
	mkdir "$work"
	(cd "$work" && "${try[@]}" source --download-only "$package" > "$apt/$package.log" 2>&1 &&
		dpkg-source -x ./*.dsc tree >> "$apt/$package.log" 2>&1) || {
		tail -5 "$apt/$package.log" >&2
		die "cannot fetch or unpack the source of $package; all of it: $apt/$package.log"
	}
	mv "$work/tree" "$dir/$package"
	rm -rf "$work"
done
