"""Says in a sentence that the database or the broker is not there, instead of a trace."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError

_START = "`make run` starts everything"


def explanation(error: BaseException) -> str | None:
    """Return what to tell a person whose command ended with this error; None if it is a defect."""
    if isinstance(error, BaseExceptionGroup):
        told = [explanation(each) for each in error.exceptions]
        return next(iter(told)) if told and None not in told else None
    if isinstance(error, ImproperlyConfigured):
        return f"The configuration cannot be used: {error}"
    if isinstance(error, OperationalError) and _no_connection(error):
        return f"{_database()} does not answer ({_first_line(error)}). {_START}."
    if _is_mqtt(error) or isinstance(error, ConnectionRefusedError):
        return (
            f"The MQTT broker at {settings.MQTT_URL} does not answer ({_first_line(error)}). "
            f"{_START}; MQTT_PORT and MQTT_URL say where the broker is."
        )
    return None


def _no_connection(error: OperationalError) -> bool:
    """Tell a server that is away from one that refused a statement: the latter gives a code."""
    return getattr(error.__cause__, "sqlstate", None) is None


def _is_mqtt(error: BaseException) -> bool:
    import aiomqtt

    return isinstance(error, aiomqtt.MqttError)


def _database() -> str:
    if settings.DATABASE_IS_EMBEDDED:
        return f"The embedded PostgreSQL in {settings.VAR_DIR}"
    return "The database of DATABASE_URL"


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
