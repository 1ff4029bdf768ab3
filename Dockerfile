# Trains, exports, samples and evaluates in a container; docs/deployment.md tells how.
#
#   docker build -t stylegan-tf:gpu .                  for NVIDIA GPUs (the default target), x86-64
#   docker build -t stylegan-tf:cpu --target cpu .     less than a third of the size
#
# An index of your own, or a proxy, is set in a pip.conf, which does not become part of the image:
#   docker build --secret id=pip.conf,src=$HOME/.config/pip/pip.conf ...

# Any image of Debian or Ubuntu with Python 3.12 or 3.13 and its venv module. A tag may be another image tomorrow; one
# that stays the same is named with its digest: --build-arg PYTHON_IMAGE=python:3.12-slim@sha256:...
ARG PYTHON_IMAGE=python:3.12-slim

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv /opt/venv


# Lock files name every package with its hashes, so pip has nothing to resolve: --no-deps. pip itself stays behind.
FROM packages AS cpu-packages
COPY docker/cpu.lock /tmp/cpu.lock
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /opt/venv/bin/pip install --no-deps --require-hashes --only-binary=:all: -r /tmp/cpu.lock \
    && /opt/venv/bin/pip uninstall --yes pip


FROM packages AS gpu-packages
COPY docker/gpu.lock /tmp/gpu.lock
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /opt/venv/bin/pip install --no-deps --require-hashes --only-binary=:all: -r /tmp/gpu.lock \
    && /opt/venv/bin/pip uninstall --yes pip


# What both targets share, all but packages and source, which change more often.
# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS runtime
LABEL org.opencontainers.image.title="stylegan_tf" \
      org.opencontainers.image.description="StyleGAN and StyleGAN2 for TensorFlow 2 and Keras 3" \
      org.opencontainers.image.licenses="MIT"
# Everyone may write there (as in /tmp), so that --user=UID works with fresh volumes, which take over these rights. The
# links make the default --run_dir, and what the programs propose to type next, end up on the volumes.
RUN useradd --uid 1000 --no-create-home --home-dir /cache --shell /usr/sbin/nologin stylegan \
    && install --directory --mode=1777 --owner=stylegan --group=stylegan /data /runs /exports /cache \
    && install --directory /app \
    && ln -s /runs /app/runs \
    && ln -s /exports /app/exports
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/cache \
    XDG_CACHE_HOME=/cache \
    KERAS_HOME=/cache/keras \
    MPLCONFIGDIR=/cache/matplotlib \
    CUDA_CACHE_PATH=/cache/cuda
WORKDIR /app
VOLUME ["/data", "/runs", "/exports", "/cache"]
USER 1000:1000
ENTRYPOINT ["python", "/app/train.py"]
# The first process of a container ignores SIGTERM until a handler is set, which training does only when it starts.
# Python always handles SIGINT: training saves and ends with exit code 130, the other commands end.
STOPSIGNAL SIGINT
HEALTHCHECK --interval=60s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-I", "/app/docker/healthcheck.py"]


FROM runtime AS cpu
COPY --from=cpu-packages /opt/venv /opt/venv
COPY . /app


FROM runtime AS gpu
COPY --from=gpu-packages /opt/venv /opt/venv
# TensorFlow looks for the CUDA libraries beside itself. These load others, which are looked for on the loader's path.
# XLA looks for ptxas and libdevice in /usr/local/cuda.
USER 0:0
RUN find /opt/venv/lib/python3*/site-packages/nvidia -mindepth 2 -maxdepth 2 -name lib \
        > /etc/ld.so.conf.d/nvidia-packages.conf \
    && ldconfig \
    && ln -s /opt/venv/lib/python3*/site-packages/nvidia/cuda_nvcc /usr/local/cuda
USER 1000:1000
# What the container toolkit mounts from the driver. It also tells the program that a GPU is expected.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PATH=/usr/local/cuda/bin:$PATH
COPY . /app
