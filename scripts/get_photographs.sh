#!/usr/bin/env bash
# Fetch the 13 photographs that the benchmarks use (Debian's lomiri-wallpapers-16.04, 16 MB; CC BY 4.0, CC BY-SA 4.0 and
# CC0, see the file "copyright" next to them) into data/photographs or a folder, without root.
# Usage: bash scripts/get_photographs.sh [FOLDER]; with a .deb fetched elsewhere: DEB=file.deb bash scripts/...
set -euo pipefail
target=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/../data/photographs}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
deb=${DEB:+$(realpath "$DEB")}
[ -n "$deb" ] || (cd "$work" && apt-get download lomiri-wallpapers-16.04 >&2) || {
    echo "error: apt-get cannot download lomiri-wallpapers-16.04; try apt-get update, or DEB=file.deb" >&2; exit 2; }
dpkg-deb -x "${deb:-$(echo "$work"/*.deb)}" "$work/tree"
mkdir -p "$target"
rm -f "$work"/tree/usr/share/backgrounds/{analogpattern,umang}_*  # patterns, not photographs
cp "$work"/tree/usr/share/backgrounds/*.jpg "$work"/tree/usr/share/doc/lomiri-wallpapers-16.04/copyright "$target/"
echo "$(ls "$target"/*.jpg | wc -l) photographs are in $target; their licences in $target/copyright"
