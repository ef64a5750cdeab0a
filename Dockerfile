# The API, the relay and the migrate job: one image, three commands.
#   docker build -t paycore .
# Behind a package index of your own: docker build --secret id=pip,src=$HOME/.config/pip/pip.conf -t paycore .
ARG PYTHON_VERSION=3.14

FROM python:${PYTHON_VERSION}-slim AS build
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
RUN /build-venv/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /dist . \
    && /venv/bin/pip install --no-deps --no-index /dist/*.whl \
    && /venv/bin/pip uninstall --yes pip

FROM python:${PYTHON_VERSION}-slim
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin paycore
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PAYCORE_ENVIRONMENT=production \
    PAYCORE_HOST=0.0.0.0
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('PAYCORE_PORT', '8000') + '/healthz', timeout=2)"]
ENTRYPOINT ["paycore"]
CMD ["serve"]
