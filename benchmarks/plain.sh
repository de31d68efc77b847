#!/bin/sh
# Makes what most images hold, in a container of one of ours where /opt/venv is an empty folder: the whole lock, as pip leaves it.
# sh plain.sh install LOCK, or sh plain.sh remove
set -e
if [ "$1" = remove ]; then
    rm -rf /opt/venv/*
    exit
fi
export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt UV_LINK_MODE=copy
headers=$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')
apt-get update -qq
apt-get install -qq --no-install-recommends g++ $(test -e "$headers/Python.h" || echo python3-dev)
python3 -m venv /opt/venv
python3 -m venv /tmp/uv
/tmp/uv/bin/pip install --quiet --no-cache-dir --require-hashes -r requirements/uv.txt
/tmp/uv/bin/uv pip install --quiet --python /opt/venv --no-deps --require-hashes -r "$2"
cp -r /opt/penstock/penstock "$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
find /opt/venv/lib/*/site-packages/penstock -name __pycache__ -exec rm -r {} +
# pip compiles what it installs; some wheels carry files that are no Python
/opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib > /dev/null || true
