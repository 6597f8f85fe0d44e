"""Settings of a server in development whose templates are a copy that a test may edit."""

import os

from console.settings import *  # noqa: F403
from console.settings import TEMPLATES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TEMPLATES[0]["DIRS"] = [os.environ["TEMPLATES_COPY"]]
