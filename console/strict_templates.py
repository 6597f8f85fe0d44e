"""Templates in which a variable that nobody gave is an error, for the tests and the gallery.

Django shows an undefined variable as nothing, and `{% if %}` takes it for false, so a misspelt name
goes unseen. Here it raises `UndefinedVariableError`:

- a name that the context does not hold, unless the template's contract calls it optional;
- a name that an object, dictionary or list does not have.

An attribute of None or of an empty text stays nothing, as in production: `{{ row.declared.count }}`
where a site declared nothing. Django's own templates are left as they are.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.template import Template, VariableDoesNotExist
from django.template.backends.django import DjangoTemplates
from django.template.base import DebugLexer, FilterExpression, Lexer, NodeList, Parser, Variable
from django.template.context import BaseContext
from django.template.loaders.filesystem import Loader as FilesystemLoader

from console.template_contract import optional_names


class UndefinedVariableError(BaseException):
    """A template uses what nobody gave it.

    No Exception, because `{% if %}` swallows those of its operands.
    """


class StrictEmpty(str):
    """What Django puts in place of an undefined value: nothing, and an error in `blocktranslate`.

    That tag alone asks for `"%s" in string_if_invalid` of an empty text, and then fills it in.
    """

    __slots__ = ()

    def __contains__(self, part: object) -> bool:
        return part == "%s" or super().__contains__(part)  # type: ignore[operator]

    def __mod__(self, name: object) -> str:
        raise UndefinedVariableError(f"“{name}” is not defined.")


class StrictVariable(Variable):
    """A variable that says when it is undefined."""

    def __init__(self, var: str, optional: frozenset[str]) -> None:
        super().__init__(var)
        self.optional = optional

    def resolve(self, context: Any) -> Any:
        """Return the value; UndefinedVariableError if there is none."""
        try:
            return super().resolve(context)
        except VariableDoesNotExist as missing:
            name, holder = missing.params
            if holder is None or holder == "":
                raise
            if isinstance(holder, BaseContext):
                if name in self.optional:
                    raise
                raise UndefinedVariableError(f"“{name}” is not defined.") from None
            kind = type(holder).__name__
            raise UndefinedVariableError(
                f"“{self.var}” is not defined: {kind} has no “{name}”."
            ) from None


class StrictFilterExpression(FilterExpression):
    """A variable with its filters, each argument of which is strict, too."""

    def __init__(self, token: str, parser: StrictParser) -> None:
        super().__init__(token, parser)
        if isinstance(self.var, Variable):
            self.var = StrictVariable(str(self.var.var), parser.optional)
        self.filters = [
            (
                function,
                [
                    (True, StrictVariable(str(argument.var), parser.optional))
                    if is_variable
                    else (False, argument)
                    for is_variable, argument in arguments
                ],
            )
            for function, arguments in self.filters
        ]


class StrictParser(Parser):
    """Compiles strict expressions."""

    optional: frozenset[str] = frozenset()

    def compile_filter(self, token: str) -> FilterExpression:
        """Compile a variable with its filters."""
        return StrictFilterExpression(token, self)


class StrictTemplate(Template):
    """A template of the project."""

    def compile_nodelist(self) -> NodeList:
        """As Django's, with the strict parser."""
        lexer = DebugLexer(self.source) if self.engine.debug else Lexer(self.source)
        parser = StrictParser(
            lexer.tokenize(),
            self.engine.template_libraries,
            self.engine.template_builtins,
            self.origin,
        )
        parser.optional = optional_names(self.source)
        try:
            nodes = parser.parse()
        except Exception as error:
            if self.engine.debug:
                # The debug page shows the line by it.
                error.template_debug = self.get_exception_info(error, error.token)  # type: ignore[attr-defined]
            raise
        self.extra_data = parser.extra_data
        return nodes


class StrictLoader(FilesystemLoader):
    """Loads the templates of the project's own folder."""

    def get_template(self, template_name: str, skip: Any = None) -> Template:
        """Load a template."""
        found = super().get_template(template_name, skip)
        return StrictTemplate(found.source, found.origin, found.name, self.engine)


class StrictCachedLoader(StrictLoader):
    """The same, each template read once. Django's own cache would not ask another loader."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._kept: dict[tuple[str, frozenset[str]], Template] = {}

    def get_template(self, template_name: str, skip: Any = None) -> Template:
        """Load a template, or give the one that was loaded."""
        key = template_name, frozenset(origin.name for origin in skip or ())
        if key not in self._kept:
            self._kept[key] = super().get_template(template_name, skip)
        return self._kept[key]


def strict_options(options: dict[str, Any], *, is_cached: bool) -> dict[str, Any]:
    """Return the options of a template engine, made strict."""
    apps = "django.template.loaders.app_directories.Loader"
    loaders: list[object] = ["console.strict_templates.StrictLoader", apps]
    if is_cached:
        loaders = [
            "console.strict_templates.StrictCachedLoader",
            ("django.template.loaders.cached.Loader", [apps]),
        ]
    return options | {"loaders": loaders, "string_if_invalid": StrictEmpty()}


def strict_engine() -> DjangoTemplates:
    """Return an engine like the console's that is strict."""
    configured: dict[str, Any] = settings.TEMPLATES[0]
    return DjangoTemplates(
        {
            "NAME": "strict",
            "DIRS": configured["DIRS"],
            "APP_DIRS": False,
            "OPTIONS": strict_options(configured["OPTIONS"], is_cached=not settings.DEBUG),
        }
    )
