#!/bin/sh
# Bakes the machine image of role {{.Role}} out of Debian 12. The recipe's files and the
# program machine are in their places already; what runs here is root's, and may run again.
set -eu
export DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 LC_ALL=C.UTF-8

# No daemon starts while it is installed. Debian's way to say so is an answer of 101.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
trap 'rm -f /usr/sbin/policy-rc.d' EXIT

# People come in through Systems Manager, and a machine is patched by being replaced.
# First, because what Debian's own timers start holds the packages while it runs.
systemctl mask --quiet{{range .Masked}} {{.}}{{end}}
[ ! -d /run/systemd/system ] || systemctl stop apt-daily.timer apt-daily-upgrade.timer # a Debian that is a folder runs none

apt() {
	apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600 -o APT::Install-Recommends=false -o Acquire::Retries=5 \
		-o Dpkg::Options::=--force-confold "$@"
}
apt update
apt upgrade --with-new-pkgs
apt install{{range .Base}} {{.}}{{end}}

# The role's daemons run by our units alone. Those of the packages are disabled too,
# because ours may have the same name, and machine starts them in their order.
units() { ls /lib/systemd/system | grep -E '^[^@]*\.(path|service|socket|timer)$' | sort; }
{{- if .Own}}
units >/run/units.before
apt install{{range .Own}} {{.}}{{end}}
for unit in $(units | comm -13 /run/units.before -); do
	systemctl disable --quiet "$unit"
	systemctl mask --quiet "$unit"
done
rm /run/units.before
{{- end}}
systemctl enable --quiet boot.service chrony.service

id burbn >/dev/null 2>&1 || adduser --system --group --quiet --no-create-home --home /nonexistent burbn

# The authorities that sign the databases' certificates. Amazon adds to them for every
# new region, so none is pinned here but Amazon itself; a file that is there is kept.
if [ ! -s {{.CA}} ]; then
	mkdir -p "$(dirname {{.CA}})"
	curl --fail --silent --show-error --proto =https --retry 5 --retry-all-errors --max-time 60 \
		--output {{.CA}}.new {{.CAFrom}}
	mv {{.CA}}.new {{.CA}}
fi
chmod 644 {{.CA}}

# What belongs to this machine alone. An empty machine-id is made anew at the next
# start; one that is not there would make systemd enable whatever it finds.
apt-get clean
rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_*
cloud-init clean --logs
: >/etc/machine-id
