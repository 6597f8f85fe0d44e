"""Settings of the server that a browser visits: production's, with the tests' quick passwords."""

from console.settings import *  # noqa: F403
from console.settings import TEMPLATES
from console.strict_templates import strict_options

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A variable that nobody gave to a template is an error.
TEMPLATES[0]["OPTIONS"] = strict_options(TEMPLATES[0]["OPTIONS"], is_cached=True)

# As production's, and an address where something goes wrong.
ROOT_URLCONF = "tests.browser.server_urls"
