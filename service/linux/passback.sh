#!/bin/sh
# `passback` as a person types it: the agent that this machine's service runs, unless said otherwise.
: "${PASSBACK_CONFIG=/etc/passback/passback.yaml}"
export PASSBACK_CONFIG
# That folder is there while the service runs only: an agent that is run by hand has its socket where
# the configuration says, and could not listen here.
if [ -d /run/passback ]; then
  : "${PASSBACK_HEALTH_SOCKET=/run/passback/control.sock}"
  export PASSBACK_HEALTH_SOCKET
fi
# The file may be there for systemd only, or encrypted: then the copy that the service was given, or
# this process itself (systemd-run).
if [ -z "${PASSBACK_DIRECTORY_BIND_PASSWORD_FILE+set}" ] && [ ! -r /etc/passback/bind-password ]; then
  for folder in "${CREDENTIALS_DIRECTORY:-}" /run/credentials/passback.service; do
    [ -r "$folder/bind-password" ] || continue
    export PASSBACK_DIRECTORY_BIND_PASSWORD_FILE="$folder/bind-password"
    break
  done
fi
exec /usr/lib/passback/passback "$@"
