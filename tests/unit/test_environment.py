"""Settings from the environment: typed, and loud about what makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from console.environment import Environment


@pytest.fixture
def env() -> Environment:
    Environment.ENVIRON.files_cache.clear()
    return Environment()


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("on", True), ("Yes", True), ("0", False), ("OFF", False)]
)
def test_a_boolean(env, monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("FLAG", text)
    assert env.bool("FLAG", default=not value) is value


def test_a_boolean_that_is_none_is_refused(env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAG", "fasle")
    with pytest.raises(ImproperlyConfigured, match="FLAG is 'fasle', but must be one of 1, 0"):
        env.bool("FLAG", default=True)


def test_a_number_that_is_none_is_refused(env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "eighty")
    with pytest.raises(ImproperlyConfigured, match="PORT is 'eighty', but must be a whole number"):
        env.int("PORT", default=1)


def test_a_file_holds_the_value(env, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("a secret\n")
    monkeypatch.setenv("SECRET_FILE", str(path))
    assert env.str("SECRET") == "a secret"


def test_a_file_that_is_missing_is_named(env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_FILE", "/nowhere/secret")
    with pytest.raises(ImproperlyConfigured, match="SECRET_FILE names /nowhere/secret, which"):
        env.str("SECRET", default="")


def test_a_default_is_taken_as_it_is(env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLAG", raising=False)
    assert env.bool("FLAG", default=True) is True
    assert env.int("FLAG", default=7) == 7
