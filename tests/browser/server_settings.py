"""Settings of the server that a browser visits: production's, with the tests' quick passwords."""

from console.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
