"""The gallery of templates: each in every state, from fixtures that lie beside the templates."""
