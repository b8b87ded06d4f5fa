"""Recognise files of other formats that are called .t7, by their first bytes."""

from __future__ import annotations

import codecs
from typing import Final, NamedTuple

HEAD: Final = 512
"""The number of bytes examined."""


class OtherFormat(NamedTuple):
    """A format that is not Torch7's."""

    name: str
    advice: str
    """What to do next."""
    is_text: bool = False
    """Whether it is text, so that it may be an argument file."""


_AGAIN: Final = "name the file that Torch7 saved"
_UNPACK: Final = "unpack it first"
_SOURCE: Final = "look for the .t7 that it was made from"
_ANSWER: Final = "what a server sent instead of the file; download it again"
_T7_JSON: Final = OtherFormat(
    "JSON", "`dqn-port t7 convert` turns what it has written back into a .t7", is_text=True
)
PYTORCH: Final = OtherFormat(
    "a PyTorch file", "evaluate, play and --network take what export-weights wrote, with --args"
)

_BEGINNINGS: Final = {
    b"version https://git-lfs": OtherFormat(
        "a Git LFS pointer, not the file itself", "fetch that with `git lfs pull`"
    ),
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19": OtherFormat("an old PyTorch file", _SOURCE),
    b"\x80": OtherFormat("a Python pickle, which could run code", _SOURCE),
    b"\x1f\x8b": OtherFormat("a gzip file", f"{_UNPACK}, with gunzip"),
    b"BZh": OtherFormat("a bzip2 file", f"{_UNPACK}, with bunzip2"),
    b"\xfd7zXZ": OtherFormat("an xz file", f"{_UNPACK}, with unxz"),
    b"(\xb5/\xfd": OtherFormat("a zstd file", f"{_UNPACK}, with unzstd"),
    b"7z\xbc\xaf": OtherFormat("a 7z archive", _UNPACK),
    b"Rar!": OtherFormat("a rar archive", _UNPACK),
    b"\x89HDF": OtherFormat("an HDF5 file", "`dqn-port history show` reads what it has exported"),
    b"\x93NUMPY": OtherFormat("a NumPy array", _AGAIN),
    b"\x89PNG": OtherFormat("a PNG picture", _AGAIN),
    b"\xff\xd8\xff": OtherFormat("a JPEG picture", _AGAIN),
    b"GIF8": OtherFormat("a GIF picture", _AGAIN),
    b"%PDF": OtherFormat("a PDF document", _AGAIN),
    b"\x7fELF": OtherFormat("a program or a library (ELF)", _AGAIN),
    b"\x1bL": OtherFormat("compiled Lua", _AGAIN),
    b"\0\x05\x16\x07": OtherFormat("what macOS keeps beside a file NAME as ._NAME", "name NAME"),
    b"#!": OtherFormat("a script", _AGAIN, is_text=True),
    b"<?xml": OtherFormat("XML", _ANSWER),
    b"<!doctype html": OtherFormat("a web page", _ANSWER),
    b"<html": OtherFormat("a web page", _ANSWER),
    b"{": _T7_JSON,
    b"[": _T7_JSON,
}
"""First bytes, in lower case for text → the format."""


def other_format(head: bytes) -> OtherFormat | None:
    """Return the format of a file by its first HEAD bytes; None if unknown.

    An ASCII .t7 must be recognised before.
    """
    if not head:
        return OtherFormat("an empty file", "copy or download it again")
    if len(head) == HEAD and not any(head):
        return OtherFormat("zeros, of a copy or a download that broke off", "fetch it again")
    if head.startswith(b"PK\x03\x04"):
        return _zip(head)
    if head[257:262] == b"ustar":
        return OtherFormat("a tar archive", _UNPACK)
    if head[8:10] == b'{"':
        return OtherFormat("a safetensors file", _SOURCE)
    text = _text(head)
    written = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for beginning, found in _BEGINNINGS.items():
        if head.startswith(beginning) or written.startswith(beginning):
            return found
    if text is None:
        return None
    return OtherFormat(f"a text that begins with {text[:40]!a}", _AGAIN, is_text=True)


def _zip(head: bytes) -> OtherFormat:
    """Return the kind of a zip archive by the name of its first entry."""
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if b"/data" in name:
        return PYTORCH
    if name.endswith(b".npy"):
        return OtherFormat("an archive of NumPy arrays", _AGAIN)
    return OtherFormat("a zip archive", _UNPACK)


def _text(head: bytes) -> str | None:
    """Return the bytes as text, whose last character may be incomplete; None if they are not."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return None
    return text if "".join(text.split()).lstrip("\ufeff").isprintable() else None
