from accounts.models import User
from chats.models import Chat, Message, Source
from chats.sync import take_over
from tests.samples import RICH, raw
from wavelength.tenancy import tenant


def test_it_works(alice: User) -> None:
    report = take_over(user_id=alice.pk, body=raw("rich"), source=Source.COMMAND)
    print(report)
    assert report.migrated_chats == RICH.chats
    assert report.migrated_messages == RICH.messages
    with tenant(alice.pk):
        assert Chat.objects.count() == RICH.chats
        assert Message.objects.count() == RICH.messages
    report = take_over(user_id=alice.pk, body=raw("rich"), source=Source.COMMAND)
    print(report)
    report = take_over(user_id=alice.pk, body=raw("hostile"), source=Source.MIGRATION)
    print(report)
