# After the files are in place, first time or upgrade; `name` is set. To be put into packages.
if ! getent passwd "$name" >/dev/null; then
  useradd --system --user-group --no-create-home --home-dir "/var/lib/$name" \
    --shell /usr/sbin/nologin "$name"
fi
install -d -o "$name" -g "$name" -m 0700 "/var/lib/$name"
if [ -d "/etc/$name" ]; then
  chown "root:$name" "/etc/$name"
  chmod 0750 "/etc/$name"
fi
