"""Takes over what a browser kept for somebody who had no account: chats, keys and settings.

Everything here may be repeated, stopped at any moment and run several times at once; it ends in the same
state. A payload is read and checked as a whole first (`chats/payload.py`), then merged chunk by chunk
(`chats/loading.py`), each chunk and the progress it made in one transaction.
"""

import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from django.db import DatabaseError, IntegrityError
from django.db.models import F, Q
from django.db.models.functions import Now
from django.http import UnreadablePostError

from accounts import audit
from accounts.arrivals import claim
from accounts.models import AnonymousSession
from apikeys.models import ApiKey
from apikeys.watching import look_through_later
from chats import browser_config
from chats.loading import Loaded
from chats.models import Chat, Handover, Source
from chats.payload import MAX_BYTES, Fault, Payload, ShapeError, TooLargeError
from chats.scanning import Buffer, NotJsonError
from chats.spool import CHUNK_MESSAGES, Chunk, Spool
from chats.staging import staging
from chats.tasks import index_later
from wavelength.ids import uuid7
from wavelength.metrics import HANDOVERS
from wavelength.tallies import Happened, tally
from wavelength.tenancy import tenant

READ_BYTES = 1024 * 1024
KEPT_SENTENCES = 1_000
TWICE = "stands in the payload twice, by its own id and by the one it is shown with; the first was taken."


class BodyTooLargeError(Exception):
    """The body is larger than a payload may be."""


# Why nothing of a payload could be taken, as the analytics say it.
REASONS: Final[Sequence[tuple[type[Exception], str]]] = (
    (BodyTooLargeError, "larger than 100 MiB"),
    (UnreadablePostError, "did not arrive whole"),
    (NotJsonError, "not JSON"),
    (ShapeError, "not a hand-over"),
    (TooLargeError, "too many chats or messages"),
    (DatabaseError, "the database"),
    (Exception, "a fault of ours"),
)


@dataclass(slots=True)
class Report:
    """What became of a payload. Counts say only what was new; `faults` is what could not be taken.

    `deleted_keys` are the providers of keys that were deleted here before and therefore stayed away.
    """

    migrated_chats: int = 0
    migrated_messages: int = 0
    migrated_keys: int = 0
    skipped_chats: int = 0
    deleted_keys: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def success(self) -> bool:
        return not self.faults


@dataclass(frozen=True, slots=True)
class Status:
    """What a person has taken over so far."""

    first: Handover | None
    anonymous_ids: list[str]
    total_chats: int
    total_messages: int
    total_keys: int


def take_over(
    *,
    user_id: UUID,
    body: Buffer,
    source: Source,
    store: bool = False,
    reference: UUID | None = None,
    chunk_messages: int = CHUNK_MESSAGES,
    on_progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Merges a payload into a person's chats, keys and settings; call it outside any transaction.

    `store` accepts the browser's raw store beside the API's body, as files do. `reference` names the hand-over to
    whoever follows it meanwhile; one of a name that is taken is refused (IntegrityError). `on_progress` hears of
    messages done and messages in all. Raises NotJsonError, ShapeError or TooLargeError (see chats/payload.py), and then
    nothing was stored.
    """
    HANDOVERS.labels("tried").inc()
    store = store or source in (Source.COMMAND, Source.DEMO)
    with ExitStack() as stack:
        # The database takes the first chunk while the rest is being read, and keeps nothing when that fails.
        with _failures_told(Exception), tenant(user_id), staging(user_id) as staged:
            spool = Spool(staged, chunk_messages)
            payload = stack.enter_context(Payload(body, user_id=user_id, sink=spool, store=store))
            first, *others = spool.chunks
            loaded = staged.merge()
            handover = _start(user_id, source, len(body), payload, reference)
            report = Report(faults=payload.faults, warnings=payload.warnings)
            _note(first, loaded, handover, report)
        done = _told(on_progress, first.messages, spool.messages)
        for chunk in others:
            with tenant(user_id), staging(user_id) as staged:
                for lines in spool.message_lines.pieces(chunk.messages_start, chunk.messages_end):
                    staged.messages(lines)
                loaded = staged.merge(spool.chat_lines.pieces(chunk.chats_start, chunk.chats_end))
                _note(chunk, loaded, handover, report)
            done = _told(on_progress, done + chunk.messages, spool.messages)
        _finish(handover, payload, report)
    HANDOVERS.labels("succeeded" if report.success else "partly").inc()
    return report


def status_of(user_id: UUID) -> Status:
    """What stands in the account, and since when."""
    with tenant(user_id):
        handed_over = Handover.objects.exclude(Q(finished_at=None) | Q(source=Source.SYNC))
        totals = Chat.objects.present().totals()
        return Status(
            first=handed_over.order_by("finished_at").first(),
            anonymous_ids=list(
                AnonymousSession.objects.filter(claimed_by_id=user_id)
                .order_by("claimed_at", "id")
                .values_list("anonymous_id", flat=True)
            ),
            total_chats=totals["chats"],
            total_messages=totals["messages"],
            total_keys=ApiKey.objects.count(),
        )


def read_body(stream: BinaryIO, length: int | None) -> mmap.mmap:
    """The body in memory, because it carries keys; close it when done.

    `length` is what was announced, None when nothing was. Raises BodyTooLargeError, before reading when announced, or
    UnreadablePostError.
    """
    with _failures_told(BodyTooLargeError, UnreadablePostError):
        return _read(stream, length)


def _read(stream: BinaryIO, length: int | None) -> mmap.mmap:
    if length is not None and length > MAX_BYTES:
        raise BodyTooLargeError
    # Pages of it come into being as they are written.
    memory = mmap.mmap(-1, max(1, MAX_BYTES if length is None else length), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    size = 0
    try:
        while piece := stream.read(READ_BYTES):
            size += len(piece)
            if size > len(memory):
                raise BodyTooLargeError
            memory.write(piece)
        memory.resize(max(1, size))
    except BaseException:
        memory.close()
        raise
    return memory


@contextmanager
def _failures_told(*kinds: type[Exception]) -> Iterator[None]:
    """Counts what fails here for the analytics: what fails later leaves a hand-over that stopped."""
    try:
        yield
    except kinds as error:
        # Where a name is taken, it was sent twice and the other one does it.
        if not isinstance(error, IntegrityError):
            tally(Happened("handover.failed", next(why for kind, why in REASONS if isinstance(error, kind))))
        raise


def _start(user_id: UUID, source: Source, size: int, payload: Payload, reference: UUID | None) -> Handover:
    return Handover.objects.create(
        user_id=user_id,
        reference=reference or uuid7(),
        source=source,
        payload_bytes=size,
        received_chats=payload.received_chats,
        received_messages=payload.received_messages,
        rejected_chats=payload.rejected_chats,
    )


def _note(chunk: Chunk, loaded: Loaded, handover: Handover, report: Report) -> None:
    """Notes what one chunk brought, in the transaction that brought it."""
    Handover.objects.filter(pk=handover.pk).update(
        done_chats=F("done_chats") + chunk.chats,
        moved_at=Now(),
        migrated_chats=F("migrated_chats") + loaded.new_chats,
        migrated_messages=F("migrated_messages") + loaded.new_messages,
        skipped_chats=F("skipped_chats") + loaded.skipped_chats,
        rejected_chats=F("rejected_chats") + len(loaded.twice),
    )
    report.migrated_chats += loaded.new_chats
    report.migrated_messages += loaded.new_messages
    report.skipped_chats += loaded.skipped_chats
    report.faults += [Fault(("chats", index), f"Chat {index + 1}", TWICE) for index in loaded.twice]


def _told(on_progress: Callable[[int, int], None] | None, done: int, total: int) -> int:
    if on_progress:
        on_progress(done, total)
    return done


def _finish(handover: Handover, payload: Payload, report: Report) -> None:
    """Keys, settings, the anonymous id and the end of the hand-over, in one transaction."""
    user_id = handover.user_id
    with tenant(user_id):
        keys = browser_config.store_keys(user_id, payload.config)
        report.migrated_keys, report.deleted_keys = len(keys.new), keys.deleted
        report.faults += keys.refused
        report.warnings += browser_config.store_preferences(handover, payload.config)
        if handover.source == Source.MIGRATION or payload.anonymous_id:
            _claim(payload.anonymous_id, user_id)
        handover.migrated_keys = report.migrated_keys
        handover.deleted_keys = report.deleted_keys
        handover.errors = [fault.as_kept() for fault in report.faults[:KEPT_SENTENCES]]
        handover.error_count = len(report.faults)
        handover.warnings = report.warnings[:KEPT_SENTENCES]
        handover.finished_at = Now()
        handover.moved_at = Now()
        fields = ("preferences", "migrated_keys", "deleted_keys", "errors", "error_count", "warnings", "finished_at")
        handover.save(update_fields=[*fields, "moved_at"])
        audit.record(
            user_id,
            "handover.finished",
            source=handover.source,
            chats=report.migrated_chats,
            messages=report.migrated_messages,
            keys=report.migrated_keys,
            errors=handover.error_count,
        )
        if keys.new:
            look_through_later(user_id)
        if Chat.objects.filter(indexed=False).exists():
            index_later(user_id)


def _claim(anonymous_id: str, user_id: UUID) -> None:
    """Without an id, the account gets one of its own."""
    claim(anonymous_id=anonymous_id or str(uuid5(NAMESPACE_URL, f"wavelength:anonymous:{user_id}")), user_id=user_id)
