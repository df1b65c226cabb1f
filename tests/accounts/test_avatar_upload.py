"""PUT and DELETE /api/profile/avatar, and the picture itself."""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from PIL import ExifTags, Image, PngImagePlugin
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import Profile, User
from tests.conftest import signed_in
from wavelength.tenancy import tenant

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    settings.MEDIA_ROOT = tmp_path
    yield tmp_path


def picture(
    kind: str = "PNG", size: tuple[int, int] = (40, 30), mode: str = "RGB", color: Any = 0, **options: Any
) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, color).save(file, kind, **options)
    return file.getvalue()


def upload(client: Client, content: bytes, name: str = "me.png", field: str = "avatar") -> Any:
    file = SimpleUploadedFile(name, content, content_type="application/octet-stream")
    body = encode_multipart(BOUNDARY, {field: file})
    return client.put("/api/profile/avatar", body, content_type=MULTIPART_CONTENT)


def shown(client: Client, answer: Any) -> Image.Image:
    url = answer.json()["data"]["avatarUrl"]
    assert url.startswith("http://testserver/media/avatars/")
    response = client.get(url.removeprefix("http://testserver"))
    assert response.status_code == 200
    return Image.open(io.BytesIO(b"".join(response.streaming_content)))  # type: ignore[attr-defined]  # a FileResponse


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_it_becomes_a_square_webp_of_512(as_alice: Client, media: Path, kind: str) -> None:
    answer = upload(as_alice, picture(kind, (900, 300), color=(200, 30, 30)))
    assert answer.status_code == 200, answer.content
    image = shown(as_alice, answer)
    assert (image.format, image.size) == ("WEBP", (512, 512))
    assert all(abs(a - b) < 12 for a, b in zip(image.convert("RGB").getpixel((256, 256)), (200, 30, 30), strict=True))  # type: ignore[arg-type]  # an RGB pixel
    assert len(list(media.rglob("*.webp"))) == 1


def test_it_is_cut_from_the_middle(as_alice: Client) -> None:
    wide = Image.new("RGB", (900, 300), "blue")
    wide.paste("red", (300, 0, 600, 300))
    file = io.BytesIO()
    wide.save(file, "PNG")
    image = shown(as_alice, upload(as_alice, file.getvalue())).convert("RGB")
    for corner in ((8, 8), (503, 503)):
        red, _, blue = image.getpixel(corner)  # type: ignore[misc]  # an RGB pixel
        assert (red > 200, blue < 100) == (True, True)


def test_it_is_turned_as_the_camera_was_held_and_its_metadata_is_gone(as_alice: Client, media: Path) -> None:
    tall = Image.new("RGB", (100, 200), "white")
    tall.paste("black", (0, 0, 100, 60))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Artist] = "canary-name"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 0.0)
    file = io.BytesIO()
    tall.save(file, "JPEG", exif=exif, comment=b"canary-comment", icc_profile=b"canary-profile", quality=95)
    image = shown(as_alice, upload(as_alice, file.getvalue(), "me.jpg"))
    # Orientation 6: what is at the top was at the right.
    right, left = (image.convert("L").getpixel(spot) for spot in ((500, 256), (12, 256)))
    assert (right < 60, left > 200) == (True, True)  # type: ignore[operator]  # grey values
    assert not image.getexif()
    assert "icc_profile" not in image.info
    assert b"canary" not in next(media.rglob("*.webp")).read_bytes()


def test_what_is_transparent_stays_so(as_alice: Client) -> None:
    image = shown(as_alice, upload(as_alice, picture(mode="RGBA", color=(0, 0, 0, 0))))
    assert image.convert("RGBA").getpixel((9, 9))[3] == 0  # type: ignore[index]  # an RGBA pixel


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "CMYK"])
def test_every_kind_of_pixel_is_taken(as_alice: Client, mode: str) -> None:
    assert upload(as_alice, picture("JPEG" if mode == "CMYK" else "PNG", mode=mode)).status_code == 200


def test_of_an_animation_the_first_picture_is_taken(as_alice: Client) -> None:
    file = io.BytesIO()
    first, second = (Image.new("RGB", (64, 64), color) for color in ("red", "blue"))
    first.save(file, "WEBP", save_all=True, append_images=[second], duration=100)
    image = shown(as_alice, upload(as_alice, file.getvalue()))
    assert getattr(image, "n_frames", 1) == 1
    red, _, blue = image.convert("RGB").getpixel((256, 256))  # type: ignore[misc]  # an RGB pixel
    assert (red > 200, blue < 100) == (True, True)


def test_it_is_served_for_ever_and_as_nothing_else(as_alice: Client, anonymous: Client) -> None:
    url = upload(as_alice, picture()).json()["data"]["avatarUrl"].removeprefix("http://testserver")
    response = anonymous.get(url)
    assert response["Content-Type"] == "image/webp"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in response["Cache-Control"]
    assert "public" in response["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["../.env", "avatars/../../.env", "avatars/x.webp", "avatars/0193b2a0-0000-7000-8000-000000000000.webp", ""]
)
def test_nothing_else_is_served(anonymous: Client, path: str) -> None:
    assert anonymous.get(f"/media/{path}").status_code == 404


def test_a_new_picture_replaces_the_old_file(
    as_alice: Client, media: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    first = upload(as_alice, picture()).json()["data"]["avatarUrl"]
    with django_capture_on_commit_callbacks(execute=True):
        second = upload(as_alice, picture()).json()["data"]["avatarUrl"]
    assert first != second
    assert [file.name for file in media.rglob("*.webp")] == [second.rpartition("/")[2]]


def test_removing_it(
    as_alice: Client, media: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    upload(as_alice, picture())
    with django_capture_on_commit_callbacks(execute=True):
        answer = as_alice.delete("/api/profile/avatar")
    assert (answer.status_code, answer.json()["data"]["avatarUrl"]) == (200, None)
    assert not list(media.rglob("*.webp"))
    assert as_alice.delete("/api/profile/avatar").status_code == 200
    assert as_alice.get("/api/profile").json()["data"]["user"]["image"] is None


def test_nobody_elses_is_touched(as_alice: Client, bob: User, media: Path) -> None:
    bobs = upload(signed_in(bob), picture()).json()["data"]["avatarUrl"]
    upload(as_alice, picture())
    as_alice.delete("/api/profile/avatar")
    with tenant(bob.pk):
        assert bobs.endswith(str(Profile.objects.get().avatar))
    assert default_storage.exists(bobs.partition("/media/")[2])


def test_signed_out_is_401(anonymous: Client, media: Path) -> None:
    assert upload(anonymous, picture()).status_code == 401
    assert not list(media.rglob("*"))


def test_post_is_405(as_alice: Client) -> None:
    assert as_alice.post("/api/profile/avatar", {"avatar": io.BytesIO(picture())}).status_code == 405


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\0" * min(width * height, 10_000_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


def _text_bomb() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "x" * 40_000_000, zip=True)
    return picture(pnginfo=info)


HOSTILE = {
    "empty": b"",
    "text": b"hello",
    "html": b"<html><script>alert(1)</script>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "gif": picture("GIF"),
    "bmp": picture("BMP"),
    "tiff": picture("TIFF"),
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "half a jpeg": picture("JPEG", (600, 600), color=(9, 99, 200))[:400],
    "half a png": picture("PNG")[:60],
    "half a webp": picture("WEBP", (600, 600))[:60],
    "50001 x 50001": _png(50_001, 50_001),
    "9000 x 9000": _png(9_000, 9_000),
    "no width": _png(0, 10),
    "text bomb": _text_bomb(),
    "wrong checksum": picture("PNG")[:40] + b"\0\0\0\0" + picture("PNG")[44:],
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_picture_is_refused_and_leaves_nothing(
    as_alice: Client, alice: User, media: Path, name: str
) -> None:
    kept = upload(as_alice, picture()).json()["data"]["avatarUrl"]
    answer = upload(as_alice, HOSTILE[name])
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "invalid_request"
    assert answer.json()["details"][0]["path"] == ["avatar"]
    assert ("too many pixels" in answer.json()["error"]) == (" x " in name)
    assert [file.name for file in media.rglob("*.*")] == [kept.rpartition("/")[2]]
    with tenant(alice.pk):
        assert kept.endswith(str(Profile.objects.get().avatar))


def test_just_below_five_megabytes_is_taken_and_above_not(as_alice: Client) -> None:
    small = picture("JPEG")
    assert upload(as_alice, small + b"\0" * (5 * 1024 * 1024 - len(small))).status_code == 200
    refused = upload(as_alice, small + b"\0" * (5 * 1024 * 1024 - len(small) + 1))
    assert (refused.status_code, "5 MB" in refused.json()["error"]) == (400, True)
    assert upload(as_alice, small + b"\0" * 6 * 1024 * 1024).status_code == 413


def _field(name: bytes) -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\nx\r\n' % name


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"x", "application/json", 415),
        (b"x", "image/png", 415),
        (b"x", "multipart/form-data", 400),
        (b"x", "multipart/form-data; boundary=b", 400),
        (_field(b"avatar") + b"--b--", "multipart/form-data; boundary=b", 400),
        (b"".join(_field(b"a%d" % n) for n in range(2000)) + b"--b--", "multipart/form-data; boundary=b", 400),
    ],
)  # fmt: skip
def test_a_body_of_another_kind_is_refused(as_alice: Client, body: bytes, content_type: str, status: int) -> None:
    answer = as_alice.put("/api/profile/avatar", body, content_type=content_type)
    assert (answer.status_code, answer.json()["success"]) == (status, False)


def test_no_body_at_all_is_400(as_alice: Client) -> None:
    assert as_alice.put("/api/profile/avatar").status_code in (400, 415)


def test_a_failing_database_leaves_no_file(as_alice: Client, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("the database went away")

    monkeypatch.setattr("accounts.avatars._replace", fail)
    as_alice.raise_request_exception = False
    answer = upload(as_alice, picture())
    assert answer.status_code == 500
    assert "went away" not in answer.content.decode()
    assert not list(media.rglob("*.webp"))


def test_it_may_be_stored_elsewhere_than_on_the_disk(
    as_alice: Client, anonymous: Client, settings: Settings, media: Path
) -> None:
    # As S3: no paths, no addresses of our own, only reading and writing.
    elsewhere = {
        "BACKEND": "django.core.files.storage.InMemoryStorage",
        "OPTIONS": {"base_url": "https://bucket.test/"},
    }
    settings.STORAGES = settings.STORAGES | {"default": elsewhere}
    url = upload(as_alice, picture()).json()["data"]["avatarUrl"]
    assert url.startswith("http://testserver/media/avatars/")
    assert anonymous.get(url.removeprefix("http://testserver")).status_code == 200
    assert as_alice.get("/api/profile").json()["data"]["user"]["image"] == url
    assert url.removeprefix("http://testserver") in as_alice.get("/profile/").content.decode()
    assert not list(media.rglob("*.webp"))
