# Two stages: compilers stay in the first. Any Debian base with Python 3.11 will do:
#     docker build --build-arg BASE=... --tag settlement-terminal .
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      gcc libc6-dev libpcsclite-dev python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/terminal
ENV PATH=/opt/terminal/bin:$PATH
WORKDIR /build
COPY requirements.lock requirements-pcsc-build.lock requirements-pcsc.lock ./
RUN pip install --no-cache-dir --require-hashes --only-binary=:all: \
      -r requirements.lock -r requirements-pcsc-build.lock \
 && pip install --no-cache-dir --require-hashes --no-build-isolation \
      -r requirements-pcsc.lock \
 && pip uninstall --yes swig setuptools

FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpcsclite1 python3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home --shell /usr/sbin/nologin terminal \
 && install -d -o 10001 -g 10001 -m 700 /data
COPY --from=build /opt/terminal /opt/terminal
WORKDIR /app
COPY . .
# The container's own network is the fence: only what is published reaches the port.
ENV PATH=/opt/terminal/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TERMINAL_DATA_DIR=/data \
    TERMINAL_SERVER_HOST=0.0.0.0 \
    TERMINAL_SERVER_BEYOND_LOOPBACK=true
USER 10001
VOLUME /data
EXPOSE 8620
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8620/healthz', timeout=4)"]
ENTRYPOINT ["python3", "run_terminal.py"]
CMD ["serve"]
