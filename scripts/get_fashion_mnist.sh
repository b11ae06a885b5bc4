#!/usr/bin/env bash
# Fetch Fashion-MNIST (31 MB) from the Debian/Ubuntu package, without root, into data/fashion-mnist or a given folder.
# Usage: bash scripts/get_fashion_mnist.sh [FOLDER]; with a .deb fetched elsewhere: DEB=file.deb bash scripts/...
set -euo pipefail
target=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/../data/fashion-mnist}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
deb=${DEB:+$(realpath "$DEB")}
[ -n "$deb" ] || (cd "$work" && apt-get download dataset-fashion-mnist >&2) || {
    echo "error: apt-get cannot download dataset-fashion-mnist; try apt-get update, or name a package: DEB=file.deb" >&2
    exit 2; }
dpkg-deb -x "${deb:-$(echo "$work"/*.deb)}" "$work/tree"
mkdir -p "$target"
cp "$work"/tree/usr/share/datasets/fashion-mnist/*-ubyte.gz "$target/"
echo "Fashion-MNIST is in $target"
