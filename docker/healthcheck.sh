#!/bin/bash
# Healthy while JupyterLab answers; a container that runs something else lives as long as that.
set -uo pipefail

runs_lab=
for file in /proc/[0-9]*/cmdline; do
  words=$(tr '\0' ' ' 2>/dev/null <"$file") || continue
  [[ $words == *python*jupyter-lab* || $words == *python*jupyter\ lab* ]] && runs_lab=yes
done
[[ $runs_lab ]] || exit 0

exec 3<>"/dev/tcp/127.0.0.1/${JUPYTER_PORT:-8888}" || exit 1
printf 'GET /api HTTP/1.0\r\n\r\n' >&3
read -r -t 4 answer <&3 && [[ $answer == HTTP/1* ]]
