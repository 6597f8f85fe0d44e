"""Codes that no site may have, because the console itself is called so at the broker.

A site signs in with its code, which is its client id there, too. A broker has one session for each
client id: a site that came with the worker's would end the worker's, and what the broker keeps for
it would be lost.
"""

#: A worker's client id begins with it; its name follows.
CLIENT_ID_PREFIX = "forecourt-"
#: What the console signs in with (`docs/deploy/mosquitto`).
CONSOLE_USER = "console"


def is_reserved(code: str) -> bool:
    """Say whether a code is a name of the console's own, whatever its capitals."""
    code = code.lower()
    return code == CONSOLE_USER or code.startswith(CLIENT_ID_PREFIX)
