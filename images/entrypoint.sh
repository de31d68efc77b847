#!/bin/sh
# Starts what a container of a family is for: the command that it is given, or one of Beam's workers if it is given a worker's options.
case "$1" in
--worker_pool)
    shift
    exec python -m apache_beam.runners.worker.worker_pool_main --service_port=50000 --container_executable="$0" "$@"
    ;;
--*) exec python -m penstock.components.data.beam_worker "$@" ;;
*) exec "$@" ;;
esac
