#!/bin/sh
# Format, init, validate and test of every module and environment, on a copy: neither .terraform nor a lock file is written here, nor read.
# usage: infra/terraform/test.sh [DIRECTORY...]       such as modules/gke environments/full
# TERRAFORM_MIRROR: a directory of providers, for where the registry is out of reach (terraform init -plugin-dir).
set -eu
cd "$(dirname "$0")"
if ! command -v terraform >/dev/null 2>&1; then
  echo "infra-test: skipped, there is no terraform on this machine (https://developer.hashicorp.com/terraform/install)"
  exit 0
fi
unset TF_CLI_ARGS TF_DATA_DIR TF_WORKSPACE 2>/dev/null || :
export TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1 TF_INPUT=0

terraform fmt -check -recursive -diff .
if command -v python3 >/dev/null 2>&1; then python3 -B diagram.py --check; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
# with what lies beside it: the alerts of infra/monitoring
tar -C .. -cf - --exclude=.terraform --exclude=.terraform.lock.hcl terraform monitoring | tar -xf - -C "$work"
mkdir "$work/.providers"
# Each provider comes from the registry once; there is no lock file for this to disagree with.
export TF_PLUGIN_CACHE_DIR="$work/.providers" TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE=1

[ $# -gt 0 ] || set -- modules/* environments/*
failed=
for directory; do
  directory=${directory%/}
  log=$work/log
  if (
    cd "$work/terraform/$directory" &&
      terraform init -backend=false -no-color ${TERRAFORM_MIRROR:+-plugin-dir="$TERRAFORM_MIRROR"} &&
      terraform validate -no-color &&
      terraform test -no-color
  ) >"$log" 2>&1 && grep -q '^Success! [1-9]' "$log"; then
    echo "$directory: $(sed -n 's/^Success! \([0-9]* passed\).*/\1/p' "$log")"
  else
    cat "$log"
    failed="$failed $directory"
    echo "$directory: FAILED"
  fi
  rm -rf "$work/terraform/$directory/.terraform"
done
[ -z "$failed" ] || { echo "infra-test: failed:$failed"; exit 1; }
