if [ "$1" = configure ]; then
@AFTER_INSTALL@
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # Drains first: what has begun ends before the new version starts. Not started where it was not.
    if [ -n "$2" ] && systemctl --quiet is-active "$name.service"; then
      deb-systemd-invoke restart "$name.service" || echo "$name: see systemctl status $name" >&2
    fi
  fi
fi
