"""People and the sites they may see."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """What a person is here to do. One role a person; what it allows is in `console.access`."""

    MANAGER = "manager", _("Site manager")
    STAFF = "staff", _("Staff")
    APPROVER = "approver", _("Approver")
    AUDITOR = "auditor", _("Auditor")
    FRONTEND = "frontend", _("Frontend")
    ADMINISTRATOR = "administrator", _("Administrator")


class PersonManager(UserManager["User"]):
    """Django's, except that who may do everything has the role that sees everything."""

    use_in_migrations = False

    def create_superuser(self, *args: Any, **fields: Any) -> "User":
        """Make an administrator; `manage.py createsuperuser` makes the first person so."""
        return super().create_superuser(*args, **{"role": Role.ADMINISTRATOR} | fields)


class User(AbstractUser):
    """A person who signs in. Which sites they see follows from the role and the assignments."""

    role = models.CharField(_("role"), max_length=16, choices=Role, default=Role.MANAGER)
    sites: models.ManyToManyField = models.ManyToManyField(
        "ledger.Site", through="SiteAssignment", related_name="people", verbose_name=_("sites")
    )

    #: The code of the language they chose, empty while the browser's is good enough.
    language = models.CharField(_("language"), max_length=16, blank=True, default="", db_default="")

    objects: ClassVar[PersonManager] = PersonManager()

    class Meta:
        db_table = "person"
        verbose_name = _("person")
        verbose_name_plural = _("people")

    def __str__(self) -> str:
        return self.get_full_name() or self.username


class SiteAssignment(models.Model):
    """A person looks after a site."""

    pk = models.CompositePrimaryKey("user_id", "site_id")
    user = models.ForeignKey(User, on_delete=models.CASCADE, db_index=False)
    site = models.ForeignKey("ledger.Site", on_delete=models.CASCADE)

    class Meta:
        db_table = "site_assignment"
        constraints: ClassVar[list[models.BaseConstraint]] = []

    def __str__(self) -> str:
        return f"{self.user_id}@{self.site_id}"
