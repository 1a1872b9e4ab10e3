#!/bin/sh
# Starts nginx. A master that was killed outright leaves its workers behind, and
# they hold the address. systemd ends them by their cgroup; where there is none,
# they are the process group whose leader is gone.
set -eu

master=$(cat {{path "/run/nginx/nginx.pid"}} 2>/dev/null || :)
if [ -n "$master" ] && [ ! -e "/proc/$master" ]; then
	kill -KILL -- "-$master" 2>/dev/null || :
fi

exec /usr/sbin/nginx -e stderr -c {{path "/etc/nginx/nginx.conf"}}
