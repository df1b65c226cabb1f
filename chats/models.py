"""Chats as they arrived from a client, their messages, what finds them, and the hand-overs they came by."""

from datetime import timedelta
from typing import ClassVar, Literal, TypedDict
from unicodedata import category
from uuid import UUID

from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Count, F, Func, Sum, Value
from django.db.models.functions import Cast, Coalesce, Greatest, Now
from django.utils import timezone

from chats.validation import MAX_ID, MAX_MODEL, MAX_STATUS
from wavelength.tenancy.models import TenantModel

SHOWN_ID_LENGTH = MAX_ID + 12
KEPT = timedelta(hours=24)  # in which a deleted chat can be had back
STILL = timedelta(seconds=30)  # longer than any part of a hand-over takes
TURNING = frozenset({"Cc", "Cf", "Zl", "Zp"})  # of Unicode's categories


class WordsField(models.Field[object, object]):
    """A tsvector, written and read only by PostgreSQL."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "tsvector"


def words_of(text: str) -> Func:
    """The text as the search index keeps it."""
    return Func(Cast(Value(text), models.TextField()), template="to_tsvector('simple', %(expressions)s)")


class Totals(TypedDict):
    chats: int
    messages: int


class ChatQuerySet(models.QuerySet["Chat"]):
    def present(self) -> "ChatQuerySet":
        """All but the deleted."""
        return self.filter(deleted_at=None)

    def named(self, chat: UUID | str) -> "ChatQuerySet":
        """The one of this key, or of this id as the API shows it."""
        if isinstance(chat, UUID):
            return self.filter(pk=chat)
        return self.none() if "\0" in chat else self.filter(shown_id=chat)

    def restorable(self) -> "ChatQuerySet":
        """The deleted that can still be had back."""
        return self.filter(purge_at__gt=Now())

    def delete_softly(self) -> int:
        """Deletes those that are there; answers how many. For `KEPT` they can be had back."""
        return self.present().update(deleted_at=Now(), purge_at=Now() + KEPT)

    def restore(self) -> int:
        """Takes back the deletion of those that can still be had back; answers how many."""
        return self.restorable().update(deleted_at=None, purge_at=None)

    def newest_first(self) -> "ChatQuerySet":
        return self.order_by("-updated_at", "-id")

    def totals(self) -> Totals:
        """How many chats these are, and how many messages they hold."""
        totals = self.aggregate(chats=Count("id"), messages=Coalesce(Sum("message_count"), 0))
        return Totals(chats=totals["chats"], messages=totals["messages"])


class Chat(TenantModel):
    """A conversation. The same chat is the one whose person, client id and creation time agree.

    `shown_id` is what the API calls it: the client's own id, with `~2` behind it for a second chat of that
    id. A deleted chat is gone for everyone at once (`deleted_at`); until `purge_at` its owner can have it back, then
    it is emptied and stays as a tombstone, so that no sync brings it back.
    `updated_at` is the client's clock until the chat is changed here. `indexed` says whether the search index
    holds its present text.
    """

    client_id = models.CharField(max_length=MAX_ID)
    client_created_at = models.DateTimeField("created")
    shown_id = models.CharField(max_length=SHOWN_ID_LENGTH)
    title = models.TextField(blank=True)
    model = models.CharField(max_length=MAX_MODEL, blank=True)
    status = models.CharField(max_length=MAX_STATUS, blank=True)
    updated_at = models.DateTimeField("updated")
    total_cost = models.DecimalField(max_digits=24, decimal_places=12, default=0)
    total_tokens = models.BigIntegerField(default=0)
    message_count = models.IntegerField(default=0)
    indexed = models.BooleanField(default=False)
    stored_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)
    purge_at = models.DateTimeField(null=True, editable=False)

    objects = ChatQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "id"], name="chat_user_id"),
            # These end with the person: led by them, they were what checks of foreign keys went by in a table
            # without statistics, reading all chats of the person for each message.
            models.UniqueConstraint(fields=["client_id", "client_created_at", "user"], name="chat_identity_unique"),
            models.UniqueConstraint(fields=["shown_id", "user"], name="chat_shown_id_unique"),
        ]
        indexes = [
            models.Index(
                fields=["user", "-updated_at", "-id"], name="chat_user_newest", condition=models.Q(deleted_at=None)
            ),
            models.Index(fields=["user"], name="chat_user_unindexed", condition=models.Q(indexed=False)),
            models.Index(
                fields=["user", "purge_at"], name="chat_user_purge", condition=models.Q(purge_at__isnull=False)
            ),
            # One for each order in which the list is shown, and one for the models it is narrowed to.
            models.Index(
                fields=["user", "-client_created_at", "-id"],
                name="chat_user_created",
                condition=models.Q(deleted_at=None),
            ),
            models.Index(
                fields=["user", "-total_cost", "-id"], name="chat_user_cost", condition=models.Q(deleted_at=None)
            ),
            models.Index(
                fields=["user", "-message_count", "-id"], name="chat_user_messages", condition=models.Q(deleted_at=None)
            ),
            models.Index(
                fields=["user", "-total_tokens", "-id"], name="chat_user_tokens", condition=models.Q(deleted_at=None)
            ),
            models.Index(
                fields=["user", "model", "-updated_at", "-id"],
                name="chat_user_model",
                condition=models.Q(deleted_at=None),
            ),
        ]

    def __str__(self) -> str:
        return self.title or "Untitled chat"

    def rename(self, title: str) -> None:
        """Gives it another title; the change is newer than what any client knows, whatever its clock says."""
        later = Greatest(Now(), F("updated_at") + timedelta(milliseconds=1))
        milliseconds = Func(Value("milliseconds"), later, function="date_trunc", output_field=models.DateTimeField())
        Chat.objects.filter(pk=self.pk).update(title=title, updated_at=milliseconds)
        # The index has words of its title where it has those of its messages.
        SearchEntry.objects.filter(pk=self.pk).update(words=words_of(title))
        self.refresh_from_db()

    @property
    def plain_title(self) -> str:
        """The title for where no markup can hold it: without what turns the direction of text, or breaks lines."""
        return " ".join("".join(letter for letter in self.title if category(letter) not in TURNING).split())


class Role(models.TextChoices):
    USER = "user", "User"
    ASSISTANT = "assistant", "Assistant"
    SYSTEM = "system", "System"
    TOOL = "tool", "Tool"


class Message(TenantModel):
    """One message at its place in a chat; the same message is the one whose chat and client id agree.

    Cost is in US dollars, duration in milliseconds; both as the client reported them, as are the tokens.
    """

    chat = models.ForeignKey(Chat, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    position = models.IntegerField()
    client_id = models.CharField(max_length=MAX_ID)
    role = models.CharField(max_length=16, choices=Role)
    content = models.TextField()
    sent_at = models.DateTimeField()
    cost = models.DecimalField(max_digits=20, decimal_places=12, null=True)
    duration = models.FloatField(null=True)
    reasoning = models.TextField(null=True)
    model = models.CharField(max_length=MAX_MODEL, null=True)
    input_tokens = models.BigIntegerField(null=True)
    reasoning_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True)
    metadata = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "chat", "client_id"], name="message_identity_unique"),
        ]
        indexes = [models.Index(fields=["user", "chat", "position"], name="message_chat_order")]

    def __str__(self) -> str:
        return f"{self.role}, {self.sent_at:%Y-%m-%d %H:%M}"


class SearchEntry(TenantModel):
    """The words of one message, or of a chat's title, in the index; its `id` is the message's or the chat's.

    Kept apart because making it costs four times what storing the message does: `index_chats` writes it
    after a hand-over, and until then a search reads the messages themselves.
    """

    chat = models.ForeignKey(Chat, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    words = WordsField()

    class Meta:
        indexes = [models.Index(fields=["user", "chat"], name="searchentry_chat")]


class SharedLink(TenantModel):
    """A link that shows one chat to whoever has it, until it ends or is withdrawn (the row goes).

    Of its token only the SHA-256 is kept, and the last characters, by which its owner tells it from others.
    """

    chat = models.ForeignKey(Chat, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    token_hash = models.BinaryField()
    ending = models.CharField(max_length=8)
    with_reasoning = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["token_hash", "user"], name="sharedlink_token_unique")]
        indexes = [models.Index(fields=["user", "chat"], name="sharedlink_chat")]

    def __str__(self) -> str:
        return f"…{self.ending}"

    @property
    def has_ended(self) -> bool:
        return self.expires_at <= timezone.now()


class Source(models.TextChoices):
    MIGRATION = "migration", "Hand-over"
    SYNC = "sync", "Sync"
    COMMAND = "command", "Command"
    DEMO = "demo", "Demo data"


class HandoverQuerySet(models.QuerySet["Handover"]):
    def latest_first(self) -> "HandoverQuerySet":
        return self.order_by("-started_at", "-id")

    def brought(self) -> "HandoverQuerySet":
        """Those that somebody asked for, and not a client that keeps itself in step."""
        return self.exclude(source=Source.SYNC)


class Handover(TenantModel):
    """One payload that a browser handed over: how far it came and what became of it.

    `reference` is what its owner's pages call it; the browser chooses it, to follow a hand-over that it is sending.
    `moved_at` is when it last came any further. `errors` (faults as JSON; once sentences) and `warnings` name the
    person's chats, `deleted_keys` the providers of keys that stayed away. `preferences` is what the payload's config
    asked for, without any key: a repeat of it is no wish to change what was changed here since.
    """

    operator_columns: ClassVar[tuple[str, ...]] = (
        "id", "user_id", "source", "payload_bytes", "received_chats", "received_messages", "done_chats",
        "migrated_chats", "migrated_messages", "migrated_keys", "skipped_chats", "error_count",
        "rejected_chats", "started_at", "moved_at", "finished_at",
    )  # fmt: skip

    reference = models.UUIDField(db_default=RandomUUID(), editable=False)
    source = models.CharField(max_length=16, choices=Source)
    payload_bytes = models.BigIntegerField()
    received_chats = models.IntegerField()
    received_messages = models.IntegerField()
    done_chats = models.IntegerField(default=0)
    migrated_chats = models.IntegerField(default=0)
    migrated_messages = models.IntegerField(default=0)
    migrated_keys = models.IntegerField(default=0)
    skipped_chats = models.IntegerField(default=0)
    rejected_chats = models.IntegerField(default=0)
    deleted_keys = models.JSONField(default=list)
    error_count = models.IntegerField(default=0)
    errors = models.JSONField(default=list)
    warnings = models.JSONField(default=list)
    preferences = models.JSONField(null=True)
    started_at = models.DateTimeField(db_default=Now(), editable=False)
    moved_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    objects = HandoverQuerySet.as_manager()

    class Meta:
        verbose_name = "hand-over"
        constraints = [models.UniqueConstraint(fields=["user", "reference"], name="handover_reference_unique")]
        indexes = [
            models.Index(fields=["user", "-started_at"], name="handover_user_newest"),
            # For the hourly count of all: next to nothing to keep, and no person is found by it.
            BrinIndex(fields=["started_at"], autosummarize=True, name="handover_started"),
        ]

    def __str__(self) -> str:
        return f"{self.get_source_display()}, {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def to_take(self) -> int:
        """The chats that can be taken, of which `done_chats` are."""
        return self.received_chats - self.rejected_chats

    @property
    def updated_chats(self) -> int:
        """Chats that were here and got newer text or more messages; of a hand-over that ended."""
        return max(0, self.to_take - self.migrated_chats - self.skipped_chats)

    @property
    def state(self) -> Literal["under way", "stopped", "complete", "partial", "unchanged"]:
        """How it stands. What has not moved for `STILL` has stopped: its server or its connection is gone."""
        if self.finished_at is None:
            return "stopped" if timezone.now() - self.moved_at > STILL else "under way"
        if self.error_count:
            return "partial"
        new = self.migrated_chats or self.migrated_messages or self.migrated_keys or self.updated_chats
        return "complete" if new else "unchanged"
