"""Which alarm a button speaks of."""

from __future__ import annotations

from django import forms


class AlarmKeyForm(forms.Form):
    """The key of an alarm and its start, as `AlarmView.key` writes them into an address."""

    device = forms.CharField(max_length=32, strip=False)
    number = forms.IntegerField(min_value=0, max_value=2_147_483_647)
    code = forms.CharField(max_length=64, strip=False)
    at = forms.DateTimeField()
