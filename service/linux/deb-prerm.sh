# An upgrade leaves the old version running until the new files are all there.
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl --quiet disable "$name.service" || true
  deb-systemd-invoke stop "$name.service"
fi
