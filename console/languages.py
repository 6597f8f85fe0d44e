"""Which language somebody reads: the person's own choice, else the cookie's, else the browser's."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from console.models import User
from ledger.services.transactions import durable


def is_offered(language: str) -> bool:
    """Say whether the console speaks the language."""
    return language in dict(settings.LANGUAGES)


def language_for(request: HttpRequest, user: AbstractBaseUser | AnonymousUser) -> str:
    """Return the code of the language for the person who asks, always one of LANGUAGES.

    The stream asks too: there is no middleware before it.
    """
    if isinstance(user, User) and is_offered(user.language):
        return user.language
    return translation.get_language_from_request(request)


def language_choose(*, person: User, language: str) -> None:
    """Keep what the person chose. ValueError for a language that the console does not speak."""
    if not is_offered(language):
        raise ValueError(f"the console does not speak {language!r}")
    with durable():
        User.objects.filter(pk=person.pk).update(language=language)


def set_language_cookie(response: HttpResponse, language: str) -> None:
    """Let this browser speak the language also to who is not signed in."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        path=settings.LANGUAGE_COOKIE_PATH,
        domain=settings.LANGUAGE_COOKIE_DOMAIN,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite="Lax",
    )
