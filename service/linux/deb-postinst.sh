if [ "$1" = configure ]; then
  # No conffile: everybody edits it, and each time that the example changed dpkg would ask what to do.
  for file in @CONFIGURATION@; do
    if [ ! -e "$file" ] && [ ! -L "$file" ]; then
      mkdir -p "$(dirname "$file")"
      install -m 0644 "/usr/lib/$name/$name.example.yaml" "$file.dpkg-new"
      mv "$file.dpkg-new" "$file"
    fi
  done
@AFTER_INSTALL@
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # Drains first: what has begun ends before the new version starts. Not started where it was not.
    if [ -n "$2" ] && systemctl --quiet is-active "$name.service"; then
      deb-systemd-invoke restart "$name.service" || echo "$name: see systemctl status $name" >&2
    fi
  fi
fi
