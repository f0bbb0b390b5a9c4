#!/bin/bash
# What `docker run IMAGE [COMMAND ...]` starts: the command, or JupyterLab without one.
set -euo pipefail

# A user that the image does not know (docker run --user, Kubernetes) has no home of its own.
if [[ ! -w ${HOME:-/} ]]; then
  HOME=$(mktemp -d)
  export HOME
fi
export USER=${USER:-cosim}

if (($#)); then
  exec "$@"
fi
if [[ ! -w . ]]; then
  echo "cosim: user $(id -u) cannot write to $PWD; start as the folder's owner" \
    "(docker run --user \"\$(id -u):\$(id -g)\" ...)" >&2
  exit 2
fi
# Jupyter makes a token of its own and prints it, unless JUPYTER_TOKEN sets one.
exec jupyter lab --no-browser --ip=0.0.0.0 --ServerApp.root_dir="$PWD"
