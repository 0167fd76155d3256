# L'image de production (cible par défaut) ne contient que requirements.txt et les applications du portail, jamais
# demo/. Celle de la démonstration est bâtie au-dessus : docker build --target demonstration .

FROM python:3.11-slim-bookworm AS bibliotheques
RUN python -m venv /venv
COPY requirements.txt /
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.txt

FROM python:3.11-slim-bookworm AS portail
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin bma
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=bma_portal.settings.production
WORKDIR /portail
COPY --from=bibliotheques /venv /venv
COPY manage.py ./
COPY bma_portal/ bma_portal/
COPY accounts/ accounts/
COPY migration/ migration/
COPY support/ support/
COPY templates/ templates/
COPY static/ static/
COPY articles/ articles/
# Les réglages de production exigent des valeurs : celles-ci sont tirées au sort et ne servent qu'à cette ligne.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
    BMA_VAULT_KEYS="image:$(python -c 'import base64, os; print(base64.b64encode(os.urandom(32)).decode())')" \
    ALLOWED_HOSTS=localhost DATABASE_URL=postgresql://image@localhost/image REDIS_URL=redis://localhost/0 \
    PORTAL_URL=https://localhost CERBERE_ISSUER=https://localhost CERBERE_CLIENT_ID=image CERBERE_CLIENT_SECRET=image \
    CERBERE_STAFF_ACR=image DIRECTORY=manual \
    EXCHANGE_URL=https://localhost/EWS/Exchange.asmx EXCHANGE_USER=image EXCHANGE_PASSWORD=image \
    python manage.py collectstatic --no-input
USER bma
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s --retries=3 CMD ["python", "-m", "bma_portal.probe"]
CMD ["gunicorn", "bma_portal.wsgi", "--bind", "0.0.0.0:8000", "--workers", "3", "--threads", "4", "--timeout", "30", "--graceful-timeout", "20", "--max-requests", "2000", "--max-requests-jitter", "200", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]

FROM portail AS demonstration
COPY demo/ demo/
ENV DJANGO_SETTINGS_MODULE=bma_portal.settings.development

FROM portail AS production
