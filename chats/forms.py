"""The form of the import page, for browsers without script."""

from django import forms


class ImportForm(forms.Form):
    """A saved store, or a payload of the API."""

    file = forms.FileField()
