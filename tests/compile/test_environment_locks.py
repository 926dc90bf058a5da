"""What a lock says is read alike from every tool's file, and what leaves a version open is refused."""

import pytest

from weft.compile.environment import find_lock
from weft.core import UserError

A, B = "a" * 64, "b" * 64


def lines(folder, name, text):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return find_lock(folder).lines


def refusal(folder, name, text):
    with pytest.raises(UserError) as caught:
        lines(folder, name, text)
    return caught.value


def test_a_project_without_a_lock_has_none(tmp_path):
    assert find_lock(tmp_path) is None


def test_pins_are_read_in_order_without_comments_and_other_platforms(tmp_path):
    text = (
        "# made by hand\n--index-url https://host/simple  # ours\nzeta==2.0 \\\n"
        f"    --hash=sha256:{B} \\\n    --hash=sha256:{A}\n\n"
        "alpha[x]==1.0 ; python_version >= '3'\nwindows==1 ; sys_platform == 'win32'\n"
    )
    assert lines(tmp_path, "requirements.txt", text) == (
        "--index-url https://host/simple",
        "alpha[x]==1.0",
        f"zeta==2.0 --hash=sha256:{A} --hash=sha256:{B}",
    )


def test_included_files_count_and_constraints_do_not(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "base.txt").write_text("-r deep.txt\nbeta==2\n")
    (tmp_path / "more" / "deep.txt").write_text("gamma==3\n")
    text = "-r more/base.txt\n-c limits.txt\nalpha==1\n"
    assert lines(tmp_path, "requirements.txt", text) == ("alpha==1", "beta==2", "gamma==3")


def test_comments_order_and_spaces_do_not_change_the_digest(tmp_path):
    for name, text in (("one", "b==2\na==1\n"), ("two", "# x\na == 1   # y\n\nb==2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.txt").write_text(text)
    digests = {find_lock(tmp_path / n).digest for n in ("one", "two")}
    assert len(digests) == 1
    (tmp_path / "two" / "requirements.txt").write_text("a==1\nb==3\n")
    assert find_lock(tmp_path / "two").digest not in digests


@pytest.mark.parametrize(
    "line",
    [
        "pandas",
        "pandas>=2",
        "pandas==2.*",
        "pandas==2,<3",
        "-e .",
        "./local",
        "x @ https://host/x.whl",
        "???",
    ],
)
def test_a_line_that_leaves_its_version_open_is_named(tmp_path, line):
    error = refusal(tmp_path, "requirements.txt", f"numpy==2.0\n\n{line}\n")
    assert error.code == "APP054" and "requirements.txt, line 3" in error.message


@pytest.mark.parametrize("line", ["-r ../outside.txt", "-r missing.txt", "-r requirements.txt"])
def test_an_included_file_that_is_outside_missing_or_the_file_itself_is_refused(tmp_path, line):
    (tmp_path.parent / "outside.txt").write_text("a==1")
    assert refusal(tmp_path, "requirements.txt", line).code == "APP054"


def test_a_password_in_a_lock_is_refused_and_not_repeated(tmp_path):
    error = refusal(tmp_path, "requirements.txt", "--index-url https://ann:hunter2@host/simple\na==1\n")
    assert error.code == "APP058" and "hunter2" not in str(error) and "line 1" in str(error)


def test_a_variable_in_place_of_a_password_stands(tmp_path):
    text = "--index-url https://ann:${TOKEN}@host/simple\na==1\n"
    assert lines(tmp_path, "requirements.txt", text)[0] == "--index-url https://ann:${TOKEN}@host/simple"


PYLOCK = f"""
lock-version = "1.0"
requires-python = ">=3.11"
created-by = "pip"
default-groups = ["main"]
[[packages]]
name = "Alpha.One"
version = "1.0"
[[packages.wheels]]
name = "alpha_one-1.0-py3-none-any.whl"
url = "https://host/alpha_one-1.0-py3-none-any.whl"
hashes = {{ sha256 = "{A}" }}
[packages.sdist]
name = "alpha_one-1.0.tar.gz"
url = "https://host/alpha_one-1.0.tar.gz"
hashes = {{ sha256 = "{B}" }}
[[packages]]
name = "beta"
marker = "'main' in dependency_groups"
archive = {{ url = "https://host/beta.zip", hashes = {{ sha256 = "{A}" }} }}
[[packages]]
name = "extra-only"
version = "1"
marker = "'x' in extras"
[[packages]]
name = "windows"
version = "1"
marker = "sys_platform == 'win32'"
"""


def test_the_standard_lock_is_read_for_this_machine_and_its_default_groups(tmp_path):
    assert lines(tmp_path, "pylock.toml", PYLOCK) == (
        f"alpha-one==1.0 --hash=sha256:{A} --hash=sha256:{B}",
        f"beta @ https://host/beta.zip --hash=sha256:{A}",
    )


REGISTRY = 'registry = "https://host/simple"'
UV = f"""
version = 1
revision = 3
requires-python = ">=3.11"
[[package]]
name = "demo"
version = "0.1.0"
source = {{ virtual = "." }}
dependencies = [
  {{ name = "alpha", extra = ["fast"] }},
  {{ name = "fork", version = "2.0", source = {{ {REGISTRY} }}, marker = "python_full_version >= '3'" }},
  {{ name = "fork", version = "1.0", source = {{ {REGISTRY} }}, marker = "python_full_version < '3'" }},
]
[package.dev-dependencies]
dev = [{{ name = "tool" }}]
[[package]]
name = "alpha"
version = "1.0"
source = {{ registry = "https://host/simple" }}
dependencies = [{{ name = "gamma" }}]
sdist = {{ url = "https://host/alpha-1.0.tar.gz", hash = "sha256:{B}", size = 1 }}
wheels = [{{ url = "https://host/alpha-1.0-py3-none-any.whl", hash = "sha256:{A}", size = 1 }}]
[package.optional-dependencies]
fast = [{{ name = "quick" }}]
slow = [{{ name = "tool" }}]
[[package]]
name = "fork"
version = "1.0"
source = {{ registry = "https://host/simple" }}
wheels = [{{ url = "https://host/f1.whl", hash = "sha256:{A}" }}]
[[package]]
name = "fork"
version = "2.0"
source = {{ registry = "https://host/simple" }}
wheels = [{{ url = "https://host/f2.whl", hash = "sha256:{B}" }}]
[[package]]
name = "gamma"
version = "3.0"
source = {{ registry = "https://host/simple" }}
dependencies = [{{ name = "alpha" }}]
wheels = [{{ url = "https://host/g.whl", hash = "sha256:{A}" }}]
[[package]]
name = "quick"
version = "4.0"
source = {{ url = "https://host/quick.zip" }}
sdist = {{ hash = "sha256:{A}" }}
[[package]]
name = "tool"
version = "5.0"
source = {{ registry = "https://host/simple" }}
wheels = [{{ url = "https://host/t.whl", hash = "sha256:{A}" }}]
"""


def test_the_lock_of_uv_is_walked_from_the_project_by_markers_and_extras(tmp_path):
    assert lines(tmp_path, "uv.lock", UV) == (
        f"alpha==1.0 --hash=sha256:{A} --hash=sha256:{B}",
        f"fork==2.0 --hash=sha256:{B}",
        f"gamma==3.0 --hash=sha256:{A}",
        f"quick @ https://host/quick.zip --hash=sha256:{A}",
    )


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("uv.lock", "not toml [", "APP054"),
        ("uv.lock", "version = 2", "APP054"),
        ("uv.lock", "version = 1", "APP054"),
        ("uv.lock", "other = 1", "APP054"),
        ("uv.lock", UV.replace("registry", "git"), "APP054"),
        ("uv.lock", UV.replace('requires-python = ">=3.11"', 'requires-python = ">=9"'), "APP056"),
        ("pylock.toml", PYLOCK.replace('"1.0"', '"2.0"', 1), "APP054"),
        ("pylock.toml", PYLOCK.replace('requires-python = ">=3.11"', 'requires-python = "<3"'), "APP056"),
        ("pylock.toml", PYLOCK.replace("sha256", "md5"), "APP054"),
        ("pylock.toml", 'lock-version = "1.0"\n[[packages]]\nname = "x"\nvcs = {type = "git"}\n', "APP054"),
        ("pylock.toml", 'lock-version = "1.0"\nrequires-python = "??"\npackages = []\n', "APP054"),
    ],
)
def test_a_lock_that_cannot_be_used_is_refused_by_its_name(tmp_path, name, text, code):
    error = refusal(tmp_path, name, text)
    assert error.code == code and name in error.message


def test_the_first_lock_in_order_is_taken(tmp_path):
    (tmp_path / "requirements.txt").write_text("loose>=1\n")
    assert lines(tmp_path, "requirements.lock", "tight==1\n") == ("tight==1",)
    (tmp_path / "uv.lock").write_text(UV)
    assert find_lock(tmp_path).name == "uv.lock"
    assert find_lock(tmp_path, ["requirements.lock"]).lines == ("tight==1",)
