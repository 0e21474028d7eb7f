# Two stages: the first builds a virtual environment from the hashed lock, the second carries nothing else.
#
#   docker build --tag panic .
#   docker run --rm --read-only --tmpfs /tmp --volume "$PWD/config:/config:ro" --volume panic:/var/lib/panic \
#       --env CLEAR_STREET_API_KEY panic press --all --reason "…"
#
# Without a command it serves. Its port is reachable from outside only with a certificate or behind a proxy: see docs/service.md.
#
# It runs as user 10001, which must be able to read the mounted files; a key file belongs to that user. The ledger and
# the latch are kept in the volume on /var/lib/panic: strategies get that folder, read-only. Who presses beside a container
# that serves does so in it, by `docker exec … panic press …`. Where people press on the machine itself with the same
# settings, name the folder in them, [state] folder, and mount that folder of the machine under the same name.

# Pin the base to the digest that you have verified: --build-arg BASE=python:3.13.9-slim-trixie@sha256:…
ARG BASE=python:3.13.9-slim-trixie

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
COPY .locks/ .locks/
RUN python -m pip install --require-hashes --no-deps -r .locks/build.txt \
 && python -m venv --without-pip /opt/panic \
 && python -m pip --python /opt/panic/bin/python install --require-hashes --no-deps -r .locks/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY panic/ panic/
RUN python -m hatchling build -t wheel -d /tmp/wheel \
 && python -m pip --python /opt/panic/bin/python install --no-deps --no-index /tmp/wheel/*.whl
# Compiled ahead of time: the root file system is read-only, and a cold start counts.
RUN python -m compileall -q -j 0 /opt/panic/lib

FROM ${BASE}
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin panic \
 && install --directory --owner=10001 --group=10001 --mode=755 /var/lib/panic
COPY --from=build /opt/panic /opt/panic
ENV PATH=/opt/panic/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
# For settings that name no [state] folder: beside them, on a mount that is read-only, nothing can be kept. Everything
# that runs in this image has this environment, `docker exec` too; and a folder that the settings name beats it.
ENV PANIC_CONFIG=/config/panic.toml PANIC_STATE_FOLDER=/var/lib/panic
VOLUME /var/lib/panic
USER 10001:10001
WORKDIR /tmp
# Healthy means that the service answers. One that answers and is not ready still takes a person's press.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["panic", "health"]
# Exec form, so that signals reach panic itself: SIGTERM lets the service send every first cancel that is owed.
ENTRYPOINT ["panic"]
CMD ["serve"]
