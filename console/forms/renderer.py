"""The one form renderer: every form, field and error of the console comes from `templates/`."""

from django.forms.renderers import TemplatesSetting


class ConsoleRenderer(TemplatesSetting):
    """Render forms with the project's own templates and widget overrides."""

    form_template_name = "forms/form.html"
    field_template_name = "forms/field.html"
