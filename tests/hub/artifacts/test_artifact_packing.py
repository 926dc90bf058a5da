"""The same sources give the same archive and digest anywhere, and come back as they were."""

import os
import shutil
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.core import UserError, digest_file
from weft.hub.artifacts import Manifest, describe_files, inspect, pack, select_files, unpack

# Digest of the folder that `small` makes, and of the bytes of its archive. They may never change.
SMALL_DIGEST = "127f3b3ad59e1b25e56f67d7cc88585d976b6391d0a35f23b5326513da8711a1"
SMALL_ARCHIVE = "4d43ebd94a2c37095bb5de4ebefbe6a0e64572c38891ae7c48968620114e381c"


@pytest.fixture
def small(tmp_path):
    folder = tmp_path / "small"
    (folder / "src" / "größe").mkdir(parents=True)
    (folder / "mlapplication.json").write_text("{}\n")
    (folder / "src" / "größe" / "日本 語.py").write_text("print('ä')\n", encoding="utf-8")
    (folder / "src" / ("long" * 40)).mkdir()
    (folder / "src" / ("long" * 40) / "empty").write_bytes(b"")
    (folder / "run.sh").write_text("#!/bin/sh\necho hello\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def code_of(call, *arguments, **options):
    with pytest.raises(UserError) as caught:
        call(*arguments, **options)
    return caught.value.code


def contents(folder):
    return {
        p.relative_to(folder).as_posix(): (p.read_bytes(), os.access(p, os.X_OK))
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_digest_and_bytes_of_a_small_folder_never_change(small, tmp_path):
    packed = pack(small, tmp_path / "a.weft")
    assert (packed.digest, packed.archive_digest) == (SMALL_DIGEST, SMALL_ARCHIVE)
    assert digest_file(packed.path) == packed.archive_digest
    assert packed.path.stat().st_size == packed.size_bytes


def test_times_owners_other_rights_and_order_do_not_count(small, tmp_path):
    first = pack(small, tmp_path / "a.weft")
    other = tmp_path / "elsewhere"
    other.mkdir()
    for path in sorted(small.rglob("*"), reverse=True):
        if path.is_file():
            copy = other / path.relative_to(small)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
            os.utime(copy, (1, 1))
            copy.chmod(0o700 if os.access(path, os.X_OK) else 0o600)
    assert pack(other, tmp_path / "b.weft").archive_digest == first.archive_digest


@pytest.mark.parametrize(
    "change",
    [
        lambda f: (f / "mlapplication.json").write_text("{} \n"),
        lambda f: (f / "mlapplication.json").chmod(0o755),
        lambda f: (f / "mlapplication.json").rename(f / "other.json"),
        lambda f: (f / "added").write_text(""),
        lambda f: (f / "run.sh").unlink(),
    ],
)
def test_content_name_executable_bit_and_number_of_files_count(small, tmp_path, change):
    before = describe_files(select_files(small)).digest
    change(small)
    assert describe_files(select_files(small)).digest != before


def test_what_was_packed_comes_back(small, tmp_path):
    packed = pack(small, tmp_path / "a.weft")
    manifest = unpack(packed.path, tmp_path / "out", digest=packed.digest)
    assert contents(tmp_path / "out") == contents(small)
    assert manifest == packed.manifest == inspect(packed.path)


def test_a_common_tar_program_reads_it(small, tmp_path):
    import tarfile

    packed = pack(small, tmp_path / "a.weft")
    with tarfile.open(packed.path) as archive:
        assert sorted(archive.getnames()) == sorted(e.name for e in packed.manifest.entries)


names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=12
).filter(lambda n: n not in (".", ".."))
trees = st.dictionaries(
    st.lists(names, min_size=1, max_size=3).map(tuple),
    st.tuples(st.binary(max_size=2000), st.booleans()),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(trees)
def test_any_tree_comes_back_or_is_refused_by_name(tmp_path_factory, tree):
    base = tmp_path_factory.mktemp("tree")
    folder = base / "in"
    written = {}
    for parts, (data, is_executable) in tree.items():
        path = folder.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError:
            continue  # a file where a folder should be, or a name too long
        path.chmod(0o755 if is_executable else 0o644)
        written[unicodedata.normalize("NFC", "/".join(parts))] = (data, is_executable)
    folder.mkdir(exist_ok=True)
    try:
        packed = pack(folder, base / "a.weft", select_files(folder, include=list(written)))
    except UserError as error:
        assert error.code in {"APP040", "APP043", "APP059"}
        return
    unpack(packed.path, base / "out", digest=packed.digest)
    assert contents(base / "out") == {e.name: written[e.name] for e in packed.manifest.entries}
    assert pack(base / "out", base / "b.weft", select_files(base / "out", include=list(written))).digest == (
        packed.digest
    )


def test_a_file_of_many_chunks_is_streamed_and_comes_back(tmp_path):
    import tracemalloc

    folder = tmp_path / "big"
    folder.mkdir()
    with open(folder / "weights.bin", "wb") as file:
        for number in range(48):
            file.write(bytes([number]) * (1 << 20))
        file.write(b"tail")
    tracemalloc.start()
    packed = pack(folder, tmp_path / "a.weft")
    unpack(packed.path, tmp_path / "out", digest=packed.digest)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
    assert digest_file(tmp_path / "out" / "weights.bin") == digest_file(folder / "weights.bin")


def test_a_name_in_either_unicode_form_gives_one_digest(tmp_path):
    digests = set()
    for form in ("NFC", "NFD"):
        folder = tmp_path / form
        folder.mkdir()
        (folder / unicodedata.normalize(form, "größe.py")).write_text("x")
        digests.add(pack(folder, tmp_path / f"{form}.weft").digest)
    assert len(digests) == 1


def test_a_file_that_changes_while_it_is_packed_is_refused(small, tmp_path, monkeypatch):
    files = select_files(small)
    real = describe_files

    def describe_then_write(chosen) -> Manifest:
        manifest = real(chosen)
        (small / "run.sh").write_text("#!/bin/sh\necho other\n")
        return manifest

    monkeypatch.setattr("weft.hub.artifacts.packing.describe_files", describe_then_write)
    assert code_of(pack, small, tmp_path / "a.weft", files) == "APP044"
    assert list(tmp_path.glob("*.weft*")) == [] and list(tmp_path.glob(".*weft*")) == []


def test_a_file_that_is_gone_when_it_is_read_is_named(small):
    files = select_files(small)
    (small / "run.sh").unlink()
    with pytest.raises(UserError, match=r"APP044: 'run.sh'"):
        describe_files(files)


FULL = """
import resource, sys
from weft.core import WeftError
from weft.hub.artifacts import pack, unpack
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    (pack if sys.argv[1] == "pack" else unpack)(sys.argv[2], sys.argv[3])
except WeftError as error:
    print(error.code)
"""


@pytest.mark.parametrize("doing", ["pack", "unpack"])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, doing):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "data.bin").write_bytes(b"x" * 1_000_000)
    (tmp_path / "work").mkdir()
    source = folder if doing == "pack" else pack(folder, tmp_path / "a.weft").path
    command = [sys.executable, "-c", FULL, doing, source, tmp_path / "work" / "made"]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert out.stdout == "FLOW012\n"
    assert list((tmp_path / "work").iterdir()) == []
