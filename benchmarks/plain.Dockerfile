# What most write: the same base, Python and lock, everything as the installer leaves it. With ours as the base, for the base and the wheel in it.
ARG OURS
FROM ${OURS} AS uv
USER 0:0
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt UV_LINK_MODE=copy
COPY requirements/uv.txt /build/
RUN base=$(python -c 'import sys; print(sys._base_executable)') \
    && headers=$($base -c 'import sysconfig; print(sysconfig.get_path("include"))') \
    && apt-get update -qq \
    && apt-get install -qq --no-install-recommends g++ $(test -e $headers/Python.h || echo python3-dev) \
    && rm -rf /opt/venv \
    && $base -m venv /opt/venv \
    && $base -m venv /build/uv \
    && /build/uv/bin/pip install --quiet --no-cache-dir --require-hashes -r /build/uv.txt
ARG FAMILY
COPY images/${FAMILY}/requirements.txt /build/
RUN --mount=type=cache,target=/root/.cache/uv \
    /build/uv/bin/uv pip install --quiet --python /opt/venv --no-deps --require-hashes -r /build/requirements.txt \
    && find /opt/penstock -name __pycache__ -exec rm -r {} + \
    && echo /opt/penstock > "$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/penstock.pth"
USER 65532:65532

# As pip leaves it: it compiles what it installs, and Python looks at each source file's time.
FROM uv AS pip
USER 0:0
RUN python -m compileall -q -j 0 /opt/venv/lib /opt/penstock > /dev/null || true
USER 65532:65532
