#!/bin/sh
# `passback` as a person types it: the agent that this machine's service runs, unless said otherwise.
: "${PASSBACK_CONFIG=/etc/passback/passback.yaml}"
: "${PASSBACK_HEALTH_SOCKET=/run/passback/control.sock}"
export PASSBACK_CONFIG PASSBACK_HEALTH_SOCKET
exec /usr/lib/passback/passback "$@"
