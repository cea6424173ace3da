#!/bin/sh
# Debian packages that only the tests need: the RTSP test camera, Prometheus, systemd-analyze.
set -eu

PACKAGES="gir1.2-gst-rtsp-server-1.0 python3-gi python3-gst-1.0 gstreamer1.0-plugins-base
gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
prometheus systemd"

missing=""
for package in $PACKAGES; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
        missing="$missing $package"
done
[ -n "$missing" ] || exit 0

command="apt-get install --yes --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
    sudo=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo="sudo"
else
    echo "error: the tests need some Debian packages; as root, run: $command" >&2
    exit 1
fi
$sudo apt-get update --quiet=2
DEBIAN_FRONTEND=noninteractive $sudo $command --quiet=2 >/dev/null
