#!/usr/bin/env bash
# Makes a stand-in for python:3.13-slim in podman's storage, for machines that reach no image registry: tests/image/make_base.sh [NAME]
# What comes out has the same shape: Debian 12 "minbase", Python with its prefix in /usr/local and nothing compiled ahead.
# One that is there already is left alone. Needs root, debootstrap, podman and a Debian mirror; takes half a minute once.
#
#   NAME      how the stand-in is called                   (localhost/sbc-sim-base:3.13)
#   PYTHON    an interpreter 3.13 whose whole prefix can be copied (pyenv and the like); Debian's own Python is taken when there is none
#   MIRROR    where Debian's packages come from            (what this machine installs from)
set -euo pipefail
name=${1:-localhost/sbc-sim-base:3.13}
PODMAN=${PODMAN:-podman}

if $PODMAN image exists "$name"; then
    exit 0
fi

# The prefix of a Python 3.13 that lives in a folder of its own; one in /usr belongs to the distribution and cannot be moved.
prefix_of() {
    "$1" -I -c 'import sys; v = sys.version_info[:2] == (3, 13); p = sys.base_prefix; print(p if v and p not in ("/usr", "/") else "")' 2>/dev/null
}
prefix=
for candidate in ${PYTHON:-} "$HOME"/.pyenv/versions/3.13.*/bin/python3.13 python3.13 /usr/local/bin/python3.13; do
    prefix=$(prefix_of "$candidate" || true)
    [ -z "$prefix" ] || break
done

mirror=${MIRROR:-$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb \(\[[^]]*\] \)*\([^ ]*\).*/\2/p' \
    /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1 || true)}
packages=ca-certificates,netbase,tzdata
if [ -n "$prefix" ]; then
    packages+=,libssl3,libffi8,libsqlite3-0,libreadline8,libbz2-1.0,liblzma5,zlib1g,libexpat1,libuuid1,libncursesw6
else
    packages+=,python3,python3-venv
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
echo "making $name: Debian 12 with ${prefix:-its own Python}"
if ! debootstrap --variant=minbase --include="$packages" bookworm "$root" ${mirror:+"$mirror"} >"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    exit 1
fi
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,info}/* "$root"/var/log/*
if [ -n "$prefix" ]; then
    mkdir -p "$root/usr/local"
    tar -C "$prefix" -c --exclude='*/test' --exclude='*/tests' --exclude='__pycache__' --exclude='*.a' --exclude='*/idlelib' \
        --exclude='*/turtledemo' --exclude='lib/python3.13/site-packages/*' bin lib include | tar -C "$root/usr/local" -x --no-same-owner
    rm -f "$root"/usr/local/bin/{pip,idle,pydoc,2to3}* "$root"/usr/local/lib/python3.13/lib-dynload/_test*
    ln -sf python3.13 "$root/usr/local/bin/python3"
    # As the real base: without symbols for a debugger.
    ! command -v strip >/dev/null || find "$root/usr/local" -name '*.so*' -type f -exec strip --strip-unneeded {} + 2>/dev/null || true
    chroot "$root" ldconfig
else
    ln -sf /usr/bin/python3 "$root/usr/local/bin/python3"
fi
ln -sf python3 "$root/usr/local/bin/python"
find "$root" -depth -name __pycache__ -exec rm -rf {} +
tar -C "$root" -c . | $PODMAN import --quiet --change 'CMD ["python3"]' --change 'ENV LANG=C.UTF-8' \
    --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' - "$name"
