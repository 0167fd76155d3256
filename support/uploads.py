"""Files on their way in: held in memory, stopped while they arrive, never written to a disk (SEC-E5, SEC-E6, SEC-E9).

`InMemory` serves the whole site (FILE_UPLOAD_HANDLERS). Killed at any moment, it leaves nothing behind.
"""

import io
import re
from typing import Any

from django.core.exceptions import RequestDataTooBig, ValidationError
from django.core.files.uploadedfile import InMemoryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from support.reading import MAX_BYTES, SENTENCES, ProofRefused

MAX_REQUEST = 3 * MAX_BYTES  # all its files and fields together


class TooLarge(UploadedFile):
    """What is left of a file that was too large: a field that asks for it gets an error, its form keeps the rest."""

    def __init__(self, name: str, content_type: str) -> None:
        super().__init__(None, name, content_type)

    @property
    def size(self) -> int:
        raise ValidationError(SENTENCES["large"], code="large")

    @size.setter
    def size(self, value: int | None) -> None:
        pass

    def read(self, *args: Any) -> bytes:
        raise ProofRefused("large")

    seek = open = chunks = multiple_chunks = read

    def close(self) -> None:
        pass


class InMemory(FileUploadHandler):
    """Up to 8 MB a file; of a larger one nothing is kept. A request of more than 24 MB is not read at all (413).

    The name that the client gave stops here: only its extension goes on.
    """

    def handle_raw_input(
        self, input_data: Any, META: dict, content_length: int, boundary: bytes, encoding: str | None = None
    ) -> None:
        if content_length > MAX_REQUEST:
            raise RequestDataTooBig("request of more than 24 MB")

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        super().new_file(field_name, plain_name(file_name), *args, **kwargs)
        self.received = 0
        self.file = io.BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.received += len(raw_data)
        if self.received <= MAX_BYTES:
            self.file.write(raw_data)
        else:
            self.file = io.BytesIO()

    def file_complete(self, file_size: int) -> UploadedFile:
        if self.received > MAX_BYTES:
            return TooLarge(self.file_name, self.content_type)
        self.file.seek(0)
        return InMemoryUploadedFile(
            self.file, self.field_name, self.file_name, self.content_type, file_size, self.charset
        )


def plain_name(name: str) -> str:
    """`fichier.pdf`: an extension of a few letters and nothing else of what the client wrote."""
    extension = name.rpartition(".")[2].lower()
    return f"fichier.{extension}" if re.fullmatch(r"[a-z0-9]{1,5}", extension, re.ASCII) else "fichier"
