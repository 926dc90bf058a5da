"""Small projects that are packed, and the places they go to."""

import pytest

from weft.hub.artifacts import Packed, pack


@pytest.fixture
def make_packed(tmp_path):
    """Pack a project whose one source says ``text``, with ``size`` bytes of data beside it."""

    def make(text: str = "print(1)", size: int = 0) -> Packed:
        folder = tmp_path / "sources" / str(len(list(tmp_path.glob("sources/*"))))
        folder.mkdir(parents=True)
        (folder / "main.py").write_text(text)
        if size:
            block = bytes(range(256)) * 256
            (folder / "data.bin").write_bytes((block * (size // len(block) + 1))[:size])
        return pack(folder, folder.with_suffix(".weft"))

    return make
