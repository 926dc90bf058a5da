"""Archives that nobody should open: each is refused by name and leaves nothing behind."""

import gzip
import io
import tarfile

import pytest

from weft.core import UserError
from weft.hub.artifacts import Limits, inspect, pack, unpack
from weft.hub.artifacts.tar import END, header, padding


def member(name, data=b"x", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.PAX_FORMAT) + data + padding(len(data))


def with_checksum(block):
    total = sum(block[:148]) + 8 * 32 + sum(block[156:512])
    return block[:148] + f"{total:06o}\0 ".encode() + block[156:]


def link(kind, target):
    return member("link", b"", type=kind, linkname=target)


def big(size):
    info = tarfile.TarInfo("big")
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def negative():
    block = bytearray(tarfile.TarInfo("a").tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = b"\xff" * 12
    return with_checksum(bytes(block))


def record(text, size=None):
    info = tarfile.TarInfo("././@PaxHeader")
    info.type = tarfile.XHDTYPE
    info.size = len(text) if size is None else size
    return info.tobuf(tarfile.USTAR_FORMAT) + text + padding(len(text)) + member("a")


REFUSED = {
    "absolute": (member("/etc/passwd"), "APP046", "absolute"),
    "parent": (member("../outside"), "APP046", "leaves the folder"),
    "parent within": (member("a/../../outside"), "APP046", "leaves the folder"),
    "long parent": (member("a/" * 80 + "../" * 90 + "outside"), "APP046", "leaves the folder"),
    "dot": (member("./a"), "APP046", "empty part"),
    "empty part": (member("a//b"), "APP046", "empty part"),
    "symbolic link": (link(tarfile.SYMTYPE, "/etc"), "APP046", "symbolic link"),
    "link then through it": (link(tarfile.SYMTYPE, "/tmp") + member("link/a"), "APP046", "symbolic link"),
    "hard link": (link(tarfile.LNKTYPE, "/etc/passwd"), "APP046", "hard link"),
    "device": (member("d", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3), "APP046", "device"),
    "block device": (member("d", b"", type=tarfile.BLKTYPE), "APP046", "device"),
    "pipe": (member("p", b"", type=tarfile.FIFOTYPE), "APP046", "pipe"),
    "folder": (member("f", b"", type=tarfile.DIRTYPE), "APP046", "folder"),
    "sparse": (member("s", b"", type=tarfile.GNUTYPE_SPARSE), "APP046", "holes"),
    "gnu long name": (member("x", b"y" * 300, type=tarfile.GNUTYPE_LONGNAME), "APP046", "unknown kind"),
    "global header": (member("x", b"9 path=ab", type=tarfile.XGLTYPE), "APP046", "unknown kind"),
    "twice": (member("a") + member("a"), "APP046", "twice"),
    "case": (member("a") + member("A"), "APP043", "ignores case"),
    "unicode case": (member("straße") + member("STRASSE"), "APP043", "ignores case"),
    "file as folder": (member("a") + member("a/b"), "APP046", "in its way"),
    "folder as file": (member("a/b") + member("a"), "APP046", "in its way"),
    "decomposed": (member("gro\u0308sse"), "APP046", "composed"),
    "claims more than there is": (big(1 << 40), "APP045", "claims"),
    "claims less than nothing": (negative(), "APP045", "claims"),
    "part too long": (member("n" * 300), "APP046", "too long"),
    "record of a huge size": (record(b"9 path=ab\n", 1 << 30), "APP045", "unknown kind"),
    "record of another key": (record(b"20 GNU.sparse.x=10\n\n"), "APP045", "unknown kind"),
    "record without an end": (record(b"99 path=ab\n"), "APP045", "unknown kind"),
    "record of a length of nothing": (record(b"0 path=ab\n"), "APP045", "unknown kind"),
    "record with a size below nothing": (record(b"11 size=-1\n"), "APP045", "unknown kind"),
    "record with another path": (record(b"16 path=../../a\n"), "APP046", "leaves the folder"),
    "record with a null": (record(b"12 path=a\0b\n"), "APP046", "null"),
    "not a tar": (b"hello " * 200, "APP045", "not a tar"),
    "nothing": (None, "APP045", "cut short"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_archive_is_refused_and_leaves_nothing(tmp_path, name):
    data, code, words = REFUSED[name]
    work = tmp_path / "work"
    work.mkdir()
    archive = tmp_path / "bad.weft"
    archive.write_bytes(b"" if data is None else data + END)
    with pytest.raises(UserError) as caught:
        unpack(archive, work / "out")
    assert caught.value.code == code and words in caught.value.message
    assert list(work.iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.weft", "work"]


def test_records_nested_without_end_are_refused(tmp_path):
    one = record(b"10 path=a\n")[:1024]
    archive = tmp_path / "bad.weft"
    archive.write_bytes(one * 5000 + END)
    with pytest.raises(UserError, match="APP046"):
        inspect(archive)


def test_a_compressed_archive_is_not_taken(tmp_path):
    archive = tmp_path / "bomb.weft"
    archive.write_bytes(gzip.compress(member("a", b"\0" * 100_000) + END))
    with pytest.raises(UserError, match="APP045"):
        inspect(archive)


def test_more_files_or_bytes_than_the_limits_are_refused(tmp_path):
    archive = tmp_path / "a.weft"
    archive.write_bytes(b"".join(member(f"f{i}", b"12345") for i in range(10)) + END)
    assert len(inspect(archive).entries) == 10
    for limits in (Limits(max_files=9), Limits(max_bytes=49)):
        with pytest.raises(UserError, match="APP047"):
            unpack(archive, tmp_path / "out", limits=limits)
        assert not (tmp_path / "out").exists()


@pytest.fixture
def sound(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.py").write_text("print(1)\n")
    (folder / "größe.py").write_text("print(2)\n")
    return pack(folder, tmp_path / "a.weft")


def test_an_archive_cut_anywhere_is_refused(sound, tmp_path):
    data = sound.path.read_bytes()
    for length in range(0, len(data), 256):
        sound.path.write_bytes(data[:length])
        with pytest.raises(UserError):
            unpack(sound.path, tmp_path / "out", digest=sound.digest)
    assert not (tmp_path / "out").exists()


def test_a_flipped_bit_never_gives_the_same_digest_with_other_content(sound, tmp_path):
    data = bytearray(sound.path.read_bytes())
    for position in range(0, len(data), 7):
        data[position] ^= 1
        sound.path.write_bytes(data)
        try:
            found = inspect(sound.path)
        except UserError as error:
            assert error.code in {"APP043", "APP045", "APP046"}
        else:
            assert found.digest != sound.digest or found == sound.manifest
        data[position] ^= 1


def test_content_other_than_asked_for_is_refused_with_both_digests(sound, tmp_path):
    with pytest.raises(UserError, match=f"APP048.*{sound.digest}.*{'0' * 64}"):
        unpack(sound.path, tmp_path / "out", digest="0" * 64)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_left_alone(sound, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("keep")
    with pytest.raises(UserError, match="APP059"):
        unpack(sound.path, tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "keep"


def test_something_after_the_end_is_refused(sound):
    with open(sound.path, "ab") as file:
        file.write(b"\0" * 512 + b"more")
    with pytest.raises(UserError, match=r"APP045.*follows"):
        inspect(sound.path)


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(UserError, match="APP050"):
        inspect(tmp_path / "none.weft")


def test_a_header_says_nothing_of_who_and_when():
    block = header("a.py", 3, is_executable=False)
    info = tarfile.TarFile(fileobj=io.BytesIO(block + b"abc" + padding(3) + END)).getmembers()[0]
    assert (info.mtime, info.uid, info.gid, info.uname, info.gname, info.mode) == (0, 0, 0, "", "", 0o644)
