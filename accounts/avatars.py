"""Pictures of people: checked, made small and square, stored without what the camera wrote into them."""

import struct
import threading
from io import BytesIO
from typing import IO
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from PIL import Image, ImageOps, UnidentifiedImageError

from accounts.models import Profile
from wavelength.tenancy import tenant

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_BYTES = 5 * 1024 * 1024
# A picture of a few kilobytes may unfold to gigabytes. Cameras make up to about 50 million pixels.
MAX_PIXELS = 50_000_000
SIDE = 512
# A large picture unfolds to 200 MB: of all who upload at once, a process decodes one.
_one_at_a_time = threading.Lock()
# What Pillow raises on files that are broken or were made to break it.
_BROKEN = (OSError, ValueError, SyntaxError, EOFError, OverflowError, struct.error)


class AvatarError(ValueError):
    """The file cannot become a picture; the text says why."""


def set_avatar(*, user_id: UUID, file: IO[bytes], size: int) -> Profile:
    """Make a file of ``size`` bytes the person's picture; the one before is removed. Raises AvatarError."""
    if size > MAX_BYTES:
        raise AvatarError(_("A picture may have at most %(most)d MB.") % {"most": MAX_BYTES // 1024 // 1024})
    picture = squared(file)
    profile = Profile(user_id=user_id)
    name = default_storage.save(profile.avatar.field.generate_filename(profile, "avatar.webp"), ContentFile(picture))
    try:
        return _replace(user_id, name)
    except BaseException:
        default_storage.delete(name)
        raise


def remove_avatar(*, user_id: UUID) -> Profile:
    """Take the person's picture away, if there is one."""
    return _replace(user_id, "")


def squared(file: IO[bytes]) -> bytes:
    """A JPEG, PNG or WebP as a WebP of 512×512: turned as the camera was held, cut from the middle.

    Of an animation, the first picture. Nothing else of the file is kept. Raises AvatarError.
    """
    try:
        with _one_at_a_time, Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            # A JPEG can be decoded at a fraction of its size: less memory, less time.
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            ImageOps.exif_transpose(image, in_place=True)
            wanted = "RGBA" if image.has_transparency_data else "RGB"
            clear = image if image.mode == wanted else image.convert(wanted)
            square = ImageOps.fit(clear, (SIDE, SIDE), Image.Resampling.LANCZOS)
            output = BytesIO()
            square.save(output, "WEBP", quality=85, exif=b"", icc_profile=b"", xmp=b"")
    except Image.DecompressionBombError as error:
        raise AvatarError(_("The picture has too many pixels. Make it smaller first.")) from error
    except UnidentifiedImageError as error:
        raise AvatarError(_("The picture must be a JPEG, PNG or WebP file.")) from error
    except _BROKEN as error:
        raise AvatarError(_("The picture is damaged and cannot be read.")) from error
    return output.getvalue()


def _replace(user_id: UUID, name: str) -> Profile:
    with tenant(user_id):
        profile = Profile.objects.select_for_update().get(user_id=user_id)
        before = profile.avatar.name
        profile.avatar.name = name
        profile.updated_at = Now()  # an expression, read back below
        profile.save(update_fields=["avatar", "updated_at"])
        profile.refresh_from_db(fields=["updated_at"])
        if before:
            # Only once nothing points to it any more; a failure is logged and costs a stray file.
            transaction.on_commit(lambda: default_storage.delete(before), robust=True)
    return profile
