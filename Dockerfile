# The API, the relay and the migrate job: one image, three commands.
#   docker build -t paycore .
# Behind package indexes of your own, hand over pip's and npm's configuration; neither ends up in the image:
#   docker build --secret id=pip,src=$HOME/.config/pip/pip.conf --secret id=npm,src=$HOME/.npmrc -t paycore .
# Needs BuildKit, which is Docker's default. tests/processes/test_image_steps.py runs the very commands of the two
# build stages, on what .dockerignore lets through.
ARG PYTHON_IMAGE=python:3.14.7-slim-trixie
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

# What the browser gets is the same for every processor, so it is built on the builder's own.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS pages
WORKDIR /build/frontend-demo
COPY frontend-demo/package.json frontend-demo/package-lock.json frontend-demo/.npmrc ./
RUN --mount=type=secret,id=npm,target=/root/.npmrc \
    npm ci --no-audit --no-fund
COPY schema.graphql /build/
COPY frontend-demo ./
RUN npm run build

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements/runtime.txt requirements/build.txt requirements/
# Two environments: what runs, and what only builds it. Both are exactly what the lock names.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python -m venv /venv \
    && /venv/bin/pip install --require-hashes --only-binary :all: -r requirements/runtime.txt \
    && python -m venv /build-venv \
    && /build-venv/bin/pip install --require-hashes --only-binary :all: -r requirements/build.txt
COPY pyproject.toml LICENSE README.md ./
COPY app app
COPY migrations migrations
# The wheel carries the migrations. What runs needs no pip.
RUN /build-venv/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /dist . \
    && /venv/bin/pip install --no-deps --no-index /dist/*.whl \
    && /venv/bin/pip uninstall --yes pip

FROM ${PYTHON_IMAGE}
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Paycore" \
      org.opencontainers.image.description="A wallet and money-transfer service on a double-entry ledger in PostgreSQL." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# /var/lib/paycore is where the relays' volume is mounted: a new one takes its owner from here.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin paycore \
    && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/paycore
COPY --from=build /venv /venv
COPY --from=pages /build/frontend-demo/dist /srv/paycore/pages
# Nothing is written outside /tmp and the relays' volume: run it with a read-only root file system and a tmpfs there.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PAYCORE_ENVIRONMENT=production \
    PAYCORE_HOST=0.0.0.0 \
    PAYCORE_DASHBOARD_DIR=/srv/paycore/pages
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
# Asks the API. A relay is asked on PAYCORE_RELAY_PORT: see compose.yaml.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('PAYCORE_PORT', '8000') + '/healthz', timeout=2)"]
ENTRYPOINT ["paycore"]
CMD ["serve"]
