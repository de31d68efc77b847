#!/bin/sh
# What the test stage of images/Dockerfile does: sh test.sh install|run FAMILY
set -e
cd /checkout
uv=/build/uv/bin/uv
overlay=/build/overlay
case $1 in
install)
    $uv pip install --quiet --python /opt/venv --target $overlay --require-hashes -r requirements/pytest.txt
    if [ "$2" = tf ]; then
        # the flights that the example pipeline's tests read
        $uv run --quiet --no-project --python /opt/venv/bin/python --with-requirements pipelines/flight_delay/requirements.txt \
            pipelines/flight_delay/make_data.py data/flights
    fi
    if [ "$2" = deploy ]; then
        # what a push tells people to type
        apt-get update -qq && apt-get install -qq --no-install-recommends curl > /dev/null
        # the doubles of what it releases to, whose models run on real servers
        $uv pip install --quiet --python /opt/venv --target $overlay --require-hashes -r requirements/doubles.txt
        $uv venv --quiet --python /opt/venv/bin/python /build/serve
        $uv pip install --quiet --python /build/serve --no-deps --require-hashes -r images/serve/requirements.txt
    fi
    ;;
run)
    export PYTHONPATH=/opt/penstock:$overlay TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=0
    serve=/opt/venv/bin/python
    [ ! -e /build/serve ] || serve=/build/serve/bin/python
    export PENSTOCK_TF_PYTHON=$serve PENSTOCK_SERVE_PYTHON=$serve
    files=$(python tests/folders.py "$2" /opt/penstock/penstock/components)
    # shellcheck disable=SC2086 - one word a file
    exec python -m pytest -q -p no:cacheprovider --timeout=900 --rootdir=/checkout --config-file=/checkout/pyproject.toml $files
    ;;
esac
