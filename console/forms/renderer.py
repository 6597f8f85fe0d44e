"""The one form renderer: every form, field and error of the console comes from `templates/`.

A form says what it is made of (`console.forms.base`); the templates say how that looks:

    templates/forms/form.html      {{ form }}: the errors on top, then the fields
    templates/forms/fields.html    its fields, in their titled groups
    templates/forms/group.html     one group of fields
    templates/forms/field.html     {{ form.code.as_field_group }}: label, help, widget, errors
    templates/forms/formset.html   {{ formset }}: rows that can be added and removed
    templates/forms/error_summary.html  {% error_summary form formset %}: what is wrong, with links
    templates/django/forms/        every widget
"""

from django.forms.renderers import TemplatesSetting

from console.forms.fields import ConsoleField


class ConsoleRenderer(TemplatesSetting):
    """Render forms with the project's own templates and widget overrides."""

    form_template_name = "forms/form.html"
    formset_template_name = "forms/formset.html"
    field_template_name = "forms/field.html"
    bound_field_class = ConsoleField
