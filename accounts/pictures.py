"""Pictures as browsers fetch them, from the disk or S3 alike."""

from uuid import UUID

from django.core.files.storage import default_storage
from django.db.transaction import non_atomic_requests
from django.http import FileResponse, Http404, HttpRequest
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe


@require_safe
@non_atomic_requests
@cache_control(public=True, max_age=365 * 24 * 60 * 60, immutable=True)
def avatar(request: HttpRequest, picture: UUID) -> FileResponse:
    """One avatar. Its name is not to be guessed, and never names another picture."""
    try:
        file = default_storage.open(f"avatars/{picture}.webp")
    except FileNotFoundError as error:
        raise Http404 from error
    return FileResponse(file, content_type="image/webp")
