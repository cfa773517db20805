# Keys, journal, database, configuration, account: nothing is left; `name` is set.
rm -rf "/var/lib/$name" "/etc/$name" "/etc/systemd/system/$name.service.d"
if getent passwd "$name" >/dev/null; then userdel "$name"; fi
if getent group "$name" >/dev/null; then groupdel "$name"; fi
