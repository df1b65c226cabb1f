"""The profile page: saving, its refusals, the picture."""

from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from accounts.models import Profile, User
from accounts.profile import change_profile
from wavelength.tenancy import tenant

PAGE = "accounts:profile"
FIELDS = {"display_name": "Alice L.", "bio": "Hi", "timezone": "Europe/Berlin", "language": "de", "theme": "light"}


def stored(user: User) -> Profile:
    with tenant(user.pk):
        return Profile.objects.get()


def test_it_works(alice: User, as_alice: Client) -> None:
    response = as_alice.post(reverse(PAGE), FIELDS, follow=True)

    assert b"Your profile is saved." in response.content
    profile = stored(alice)
    assert {name: getattr(profile, name) for name in FIELDS} == FIELDS


def test_another_owners_profile_stays(bob: User, as_alice: Client) -> None:
    as_alice.post(reverse(PAGE), FIELDS)

    assert stored(bob).display_name == "Bob"


@pytest.mark.parametrize(
    "fault", [{"display_name": "x" * 81}, {"bio": "x" * 501}, {"timezone": "Mars/Olympus"}, {"theme": "pink"}]
)
def test_bad_input_is_named_kept_and_changes_nothing(fault: dict[str, str], alice: User, as_alice: Client) -> None:
    response = as_alice.post(reverse(PAGE), FIELDS | fault)

    assert response.status_code == 200
    assert b'aria-invalid="true"' in response.content or b"errorlist" in response.content
    assert b"Alice L." in response.content or "display_name" in fault
    assert stored(alice).bio == ""


def test_what_the_lists_lack_stays(alice: User, as_alice: Client) -> None:
    change_profile(user_id=alice.pk, timezone="Etc/GMT+5", language="pt-BR")
    page = as_alice.get(reverse(PAGE)).content.decode()
    as_alice.post(reverse(PAGE), FIELDS | {"timezone": "Etc/GMT+5", "language": "pt-BR"})

    assert '<option value="Etc/GMT+5" selected>' in page
    assert (stored(alice).timezone, stored(alice).language) == ("Etc/GMT+5", "pt-BR")


def test_a_picture_is_taken_and_removed(alice: User, as_alice: Client) -> None:
    file = BytesIO()
    Image.new("RGB", (40, 20), "teal").save(file, "PNG")
    as_alice.post(reverse("accounts:avatar"), {"avatar": SimpleUploadedFile("me.png", file.getvalue())})
    shown = as_alice.get(reverse(PAGE)).content.decode()
    name = stored(alice).avatar.name
    as_alice.post(reverse("accounts:avatar-deletion"))

    assert name is not None
    assert name in shown
    assert not stored(alice).avatar


def test_what_is_no_picture_is_refused_beside_its_field(alice: User, as_alice: Client) -> None:
    response = as_alice.post(reverse("accounts:avatar"), {"avatar": SimpleUploadedFile("me.png", b"no picture")})

    assert b"must be a JPEG, PNG or WebP file" in response.content
    assert not stored(alice).avatar
