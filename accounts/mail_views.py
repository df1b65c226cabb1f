"""The page behind the link in every mail that one may not want."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts.forms import MailsForm
from accounts.mails import LinkError, mail_of, switch_off


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
# A mail program posts here with no cookie of ours (RFC 8058); the signed token in the address is the permission.
@csrf_exempt
def mail_end(request: HttpRequest, token: str) -> HttpResponse:
    """Ask first, since mail programs follow links by themselves; the POST switches the mails off."""
    posted = request.method == "POST"
    try:
        mail = switch_off(token) if posted else mail_of(token)[1]
    except LinkError:
        return render(request, "accounts/mail_end.html", status=404)
    return render(request, "accounts/mail_end.html", {"about": MailsForm.base_fields[mail.value], "done": posted})
