# Three images: docker build --target ingest, --target scorer or --target sinks.
# The tag is exact, but a tag can be moved: where the registry can be reached, add the digest.
FROM python:3.11.15-slim-bookworm AS base


FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# Without pip, because this environment is copied whole into the images.
RUN python -m venv --without-pip /opt/flawline
COPY constraints.txt ./

FROM build AS build-ingest
COPY . .
RUN pip --python /opt/flawline/bin/python install --constraint constraints.txt ".[ingest]"

FROM build AS build-scorer
# A layer of its own, because it is large and changes only with constraints.txt. The wheel that
# PyPI has for Linux is the CUDA build.
RUN pip --python /opt/flawline/bin/python install --constraint constraints.txt torch torchvision
COPY . .
RUN pip --python /opt/flawline/bin/python install --constraint constraints.txt ".[scorer]"

FROM build AS build-sinks
COPY . .
RUN pip --python /opt/flawline/bin/python install --constraint constraints.txt ".[sinks]"


FROM base AS runtime
# A new volume takes the owner of the folder it is mounted on, hence the folders.
RUN python -m pip uninstall --yes --quiet pip setuptools wheel \
    && groupadd --gid 10001 flawline \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin flawline \
    && install --directory --owner=flawline --group=flawline \
        /data /data/epochs /data/memories /models \
    && install --directory --owner=flawline --group=flawline --mode=0700 \
        /data/run /keys /camera-keys
# PYTHONSAFEPATH: modules come from the environment, never from the working directory.
ENV PATH=/opt/flawline/bin:$PATH \
    HOME=/tmp \
    HF_HOME=/models \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
WORKDIR /


# Which camera is said at the start: --camera NAME. Its health is flawline_camera_up at the sinks.
FROM runtime AS ingest
COPY --from=build-ingest /opt/flawline /opt/flawline
USER 10001:10001
ENTRYPOINT ["python", "-m", "ingest"]
CMD ["/etc/flawline/station.yaml"]

# Healthy when its main loop answers on the control channel.
FROM runtime AS scorer
COPY --from=build-scorer /opt/flawline /opt/flawline
USER 10001:10001
HEALTHCHECK --interval=15s --timeout=10s --start-period=180s --retries=3 \
    CMD ["python", "-c", "from pathlib import Path; from contract.config_file import load_config; from contract.control import ask; from contract.messages import RequestMessage; ask(load_config(Path('/etc/flawline/station.yaml')), RequestMessage(command='status'))"]
ENTRYPOINT ["python", "-m", "scorer"]
CMD ["/etc/flawline/station.yaml"]

FROM runtime AS sinks
COPY --from=build-sinks /opt/flawline /opt/flawline
USER 10001:10001
EXPOSE 9464
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9464/metrics', timeout=3).read()"]
ENTRYPOINT ["python", "-m", "sinks"]
CMD ["/etc/flawline/station.yaml"]
