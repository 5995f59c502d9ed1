# Images with the harness and all that it needs. The targets differ in torch: its build for CPUs, or the one with CUDA.
#
#   docker build --target cpu -t ablation-harness:cpu .
#   docker build --target cuda -t ablation-harness:cuda .     the host needs NVIDIA's driver and container toolkit, nothing else
#   docker run --rm --init -u "$(id -u):$(id -g)" -v "$PWD:/work" ablation-harness:cpu run EXPERIMENT.yaml
#
# docs/install.md has more. The tested versions are those of Python 3.11.
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm AS core
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# git: versions of code are compared by it. Its version is not pinned, as Debian removes older ones.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system --add safe.directory '*' \
    && install --directory --mode=1777 /home/harness /work
# Any user may run it (docker run -u): matplotlib and W&B write below HOME.
ENV HOME=/home/harness
WORKDIR /opt/ablation-harness
COPY constraints.txt requirements/core.txt ./
RUN pip install --constraint constraints.txt --requirement core.txt

FROM core AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-deps --wheel-dir /wheels .

FROM core AS cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# An extra index: what torch needs is there in a few versions only. Its torch, 2.13.0+cpu, counts as newer than 2.13.0.
RUN pip install --extra-index-url "${TORCH_INDEX}" --constraint constraints.txt torch torchvision
COPY --from=wheel /wheels /wheels
RUN pip install --no-deps /wheels/*.whl
WORKDIR /work
USER 1000
ENTRYPOINT ["harness"]

FROM core AS cuda
RUN pip install --constraint constraints.txt torch torchvision
COPY --from=wheel /wheels /wheels
RUN pip install --no-deps /wheels/*.whl
WORKDIR /work
USER 1000
ENTRYPOINT ["harness"]
