#!/bin/sh
# `make images`: builds and tests the images; skipped where no container engine answers. Arguments go to `penstock images build`.
# Where Docker Hub cannot be reached, the base is made of Debian's packages (needs mmdebstrap, and root or a user namespace).
set -e
cd "$(dirname "$0")/.."
base=docker.io/library/python:3.12-slim-trixie
stand_in=localhost/penstock-base:trixie
bundle=/etc/ssl/certs/ca-certificates.crt
reason=$(.venv/bin/penstock images list 2>&1 > /dev/null) || { echo "images: skipped: $reason"; exit 0; }
engine=${PENSTOCK_CONTAINER_ENGINE:-$(docker info > /dev/null 2>&1 && echo docker || echo podman)}
if ! "$engine" image inspect $stand_in > /dev/null 2>&1 && ! "$engine" pull --quiet $base; then
    command -v mmdebstrap > /dev/null || { echo "images: skipped: $base cannot be pulled, and mmdebstrap, which would make a stand-in, is not installed"; exit 0; }
    echo "making $stand_in of Debian's packages"
    archive=$(mktemp --suffix=.tar)
    trap 'rm -f "$archive"' EXIT
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates trixie "$archive"
    "$engine" import "$archive" $stand_in
fi
if "$engine" image inspect $stand_in > /dev/null 2>&1; then
    options="--build-arg BASE=$stand_in --build-arg 'BUILD_PACKAGES=g++ python3-dev' --network host"
    # this machine's certificates, for a proxy that signs with its own; only Podman's build has volumes
    [ "$engine" = docker ] || options="$options --volume $bundle:$bundle:ro"
    export PENSTOCK_IMAGE_BUILD_OPTIONS="$options $PENSTOCK_IMAGE_BUILD_OPTIONS"
fi
.venv/bin/penstock images build --test "$@"
