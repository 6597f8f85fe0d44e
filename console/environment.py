"""Reads settings from environment variables, and fails loudly on those that make no sense."""

from __future__ import annotations

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

_TRUE, _FALSE = {"1", "true", "on", "yes"}, {"0", "false", "off", "no"}


class _Variables(environ.FileAwareMapping):
    """Environment variables, or the files that NAME_FILE names, without the white space around."""

    def __getitem__(self, key: str) -> str:
        return super().__getitem__(key).strip()


class Environment(environ.FileAwareEnv):
    """django-environ's, with each error a sentence that names the variable."""

    ENVIRON = _Variables()

    def get_value(
        self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, **options: Any
    ) -> Any:
        """Return a variable's value. ImproperlyConfigured if it cannot be read."""
        try:
            return super().get_value(
                var, cast=_boolean if cast is bool else cast, default=default, **options
            )
        except OSError as error:
            raise ImproperlyConfigured(
                f"{var}_FILE names {error.filename}, which cannot be read ({error.strerror})."
            ) from error
        except ValueError as error:
            wanted = {int: "a whole number", bool: "one of 1, 0, true, false, on, off, yes, no"}
            raise ImproperlyConfigured(
                f"{var} is {self.ENVIRON[var]!r}, but must be {wanted.get(cast, cast)}."
            ) from error


def _boolean(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE
