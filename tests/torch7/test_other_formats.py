"""Files that are called .t7 and are none: the error says what they are and what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from dqn_port.errors import ArgsError, T7Error
from dqn_port.systems.lua_dqn.drafts import Draft
from dqn_port.systems.lua_dqn.old_arguments import read_options_file
from dqn_port.torch7 import dumps, load, loads
from dqn_port.torch7.other_formats import HEAD, other_format

AGAIN = "name the file that Torch7 saved"
SOURCE = "look for the .t7 that it was made from"
SENT = "what a server sent instead of the file; download it again"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 41000000\n"


def written(write):
    """Return the bytes of the file that ``write`` writes into."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def hdf5(file):
    with h5py.File(file, "w") as made:
        made["a"] = 1


def archive(file, name="a.t7"):
    with zipfile.ZipFile(file, "w") as made:
        made.writestr(name, b"\0")


def tar(file):
    with tarfile.open(fileobj=file, mode="w") as made:
        made.addfile(tarfile.TarInfo("a.t7"))


WEIGHTS = {"w": torch.zeros(2)}
BINARY = {
    "lfs": (LFS, "a Git LFS pointer, not the file itself; fetch that with `git lfs pull`"),
    "pytorch": (
        written(lambda file: torch.save(WEIGHTS, file)),
        "a PyTorch file; evaluate, play and --network take what export-weights wrote, with --args",
    ),
    "torchscript": (
        written(lambda file: archive(file, "linear/data/0")),
        "a PyTorch file; evaluate, play and --network take what export-weights wrote, with --args",
    ),
    "old pytorch": (
        written(lambda file: torch.save(WEIGHTS, file, _use_new_zipfile_serialization=False)),
        f"an old PyTorch file; {SOURCE}",
    ),
    "pickle": (pickle.dumps({"a": 1}), f"a Python pickle, which could run code; {SOURCE}"),
    "npz": (written(lambda file: np.savez(file, a=1)), f"an archive of NumPy arrays; {AGAIN}"),
    "npy": (written(lambda file: np.save(file, np.arange(3))), f"a NumPy array; {AGAIN}"),
    "zip": (written(archive), "a zip archive; unpack it first"),
    "tar": (written(tar), "a tar archive; unpack it first"),
    "gzip": (gzip.compress(b"\0"), "a gzip file; unpack it first, with gunzip"),
    "bzip2": (bz2.compress(b"\0"), "a bzip2 file; unpack it first, with bunzip2"),
    "xz": (lzma.compress(b"\0"), "an xz file; unpack it first, with unxz"),
    "zstd": (b"(\xb5/\xfd\x04\x00", "a zstd file; unpack it first, with unzstd"),
    "7z": (b"7z\xbc\xaf'\x1c\x00", "a 7z archive; unpack it first"),
    "rar": (b"Rar!\x1a\x07\x01\x00", "a rar archive; unpack it first"),
    "hdf5": (written(hdf5), "an HDF5 file; `dqn-port history show` reads what it has exported"),
    "safetensors": (b"\x20\x10\0\0\0\0\0\0" + b'{"w":{"dtype"', f"a safetensors file; {SOURCE}"),
    "png": (b"\x89PNG\r\n\x1a\n", f"a PNG picture; {AGAIN}"),
    "jpeg": (b"\xff\xd8\xff\xe0", f"a JPEG picture; {AGAIN}"),
    "gif": (b"GIF89a\x01\x00", f"a GIF picture; {AGAIN}"),
    "pdf": (b"%PDF-1.4\n%\xe2\xe3", f"a PDF document; {AGAIN}"),
    "elf": (b"\x7fELF\x02\x01\x01\x00", f"a program or a library (ELF); {AGAIN}"),
    "lua": (b"\x1bLJ\x01\x02", f"compiled Lua; {AGAIN}"),
    "macos": (b"\0\x05\x16\x07\0\x02", "what macOS keeps beside a file NAME as ._NAME; name NAME"),
    "page": (b"\n<!DOCTYPE html>\n<html><head>", f"a web page; {SENT}"),
    "old page": (b"<HTML>caf\xe9", f"a web page; {SENT}"),
    "xml": (b'\xef\xbb\xbf<?xml version="1.0"?><Error>', f"XML; {SENT}"),
    "zeros": (
        b"\0" * 4096, "zeros, of a copy or a download that broke off; fetch it again"),
}  # fmt: skip
TEXTS = {
    "json": (
        json.dumps({"a": 1}).encode(),
        "JSON; `dqn-port t7 convert` turns what it has written back into a .t7",
    ),
    "script": (b"#!/bin/bash\nth train_agent.lua\n", f"a script; {AGAIN}"),
    "text": (
        "require 'torch'  -- é".encode() * 40,
        f"a text that begins with \"require 'torch'  -- \\xe9require 'torch'  --\"; {AGAIN}",
    ),
}


@pytest.mark.parametrize("name", BINARY | TEXTS)
def test_it_is_told(name):
    content, said = (BINARY | TEXTS)[name]
    with pytest.raises(T7Error) as caught:
        loads(content, name="a.t7")
    assert str(caught.value) == f"a.t7: expected a Torch7 file, got {said}"
    assert caught.value.offset == 0


def test_an_empty_file():
    with pytest.raises(T7Error) as caught:
        loads(b"", name="a.t7")
    assert str(caught.value) == (
        "a.t7: expected a Torch7 file, got an empty file; copy or download it again"
    )


@pytest.mark.parametrize("name", [name for name in BINARY if name != "zeros"])
def test_an_argument_file_is_none_of_them_either(tmp_path, name):
    content, said = BINARY[name]
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ArgsError) as caught:
        read_options_file(Draft(), path)
    assert str(caught.value) == f"{path}: expected JSON or a Torch7 file, got {said}"


def test_no_file_of_torch7_is_taken_for_one():
    paths = list((Path(__file__).parent.parent / "golden" / "t7").glob("*.t7"))
    assert len(paths) > 20
    for path in paths:
        load(path, all_objects=True)
    for value in (None, 1.0, "{", [], True):
        assert other_format(dumps(value)[:HEAD]) is None
    assert loads(dumps([None] * 100, all_objects=True), all_objects=True) == [None] * 100
