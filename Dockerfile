# The image: sbc-sim on Python's slim image, for any user id of group 0, with nothing that it needs to write.
#
#   podman build --format docker -t sbc-sim .        docker build -t sbc-sim .
#   --build-arg VERSION=1.2.3        what `git describe` would say; git and its folder are not in the build
#   --build-arg REVISION=abc123      the commit, for the label
#   --build-arg BASE=...             another base: Debian with Python 3.11 or newer as `python` (python:3.13-slim)
#
# docs/containers.md tells how to run it.
ARG BASE=python:3.13-slim

# --- wheels, and the environment made of them -----------------------------------------------------------------------------
FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv tools && python -m venv --without-pip /opt/sbc-sim

# The lock file carries hashes, so these are exactly the files that were tested, or none. No wheel is compiled: no compiler is needed.
COPY requirements/image.txt requirements/
RUN tools/bin/pip download --quiet --require-hashes --only-binary :all: --dest wheels --requirement requirements/image.txt \
 && tools/bin/pip install --quiet --no-index --find-links wheels hatchling hatch-vcs

COPY pyproject.toml README.md LICENSE ./
COPY sbc_sim sbc_sim
ARG VERSION=
RUN if [ -n "$VERSION" ]; then export SETUPTOOLS_SCM_PRETEND_VERSION="$VERSION"; fi \
 && tools/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels .

# What no part of sbc-sim asks for is left out: tests, pip's traces, protocols of Twisted that are not spoken here.
RUN tools/bin/pip --python /opt/sbc-sim/bin/python install --quiet --no-index --find-links wheels --no-compile "sbc-sim[postgres]" \
 && find /opt/sbc-sim -depth -type d \( -name test -o -name tests \) -exec rm -rf {} + \
 && cd /opt/sbc-sim/lib/python3*/site-packages \
 && rm -rf twisted/conch twisted/mail twisted/names twisted/news twisted/pair twisted/spread twisted/trial twisted/words pydantic/v1

# --- what runs ----------------------------------------------------------------------------------------------------------------
FROM ${BASE}
COPY --from=build /opt/sbc-sim /opt/sbc-sim
# Nothing can be written later, and Python's slim image has no bytecode of its own library: what our modules import is compiled now,
# and ours in the form that is not compared with the time of its source at each start.
RUN install -d -m 0775 -o 10001 -g 0 /data \
 && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/sbc-sim/lib \
 && /opt/sbc-sim/bin/python -c "import psycopg, sqlite3" \
 && /opt/sbc-sim/bin/sbc-sim demo --seconds 1 >/dev/null

# In a container the page is of use only off loopback; strangers are asked for the token that the log shows (or http.token).
ENV PATH=/opt/sbc-sim/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SBC_SIM_HTTP__LISTEN=0.0.0.0:8061 \
    SBC_SIM_DATA__DIR=/data

ARG VERSION=
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sbc-sim" \
      org.opencontainers.image.description="A simulator of the Salesforce SBC for SIP partners: SIP over TLS, SRTP, an echo, and a verdict" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION:-unreleased}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.documentation="docs/containers.md"

# Group 0 and any user id: what OpenShift gives a container.
USER 10001:0
WORKDIR /data
EXPOSE 5061/tcp 8061/tcp 31000-31019/udp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["sbc-sim", "ready", "--timeout", "3"]
ENTRYPOINT ["sbc-sim"]
CMD ["serve"]
