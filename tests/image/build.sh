#!/usr/bin/env bash
# Builds the image as a user would, with podman and what this machine has: tests/image/build.sh [NAME]   (localhost/sbc-sim:dev)
# The base is python:3.13-slim when podman's storage has it, else the stand-in of make_base.sh (SBC_SIM_IMAGE_BASE names another).
# Wheels come from where pip of this machine gets them: its settings and its certificates are lent to the build, and stay out of the image.
set -euo pipefail
cd "$(dirname "$0")/../.."
name=${1:-localhost/sbc-sim:dev}
PODMAN=${PODMAN:-podman}

base=${SBC_SIM_IMAGE_BASE:-docker.io/library/python:3.13-slim}
if [ -z "${SBC_SIM_IMAGE_BASE:-}" ] && ! $PODMAN image exists "$base"; then
    base=localhost/sbc-sim-base:3.13
    PODMAN=$PODMAN tests/image/make_base.sh "$base"
fi

lent=$(mktemp -d)
trap 'rm -rf "$lent"' EXIT
# pip's settings as they count here, from every file and variable, in the form of one file; and the folders that they name.
{ echo '[global]'; python3 -m pip config list | sed -n "s/^\(global\|:env:\|install\|download\)\.\{1,2\}\([a-z-]*\)='\(.*\)'$/\2 = \3/p" | awk -F' = ' '!seen[$1]++'; } >"$lent/pip.conf"
volumes=()
for path in $(grep -oE '(file://)?/[^ ]+' "$lent/pip.conf" | sed 's|^file://||; s|/simple/*$||' | sort -u); do
    [ -d "$path" ] || continue
    inside=/run/lent/$((${#volumes[@]} / 2))
    sed -i "s|\(file://\)\{0,1\}$path\b|\1$inside|g" "$lent/pip.conf"
    volumes+=(--volume "$path:$inside:ro")
done
volumes+=(--volume "$lent/pip.conf:/etc/pip.conf:ro")
[ -d /etc/ssl/certs ] && volumes+=(--volume /etc/ssl/certs:/etc/ssl/certs:ro)

version=$(git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//; s/-\([0-9]*\)-g/.post\1+g/' || true)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
$PODMAN build --quiet --isolation chroot --network host --format docker "${volumes[@]}" --build-arg "BASE=$base" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --tag "$name" .
