"""`POST /arrival/`: a signed-out page's script says what this browser holds (static/js/arrival.js)."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from accounts.arrivals import carry


class ArrivalForm(forms.Form):
    """An anonymous id, and how many chats stand beside it."""

    anonymous_id = forms.CharField(required=False, max_length=200, strip=False)
    chats = forms.IntegerField(required=False, min_value=0)


@require_POST
def arrival(request: HttpRequest) -> HttpResponse:
    """Remember it until somebody signs in. 204, or 400 for what can be neither."""
    form = ArrivalForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=400)
    if not request.user.is_authenticated:
        carry(request, anonymous_id=form.cleaned_data["anonymous_id"], chats=form.cleaned_data["chats"] or 0)
    return HttpResponse(status=204)
