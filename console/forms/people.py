"""Forms for people: who they are, what they are here to do and which sites they look after."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.forms.base import ConsoleForm, FieldGroup
from console.forms.fields import Facts
from console.models import Role, User
from ledger.models import Site


class PasswordForm(ConsoleForm):
    """A new password for somebody, typed twice."""

    groups = (
        FieldGroup(
            title=gettext_lazy("Signing in"),
            help=gettext_lazy("Tell the person on a way that nobody else reads."),
            fields=("password", "password_again"),
        ),
    )
    facts = {  # noqa: RUF012 a form's own
        "password": Facts(autocomplete="new-password"),
        "password_again": Facts(autocomplete="new-password"),
    }

    password = forms.CharField(
        label=gettext_lazy("Password"),
        widget=forms.PasswordInput,
        strip=False,
        help_text=gettext_lazy("At least 10 characters, and nothing that is easy to guess."),
    )
    password_again = forms.CharField(
        label=gettext_lazy("The same password again"), widget=forms.PasswordInput, strip=False
    )

    def __init__(self, *args: Any, person: User | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person

    def clean(self) -> dict[str, Any]:
        """Refuse two that differ, and a weak one."""
        values = super().clean() or self.cleaned_data
        first, again = values.get("password"), values.get("password_again")
        if first and again and first != again:
            self.add_error("password_again", _("The two passwords are not the same."))
        if first:
            try:
                validate_password(first, self.person or User(username=values.get("username", "")))
            except forms.ValidationError as weak:
                self.add_error("password", weak)
        return values


class PersonForm(ConsoleForm):
    """A person. Without `person` it is a new one."""

    groups = (
        FieldGroup(
            title=gettext_lazy("Person"), fields=("username", "first_name", "last_name", "email")
        ),
        FieldGroup(title=gettext_lazy("Access"), fields=("role", "sites", "is_active")),
    )
    facts = {  # noqa: RUF012 a form's own
        "username": Facts(autocomplete="off", is_checked_alone=True),
        "first_name": Facts(autocomplete="off"),
        "last_name": Facts(autocomplete="off"),
        "email": Facts(autocomplete="off", inputmode="email"),
        "sites": Facts(autocomplete="off", is_checked_alone=True),
    }

    username = forms.CharField(
        label=gettext_lazy("Username"), max_length=150, validators=[User.username_validator]
    )
    first_name = forms.CharField(label=gettext_lazy("First name"), max_length=150, required=False)
    last_name = forms.CharField(label=gettext_lazy("Last name"), max_length=150, required=False)
    email = forms.EmailField(label=gettext_lazy("Email"), required=False)
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices)
    sites = forms.CharField(
        label=gettext_lazy("Sites"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy(
            "Codes with spaces or lines between. For site managers; the office sees every site."
        ),
    )
    is_active = forms.BooleanField(label=gettext_lazy("May sign in"), required=False, initial=True)

    def __init__(self, *args: Any, person: User | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.person = person

    def clean_username(self) -> str:
        """Refuse one that is taken, whatever its capitals."""
        name: str = self.cleaned_data["username"]
        others = User.objects.filter(username__iexact=name)
        if self.person:
            others = others.exclude(pk=self.person.pk)
        if others.exists():
            raise forms.ValidationError(_("Somebody has this username already."))
        return name

    def clean_sites(self) -> str:
        """Refuse codes that no site has; return them in order."""
        codes = {code.strip(",;") for code in self.cleaned_data["sites"].split()} - {""}
        known = set(Site.objects.filter(code__in=codes).values_list("code", flat=True))
        if unknown := sorted(codes - known):
            raise forms.ValidationError(
                _("No site has this code: %(codes)s."), params={"codes": ", ".join(unknown)}
            )
        return "\n".join(sorted(codes))
