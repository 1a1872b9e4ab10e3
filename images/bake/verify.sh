#!/bin/sh
# Looks at a machine that was born of the image of role {{.Role}}, before it has been
# told what to do, and says all that is wrong with it.
set -u
bad=0
wrong() {
	echo "verify: $*" >&2
	bad=1
}

for package in{{range .Base}} {{.}}{{end}}{{range .Own}} {{.}}{{end}}; do
	dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n' "$package" | grep ' installed$' || wrong "$package is not installed"
done

[ "$(id -g burbn 2>/dev/null)" -lt 1000 ] || wrong "there is no system account burbn"
/usr/local/lib/burbn/machine 2>/dev/null
[ $? = 2 ] || wrong "the program machine does not run here"
openssl storeutl -noout -certs {{.CA}} >/dev/null || wrong "{{.CA}} holds no certificates"

systemd-analyze verify --man=no boot.service credentials.service credentials.timer || wrong "a unit is not as systemd wants it"
[ "$(systemctl is-enabled boot.service)" = enabled ] || wrong "boot.service is not enabled"
for unit in{{range .Masked}} {{.}}{{end}}; do
	[ "$(systemctl is-enabled "$unit")" = masked ] || wrong "$unit is not masked"
done
# By the packages that own them, these are all the units of the role's daemons.
for unit in /lib/systemd/system/*nginx*.service /lib/systemd/system/pgbouncer*.service /lib/systemd/system/prometheus*.service /lib/systemd/system/systemd-journal-[ru]*.service; do
	[ ! -e "$unit" ] || case $unit in *@*) ;; *)
		state=$(systemctl is-enabled "$(basename "$unit")")
		[ "$state" = masked ] || wrong "$(basename "$unit") is $state" ;;
	esac
done
for link in /etc/systemd/system/*.wants/nginx* /etc/systemd/system/*.wants/pgbouncer* /etc/systemd/system/*.wants/prometheus*; do
	[ ! -L "$link" ] || wrong "$link would start a daemon at boot"
done

listening=$(ss -Hltn | awk '$4 !~ /^(127\.|\[::1\])/ { print $4 }')
[ -z "$listening" ] || wrong "something listens on $listening"
exit $bad
