#!/bin/bash
# Build the image with whichever builder is here: docker, podman or buildah.
#   IMAGE=cosim          its name
#   TORCH_INDEX=ADDRESS  index of PyTorch's CPU wheels, unless pip's configuration knows a place
#   BUILD_FLAGS="..."    further flags of the builder
set -euo pipefail
cd "$(dirname "$0")/.."

arguments=(--tag "${IMAGE:-cosim}" --file docker/Dockerfile)
arguments+=(--build-arg "VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)")
arguments+=(--build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)")
arguments+=(--build-arg "CREATED=$(date --utc +%Y-%m-%dT%H:%M:%SZ)")
arguments+=(--build-arg "TORCH_INDEX=${TORCH_INDEX:-}")
read -r -a flags <<<"${BUILD_FLAGS:-}"
arguments+=(${flags[@]+"${flags[@]}"})

# The client of docker may be there without its daemon.
if docker info >/dev/null 2>&1; then
  exec env DOCKER_BUILDKIT=1 docker build "${arguments[@]}" .
elif command -v podman >/dev/null; then
  exec podman build --format docker "${arguments[@]}" . # the OCI format has no HEALTHCHECK
elif command -v buildah >/dev/null; then
  exec buildah build --format docker --layers "${arguments[@]}" .
fi
echo "make image: no running docker, no podman, no buildah; install one (Debian: apt install buildah)" >&2
exit 1
