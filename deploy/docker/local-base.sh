#!/bin/sh
# Makes an image with the name of the Dockerfile's base, node:24-slim, without a registry of images: from Debian's packages and the npm packages node and npm. For
# building the relay's image where only package registries are reached, and for its test (SYNCLINE_IMAGE=1). Needs root, debootstrap, buildah and npm; some
# two minutes and 300 MB.
#
#   sh deploy/docker/local-base.sh [DEBIAN-MIRROR]
set -eu
mirror=${1:-http://deb.debian.org/debian}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

debootstrap --variant=minbase bookworm "$work/root" "$mirror" > "$work/debootstrap.log" 2>&1 || { tail -20 "$work/debootstrap.log" >&2; exit 1; }
rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*

(cd "$work" && npm install --silent --no-audit --no-fund --prefix "$work/tools" node@24 npm@11)
cp "$(readlink -f "$work/tools/node_modules/node/bin/node")" "$work/root/usr/local/bin/node"
mkdir -p "$work/root/usr/local/lib/node_modules"
cp -R "$work/tools/node_modules/npm" "$work/root/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/root/usr/local/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$work/root/usr/local/bin/npx"
chroot "$work/root" groupadd --gid 1000 node
chroot "$work/root" useradd --uid 1000 --gid node --shell /bin/bash --create-home node

container=$(buildah from scratch)
buildah copy --quiet "$container" "$work/root" /
buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --cmd node "$container"
# Where the registries are reached through a proxy with a certificate of its own.
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
  buildah copy --quiet "$container" "$NODE_EXTRA_CA_CERTS" /etc/ssl/extra-ca.crt
  buildah config --env NODE_EXTRA_CA_CERTS=/etc/ssl/extra-ca.crt "$container"
fi
buildah commit --quiet "$container" node:24-slim
buildah rm "$container" > /dev/null
