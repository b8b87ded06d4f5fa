"""What damaged files say: byte, object path, expected and got, in one line."""

# ruff: noqa: E501  (an error stands whole on its line)

from __future__ import annotations

import pytest

from dqn_port.errors import T7Error
from dqn_port.torch7 import dumps, load, loads
from tests.torch7.t7_building import FILES, NIL, field, table
from tests.torch7.t7_building import LITTLE as L

GENERATOR = L.torch(1, b"torch.Generator")
FUNCTION = L.ints(8, 1) + L.text(b"abc")
NET = table(
    1,
    field(b"agent", L.torch(2, b"dqn.NeuralQLearner") + table(
        3,
        field(b"network", L.torch(4, b"nn.Sequential") + table(
            5, field(b"modules", table(
                6,
                (L.number(1.0), L.torch(7, b"nn.Reshape") + table(8)),
                (L.number(2.0), L.torch(9, b"nn.Linear") + table(
                    10,
                    field(b"weight", L.tensor(11, b"Float", (4, 5), (5, 1)) + L.storage(
                        12, b"Float", 20, b"\0" * 80)),
                )),
            )),
        )),
    )),
)  # fmt: skip


def refused(data, **options):
    with pytest.raises(T7Error) as caught:
        loads(data, name="a.t7", **options)
    text = str(caught.value)
    assert text.splitlines() == [text]
    return text, caught.value


BINARY_FAULTS = {
    "neither": (
        b"\xfe\x03\x04\x05", "byte 0, at the top: expected the tag of a Torch7 object, an int of 0 to 8 in "
        "binary or a digit and a newline in ASCII, got '\\xfe\\x03\\x04\\x05'",
    ),
    "short": (
        b"\x00\x00", "byte 0, at the top: expected the tag of a Torch7 object, an int of 0 to 8 in "
        "binary or a digit and a newline in ASCII, got '\\x00\\x00'",
    ),
    "number cut": (L.number(1.0)[:-1], "byte 4, at the top: expected 8 bytes of a number, got only 7 more bytes"),
    "tag": (
        table(1, field(b"a", L.ints(9))), "byte 21, at a: expected a tag of 0 to 8, got 9"),
    "negative tag": (
        table(1, field(b"a", L.ints(-1))), "byte 21, at a: expected a tag of 0 to 8, got -1"),
    "boolean": (L.ints(5, 2), "byte 4, at the top: expected a boolean, 0 or 1, got 2"),
    "string of -1": (
        L.ints(2, -1) + b"the rest", "byte 4, at the top: expected a string's length of 0 or more, got -1"),
    "string cut": (
        L.ints(2, 5) + b"four", "byte 4, at the top: expected 5 bytes of string, got only 4 more bytes"),
    "string of 2 GB": (
        L.ints(2, 2**31 - 1), "byte 4, at the top: expected 2147483647 bytes of string, got the end of the file"),
    "negative count": (
        L.ints(3, 1, -1), "byte 8, at the top: expected a table's number of pairs of 0 or more, got -1"),
    "count": (
        L.ints(3, 1, 2**31 - 1) + NIL, "byte 8, at the top: expected 2147483647 pairs, 12 bytes each or "
        "more, got only 4 more bytes"),
    "key nil": (
        table(1, (NIL + NIL, NIL)), "byte 12, at (key 1): expected a key that is not nil or NaN, got nil"),
    "key nan": (
        table(1, (L.number(float("nan")), NIL)),
        "byte 12, at (key 1): expected a key that is not nil or NaN, got NaN"),
    "key twice": (
        table(1, field(b"a", L.ints(5, 1)), field(b"a", L.ints(5, 1))),
        "byte 29, at (key 2): expected every key once, got .a again"),
    "index": (L.ints(3, 0, 0), "byte 4, at the top: expected the index of a table, 1 or more, got 0"),
    "index of another": (
        table(1, field(b"a", L.storage(2, b"Byte", 0)), field(b"b", L.ints(3, 2))),
        "byte 78, at b: expected the index of a table, got 2, that of <torch.ByteStorage of 0 elements>"),
    "table as object": (
        table(1, field(b"a", L.ints(4, 1))),
        "byte 25, at a: expected the index of a torch object, got 1, that of <LuaTable of 0 pairs>"),
    "class without a name": (
        L.torch(1, b""), "byte 15, at the top: expected the name of a class, got ''"),
    "class without fields": (
        L.torch(1, b"nn.Linear") + NIL,
        "byte 28, at the top: expected the table of fields of a nn.Linear, tag 3, got tag 0"),
    "upvalues": (
        FUNCTION + NIL, "byte 15, at the top: expected a function's table of upvalues, tag 3, got tag 0"),
    "upvalue": (
        FUNCTION + table(2, (L.number(1.0), L.ints(77))),
        "byte 39, at upvalues[1]: expected a tag of 0 to 8, got 77"),
    "function of another tag": (
        table(1, field(b"f", L.ints(8, 2) + L.text(b"") + table(3)), field(b"g", L.ints(7, 2))),
        "byte 58, at g: expected the index of a function of tag 7, got tag 8"),
    "generator cut": (
        GENERATOR + b"\0" * 5047,
        "byte 34, at the top: expected 5048 bytes of a torch.Generator of 64-bit Linux, got only 5047 more bytes"),
    "dimensions": (
        L.torch(1, b"torch.ByteTensor") + L.ints(65),
        "byte 35, at the top: expected a tensor of at most 64 dimensions, got 65"),
    "sizes cut": (
        L.torch(1, b"torch.ByteTensor") + L.ints(2) + L.longs(1),
        "byte 39, at the top: expected 16 bytes of a tensor's sizes, got only 8 more bytes"),
    "negative size": (
        L.tensor(1, b"Byte", (-1,), (1,)) + NIL,
        "byte 39, at the top: expected sizes of 0 or more, got -1"),
    "negative stride": (
        L.tensor(1, b"Byte", (2,), (-1,)) + NIL,
        "byte 39, at the top: expected strides of 0 or more, got -1"),
    "offset": (
        L.tensor(1, b"Byte", (2,), (1,), 0) + NIL,
        "byte 39, at the top: expected a storageOffset of 1 or more, got 0"),
    "no storage": (
        L.tensor(1, b"Byte", (2,), (1,)) + NIL,
        "byte 39, at the top: expected a view within the 0 elements of its storage, got one up to element 2"),
    "stride outside": (
        L.tensor(1, b"Byte", (2, 2), (2**62, 1)) + L.storage(2, b"Byte", 4, b"abcd"),
        "byte 39, at the top: expected a view within the 4 elements of its storage, got one up to element "
        "4611686018427387906"),
    "offset outside": (
        L.tensor(1, b"Byte", (2,), (1,), 4) + L.storage(2, b"Byte", 4, b"abcd"),
        "byte 39, at the top: expected a view within the 4 elements of its storage, got one up to element 5"),
    "storage of -1": (
        L.storage(1, b"Float", -1) + b"\0" * 80,
        "byte 37, at the top: expected a storage's number of elements, 0 or more, got -1"),
    "storage cut": (
        L.storage(1, b"Float", 20, b"\0" * 79),
        "byte 37, at the top: expected 80 bytes of 20 elements of a torch.FloatStorage, got only 79 more bytes"),
    "storage of 2^63": (
        L.storage(1, b"Double", 2**63 - 1),
        "byte 38, at the top: expected 73786976294838206456 bytes of 9223372036854775807 elements of a "
        "torch.DoubleStorage, got the end of the file"),
    "storage of another class": (
        L.tensor(1, b"Float", (2,), (1,)) + L.storage(2, b"Double", 2, b"\0" * 16),
        "byte 72, at the top: expected a torch.FloatStorage, got 'torch.DoubleStorage'"),
    "storage that is a table": (
        L.tensor(1, b"Byte", (2,), (1,)) + table(2),
        "byte 63, at the top: expected a torch.ByteStorage or nil, got tag 3"),
    "storage that is the tensor": (
        L.tensor(1, b"Byte", (2,), (1,)) + L.storage(1, b"Byte", 2, b"ab"),
        "byte 39, at the top: expected a new index for a tensor's storage, got the tensor's own, 1"),
    "vector": (
        L.torch(1, b"tds.Vec") + L.longs(2**61),
        "byte 26, at the top: expected 2305843009213693952 elements, 4 bytes each or more, got the end of the file"),
    "vector's element": (
        L.torch(1, b"tds.Vec") + L.longs(2) + NIL + L.ints(99),
        "byte 38, at [2]: expected a tag of 0 to 8, got 99"),
    "hash of -1": (
        L.torch(1, b"tds.Hash") + L.longs(-1),
        "byte 27, at the top: expected the number of elements of a tds.Hash, 0 or more, got -1"),
    "trailing": (
        L.number(1.0) + b"x",
        "byte 12, at the top: expected the end of the file after one object, got 1 more byte; a file of "
        "several objects is read with all_objects=True"),
    "odd names": (
        table(1, (L.string(b"a-\xff\n"), table(2, (L.number(2.5), table(3, (L.ints(5, 1), L.ints(50))))))),
        "byte 68, at [\"a-\\udcff\\n\"][2.5][true]: expected a tag of 0 to 8, got 50"),
    "file cut": (
        NET[:-1], f"byte {len(NET) - 88}, at agent.network.modules[2].weight: expected 80 bytes of 20 "
        "elements of a torch.FloatStorage, got only 79 more bytes"),
    "cut in a key": (
        NET[:86], "byte 78, at agent.(key 1): expected 7 bytes of string, got only 4 more bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", BINARY_FAULTS)
def test_a_damaged_binary_file(name):
    data, expected = BINARY_FAULTS[name]
    text, error = refused(data)
    assert text == f"a.t7: {expected}"
    assert f"byte {error.offset}," in text
    assert error.exit_code == 1


ASCII_FAULTS = {
    "number without its newline": (
        b"1\n84", "byte 2, at the top: expected a number and a newline, got '84' and the end of the file"),
    "tag without its newline": (
        b"3\n1\n1\n2\n1\na\n1", "byte 12, at a: expected a tag and a newline, got '1' and the end of the file"),
    "tag": (b"3\n1\n1\n2\n1\na\n9\n", "byte 12, at a: expected a tag of 0 to 8, got 9"),
    "number": (b"1\n1_0\n", "byte 2, at the top: expected a number, got '1_0'"),
    "digits of another script": (
        "1\n٣\n".encode(), "byte 2, at the top: expected a number, got '\\xd9\\xa3'"),
    "hexadecimal": (b"1\n0x10\n", "byte 2, at the top: expected a number, got '0x10'"),
    "empty line": (b"1\n\n", "byte 2, at the top: expected a number, got ''"),
    "blank before": (b"1\n 1\n", "byte 2, at the top: expected a number: 1 number, got 2 words"),
    "int too large": (
        b"2\n2147483648\n", "byte 2, at the top: expected a string's length: numbers that int32 holds, got 2147483648"),
    "int with a fraction": (b"2\n1.0\n", "byte 2, at the top: expected a string's length, got '1.0'"),
    "many digits": (
        b"2\n" + b"1" * 5000 + b"\n",
        "byte 2, at the top: expected a string's length and a newline, got '1111111111111111111111'"),
    "string cut": (
        b"2\n5\nfive\n", "byte 2, at the top: expected 6 bytes of string and a newline, got only 5 more bytes"),
    "string longer": (b"2\n3\nfour\n", "byte 7, at the top: expected a newline after 3 bytes of string, got 'r'"),
    "elements": (
        b"4\n1\n3\nV 1\n17\ntorch.LongStorage\n3\n10 20\n",
        "byte 33, at the top: expected 3 elements of a torch.LongStorage: 3 numbers, got 2 words"),
    "more elements": (
        b"4\n1\n3\nV 1\n17\ntorch.LongStorage\n2\n1 2 3\n",
        "byte 33, at the top: expected 2 elements of a torch.LongStorage: 2 numbers, got 3 words"),
    "elements without a newline": (
        b"4\n1\n3\nV 1\n17\ntorch.LongStorage\n2\n1 23",
        "byte 33, at the top: expected 2 elements of a torch.LongStorage and a newline, got '1 23' and the end of the file"),
    "elements missing": (
        b"4\n1\n3\nV 1\n17\ntorch.LongStorage\n9\n1 2 3 4\n",
        "byte 31, at the top: expected 18 bytes of 9 elements of a torch.LongStorage, got only 8 more bytes"),
    "an element": (
        b"4\n1\n3\nV 1\n18\ntorch.FloatStorage\n3\n1 0x2 3\n",
        "byte 36, at the top: expected 3 elements of a torch.FloatStorage: a number, got '0x2'"),
    "an element too large": (
        b"4\n1\n3\nV 1\n16\ntorch.IntStorage\n2\n1 2147483648\n",
        "byte 32, at the top: expected 2 elements of a torch.IntStorage: numbers that int32 holds, got 2147483648"),
    "sizes": (
        b"4\n1\n3\nV 1\n17\ntorch.FloatTensor\n2\n2  3\n3 1\n1\n0\n",
        "byte 33, at the top: expected a tensor's sizes: 2 numbers, got 3 words"),
    "trailing": (
        b"0\n\n", "byte 2, at the top: expected the end of the file after one object, got 1 more byte; a "
        "file of several objects is read with all_objects=True"),
}  # fmt: skip


@pytest.mark.parametrize("name", ASCII_FAULTS)
def test_a_damaged_ascii_file(name):
    data, expected = ASCII_FAULTS[name]
    text, error = refused(data)
    assert text == f"a.t7: {expected}"
    assert f"byte {error.offset}," in text


def test_the_path_of_the_error_is_told():
    _, error = refused(NET[:-1])
    assert error.path == "agent.network.modules[2].weight"
    assert error.offset == len(NET) - 88
    assert loads(NET)["agent"]["network"]["modules"][2]["weight"].size == (4, 5)


def test_every_cut_of_a_file_is_an_error():
    for path in FILES:
        data = path.read_bytes()
        if len(data) < 2000:
            # An empty tensor cut by 4 bytes is, byte for byte, one with longs of 4 bytes.
            whole = len(data) - 4 if path.name == "zero_dim.t7" else -1
            for end in {*range(len(data))} - {whole}:
                refused(data[:end])


def test_a_later_object_is_told_by_its_number():
    text, error = refused(L.number(1.0) + table(1, field(b"a", L.ints(9))), all_objects=True)
    assert text == "a.t7: byte 33, at (object 2).a: expected a tag of 0 to 8, got 9"
    assert error.path == "(object 2).a"


def test_a_very_deep_place_is_told_by_its_ends():
    data = b"".join(L.ints(3, k, 1) + L.string(b"a") for k in range(1, 50_001)) + L.ints(9)
    text, error = refused(data)
    path = ".".join("a" * 20) + "...(49960 more)..." + ".a" * 20
    assert text == f"a.t7: byte 1050000, at {path}: expected a tag of 0 to 8, got 9"
    assert error.path == path


def test_a_long_key_is_cut_in_the_path():
    text, _ = refused(table(1, field(b"k" * 5000, L.ints(9))))
    assert text == (f'a.t7: byte 5020, at ["{"k" * 200}"...]: expected a tag of 0 to 8, got 9')


def test_files_that_cannot_be_opened(tmp_path):
    for path, reason in (
        (tmp_path / "no.t7", "cannot be read: No such file or directory"),
        (tmp_path, "expected a file, got a folder or a device"),
        ("/dev/zero", "expected a file, got a folder or a device"),
        ("a\0b", "cannot be read: embedded null byte"),
    ):
        with pytest.raises(T7Error) as caught:
            load(path)
        shown = str(path) if "\0" not in str(path) else "'a\\x00b'"
        assert str(caught.value) == f"{shown}: {reason}"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"long_size": 2}, "long_size: expected 4 or 8, got 2"),
        ({"byte_order": "middle"}, "byte_order: expected 'little' or 'big', got 'middle'"),
    ],
)
def test_options_that_are_none(options, expected):
    with pytest.raises(T7Error) as caught:
        loads(NIL, **options)
    assert str(caught.value) == expected
    with pytest.raises(T7Error) as caught:
        dumps(None, **options)
    assert str(caught.value) == expected


def test_the_order_of_bytes_told_is_held():
    text, _ = refused(L.number(1.0), byte_order="big")
    assert text == (
        "a.t7: byte 0, at the top: expected the tag of a Torch7 object, an int of 0 to 8 in big-endian "
        "binary or a digit and a newline in ASCII, got '\\x01\\x00\\x00\\x00'"
    )
