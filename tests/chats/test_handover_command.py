"""manage.py migrate_anonymous."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import Profile, User
from apikeys.models import ApiKey
from chats.models import Chat, Handover, Message
from tests import samples
from tests.chats.payloads import all_chats, chat, hand_over, message, payload
from tests.samples import HOSTILE, RICH
from wavelength.tenancy import tenant


def test_it_works(as_alice: Client, as_bob: Client) -> None:
    """The raw store by command and the payload over HTTP leave the same, figure by figure."""
    said = run(samples.path("rich"), "alice@example.com")

    hand_over(as_bob, samples.payload("rich"))
    assert said == "Moved to alice@example.com: 40 chats, 1,000 messages, 6 keys.\n"
    assert [without_owner(stored) for stored in all_chats(as_alice)] == [
        without_owner(stored) for stored in all_chats(as_bob)
    ]
    assert len(all_chats(as_alice)) == RICH.chats


def test_an_api_payload_too(as_alice: Client, tmp_path: Path) -> None:
    said = run(written(tmp_path, payload(chat("c1", message("m1")), anonymousId="anon-file")), " ALICE@example.com ")

    assert said == "Moved to alice@example.com: 1 chats, 1 messages, 0 keys.\n"
    assert as_alice.get("/api/migration/status").json()["data"]["anonymousIds"] == ["anon-file"]


def test_repeat_moves_nothing(as_alice: Client) -> None:
    run(samples.path("small"), "alice@example.com")

    said = run(samples.path("small"), "alice@example.com")

    assert said == (
        "Moved to alice@example.com: 0 chats, 0 messages, 0 keys.\n3 chats were there already, or were deleted there.\n"
    )


def test_hostile(as_alice: Client) -> None:
    output = StringIO()

    with pytest.raises(CommandError, match="could not be moved; all else did") as error:
        call_command(
            "migrate_anonymous", samples.path("hostile"), user="alice@example.com", stdout=output, no_color=True
        )

    assert error.value.returncode == 1
    said = output.getvalue()
    assert {stored["id"] for stored in all_chats(as_alice)} == set(HOSTILE.good)
    for id_ in HOSTILE.bad:
        assert f"({id_})" in said
    for provider in HOSTILE.refused:
        assert f"Not moved: Key for {provider}: " in said
    assert "Note: " in said
    assert "SAMPLE" not in said


def test_dry_run_leaves_no_trace(alice: User) -> None:
    said = run(samples.path("rich"), "alice@example.com", "--dry-run")

    assert said == "Would move to alice@example.com: 40 chats, 1,000 messages, 6 keys.\n"
    with tenant(alice.pk):
        assert not Chat.objects.exists()
        assert not Message.objects.exists()
        assert not Handover.objects.exists()
        assert not ApiKey.objects.exists()
        assert Profile.objects.get().preferences == {}


def test_shows_progress(alice: User, capsys: pytest.CaptureFixture[str]) -> None:
    run(samples.path("rich"), "alice@example.com")

    assert "1000/1000" in capsys.readouterr().err


def test_what_a_terminal_obeys_is_not_printed(alice: User, tmp_path: Path) -> None:
    path = written(tmp_path, payload(chat("c1\x1b[2J", message("m1", role="wizard"), title="\x1b]0;owned\x07")))
    output = StringIO()

    with pytest.raises(CommandError):
        call_command("migrate_anonymous", path, user="alice@example.com", stdout=output, no_color=True)

    assert "\x1b" not in output.getvalue()
    assert "\x07" not in output.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        ("not JSON", "is not JSON"),
        ('{"chats": []', "is not JSON"),
        ("[]", "is no hand-over"),
        ('{"state": {"config": {}}, "version": 0}', "is no hand-over"),
        ('{"state": {"chats": {}}, "version": 0}', "is no hand-over"),
    ],
)
def test_bad_file(alice: User, tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(content)

    with pytest.raises(CommandError, match=sentence):
        run(path, "alice@example.com")

    with tenant(alice.pk):
        assert not Handover.objects.exists()


def test_no_such_file(alice: User, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot be read: No such file"):
        run(tmp_path / "missing.json", "alice@example.com")


def test_file_too_large(alice: User, tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024 + 1)

    with pytest.raises(CommandError, match="larger than 100 MiB"):
        run(path, "alice@example.com")


def test_nobody_of_that_address(db: None) -> None:
    with pytest.raises(CommandError, match=r"Nobody signs in as nobody@example\.com"):
        run(samples.path("small"), "nobody@example.com")


def run(path: Path, email: str, *options: str) -> str:
    output = StringIO()
    call_command("migrate_anonymous", str(path), "--user", email, *options, stdout=output, no_color=True)
    return output.getvalue()


def written(directory: Path, content: dict[str, Any]) -> Path:
    path = directory / "payload.json"
    path.write_text(json.dumps(content))
    return path


def without_owner(stored: dict[str, Any]) -> dict[str, Any]:
    return stored | {"userId": None}
