"""Takes an uploaded store or payload into memory and nowhere else: it carries keys, which never touch a disk."""

from collections.abc import Mapping
from typing import Any

from django.core.files.uploadhandler import MemoryFileUploadHandler

from chats.payload import MAX_BYTES

FORM_MAX_BYTES = MAX_BYTES + 64 * 1024  # with the multipart form around the file


class InMemoryHandler(MemoryFileUploadHandler):
    """Keeps a file in memory whatever its size; whoever uses it has looked at `FORM_MAX_BYTES` first."""

    def handle_raw_input(
        self,
        input_data: Any,
        META: Mapping[str, str],  # noqa: N803  (Django's name)
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> None:
        """Feel responsible for every file."""
        self.activated = True
