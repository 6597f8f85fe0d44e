"""Settings of the tests: the project's own, with a PostgreSQL that the tests start themselves."""

import os
from pathlib import Path

#: Kept between runs, so that a run does not pay for making the cluster again. Each process of a
#: run in several has a server of its own.
TEST_VAR_DIR = (
    Path(__file__).resolve().parent.parent
    / "var"
    / "test"
    / os.environ.get("PYTEST_XDIST_WORKER", "alone")
)
os.environ["VAR_DIR"] = str(TEST_VAR_DIR)
os.environ["SECRET_KEY"] = "the-tests-protect-nothing"
# A copy of the seals would outlive the test's database.
os.environ["SEAL_SERIES"] = ""
for name in ("DATABASE_URL", "MQTT_URL", "MQTT_CA", "MQTT_CA_FILE", "DEBUG"):
    os.environ.pop(name, None)

from console.settings import *  # noqa: E402, F403
from console.settings import TEMPLATES  # noqa: E402
from console.strict_templates import strict_options  # noqa: E402

DEBUG = False
SECURE_COOKIES = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = False
SECURE_PROXY_SSL_HEADER = None
ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A variable that nobody gave to a template is an error.
TEMPLATES[0]["OPTIONS"] = strict_options(TEMPLATES[0]["OPTIONS"], is_cached=True)
