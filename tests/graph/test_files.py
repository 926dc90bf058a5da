"""Files of a graph as Python sees them."""

import pickle

import numpy as np
import pytest

from weft.core import UserError
from weft.graph import _native


def test_a_file_is_written_and_checked(tmp_path):
    path = str(tmp_path / "time.bin")
    root = _native.write_file(path, _native.Kind.time, 4, np.arange(5000, dtype=np.uint32).view(np.uint8))
    assert _native.check_file(path, _native.Kind.time, 4, root) == 20_000


def test_a_refusal_is_a_user_error_that_names_the_file_and_pickles(tmp_path):
    path = str(tmp_path / "time.bin")
    with pytest.raises(UserError, match=r"time\.bin") as caught:
        _native.check_file(path, _native.Kind.time, 4, 0)
    assert caught.value.code == "GRAPH001"
    assert pickle.loads(pickle.dumps(caught.value)).code == "GRAPH001"


def test_a_folder_that_takes_no_file_is_unavailable(tmp_path):
    from weft.core import UnavailableError

    with pytest.raises(UnavailableError, match="GRAPH010"):
        _native.write_file(str(tmp_path / "no" / "x.bin"), _native.Kind.time, 4, np.zeros(4, np.uint8))
