"""Each kind of program for real: what it is given, what it leaves, how it fails and how it ends."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from weft.compile.application import KINDS, keep_sources, lay_out_sources
from weft.core import Resources, UnavailableError, UserError, WeftError
from weft.flow import Control, Node, Plan, Store, run_plan
from weft.flow.logs import AttemptLog
from weft.flow.program import Cancelled

LIMITS = Resources(10**9, 2)


@dataclass(frozen=True)
class Source:
    name: str
    path: Path
    is_executable: bool


class Bench:
    """A store and the means to run tasks on sources written here."""

    def __init__(self, folder):
        self.folder = folder / "sources"
        self.folder.mkdir()
        self.store = Store(folder / "store")
        self.num_runs = 0

    def write(self, name, text, mode=0o644):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def artifact(self):
        paths = sorted(p for p in self.folder.rglob("*") if p.is_file())
        files = [
            Source(
                p.relative_to(self.folder).as_posix(),
                p,
                os.access(p, os.X_OK) and bool(p.stat().st_mode & 0o100),
            )
            for p in paths
        ]
        return keep_sources(self.store, files)

    def node(self, kind, parameters, name="task", **fields):
        digests = {"artifact": self.artifact()} if any(self.folder.iterdir()) else {}
        return Node(name, KINDS[kind].program, parameters=parameters, digests=digests, **fields)

    def run(self, *nodes, **options):
        self.num_runs += 1
        plan = Plan("bench", nodes)
        return run_plan(
            plan, self.store, resources=LIMITS, run=f"r{self.num_runs}", backoff_s=0.01, **options
        ).outputs

    def log(self, task="task", attempt=1):
        return (self.store.logs(f"r{self.num_runs}") / f"{task}-{attempt}.log").read_text()


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_a_python_file_finds_parameters_inputs_and_output(bench):
    bench.write(
        "pack/first.py",
        "import sys, pathlib, os\nprint('hello', sys.argv[1:])\n"
        "pathlib.Path(os.environ['WEFT_OUTPUT'], 'x.txt').write_text('made')\n",
    )
    bench.write(
        "second.py",
        "import json, os, pathlib\n"
        "import pack.first_words\n"
        "p = json.loads(os.environ['WEFT_PARAMETERS'])\n"
        "made = pathlib.Path(os.environ['WEFT_INPUT_FIRST_ONE'], 'x.txt').read_text()\n"
        "assert json.loads(os.environ['WEFT_INPUTS']) == {'first-one': os.environ['WEFT_INPUT_FIRST_ONE']}\n"
        "assert os.environ['WEFT_PARAMETER_LR'] == '0.5' and os.environ['KIND'] == 'plain'\n"
        "out = pathlib.Path(os.environ['WEFT_OUTPUT'])\n"
        "value = {'lr': p['lr'], 'made': made, 'task': os.environ['WEFT_TASK']}\n"
        "(out / 'result.json').write_text(json.dumps(value))\n",
    )
    bench.write("pack/first_words.py", "")
    first = bench.node(
        "python", {"file": "pack/first.py", "args": ["--lr", "${lr}", "$$"], "lr": 0.5}, name="first-one"
    )
    second = bench.node(
        "python",
        {"file": "second.py", "lr": 0.5},
        name="second",
        inputs={"first-one": "first-one"},
        variables={"KIND": "plain"},
    )
    outputs = bench.run(first, second)
    assert outputs["second"].value == {"lr": 0.5, "made": "made", "task": "second"}
    assert list(outputs["second"].files) == ["result.json"]
    assert bench.log("first-one") == "hello ['--lr', '0.5', '$']\n"


def test_a_function_gets_by_name_what_it_asks_for(bench):
    bench.write("tool/__init__.py", "")
    bench.write(
        "tool/train.py",
        "def fit(lr, output, parameters, epochs=3):\n    (output / 'm').write_text('m')\n"
        "    return {'lr': lr, 'epochs': epochs, 'all': parameters}\n",
    )
    output = bench.run(bench.node("python", {"function": "tool.train:fit", "lr": 2, "other": "x"}))["task"]
    assert output.value == {"lr": 2, "epochs": 3, "all": {"lr": 2, "other": "x"}}
    assert set(output.files) == {"m", "result.json"}


def test_a_module_is_run_and_its_folder_does_not_shadow_others(bench):
    bench.write(
        "guard.py",
        "import sys\nif __name__ == '__main__':\n    print('mine', *sys.argv[1:])\ndef f():\n    return {}\n",
    )
    bench.run(bench.node("python", {"module": "guard", "args": ["a b"]}))
    assert bench.log() == "mine a b\n"
    bench.run(bench.node("python", {"module": "guard:f"}))


def test_a_shell_line_gets_parameters_without_being_built_from_them(bench):
    evil = "$(touch /tmp/weft-evil); `id` \"'"
    line = 'printf \'%s|%s\' "$WEFT_PARAMETER_NAME" "$1" > $WEFT_OUTPUT/said'
    output = bench.run(bench.node("shell", {"command": line, "args": ["${name}"], "name": evil}))["task"]
    assert output.path("said").read_text() == f"{evil}|{evil}"
    words = bench.node(
        "shell", {"command": ["/bin/sh", "-c", 'printf %s "$0" > $WEFT_OUTPUT/said', "${name}"], "name": evil}
    )
    assert bench.run(words)["task"].path("said").read_text() == evil
    assert not Path("/tmp/weft-evil").exists()


def test_a_script_keeps_its_right_to_be_run_and_sources_may_be_written_to(bench):
    bench.write(
        "run.sh",
        "#!/bin/bash\n[[ -x run.sh ]] && echo more >> data.txt && cp data.txt $WEFT_OUTPUT/\n",
        0o755,
    )
    bench.write("data.txt", "one\n")
    assert (
        bench.run(bench.node("shell", {"file": "run.sh"}))["task"].path("data.txt").read_text()
        == "one\nmore\n"
    )
    bench.write("plain.sh", "test ! -x plain.sh\ntest $(cat data.txt) = one\n")
    bench.run(bench.node("shell", {"file": "plain.sh"}))


@pytest.mark.skipif(
    not (shutil.which("javac") and shutil.which("java")), reason="needs a JDK: javac and java"
)
def test_a_java_class_is_run_with_its_arguments(bench):
    bench.write(
        "src/com/example/Hello.java",
        "package com.example;\nimport java.nio.file.*;\n"
        "public class Hello {\n  public static void main(String[] args) throws Exception {\n"
        '    System.out.println("hello " + args[0] + " " + System.getProperty("mode"));\n'
        '    Path result = Path.of(System.getenv("WEFT_OUTPUT"), "result.json");\n'
        '    Files.writeString(result, System.getenv("WEFT_PARAMETERS"));\n'
        "  }\n}\n",
    )
    source = bench.folder / "src/com/example/Hello.java"
    subprocess.run(["javac", "-d", bench.folder / "classes", source], check=True)
    parameters = {
        "className": "com.example.Hello",
        "args": ["${name}"],
        "jvmArgs": ["-Dmode=x"],
        "name": "a b",
    }
    assert bench.run(bench.node("jvm", parameters))["task"].value == {"name": "a b"}
    assert bench.log() == "hello a b x\n"
    with pytest.raises(WeftError, match=r"APP020.*com\.example\.Nobody"):
        bench.run(bench.node("jvm", {"className": "com.example.Nobody"}))


def test_without_java_the_error_says_so(bench):
    with pytest.raises(UserError, match="APP025"):
        bench.run(bench.node("jvm", {"className": "A"}, variables={"JAVA_HOME": "/nowhere"}))


def test_a_notebook_gets_its_parameters_and_is_kept_as_it_ran(bench):
    import nbformat

    cells = [
        nbformat.v4.new_code_cell("lr = 1", metadata={"tags": ["parameters"]}, id="a"),
        nbformat.v4.new_code_cell(
            "import os\nprint('lr is', lr)\nopen(os.environ['WEFT_OUTPUT'] + '/x', 'w').write(str(lr));",
            id="b",
        ),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    bench.write("work.ipynb", nbformat.writes(notebook))
    output = bench.run(bench.node("notebook", {"file": "work.ipynb", "lr": 7}))["task"]
    assert output.path("x").read_text() == "7"
    assert "lr is 7" in bench.log()
    kept = nbformat.reads(output.path("work.ipynb").read_text(), as_version=4)
    assert [c["id"] for c in kept.cells] == ["a", "injected-parameters", "b"]
    assert kept.cells[2].outputs[0].text == "lr is 7\n"
    bench.write(
        "bad.ipynb", nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]))
    )
    with pytest.raises(WeftError, match=r"APP020(.|\n)*ZeroDivisionError"):
        bench.run(bench.node("notebook", {"file": "bad.ipynb"}))


def test_an_executed_notebook_keeps_no_secret(bench, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="needs the extra jupyter")
    monkeypatch.setenv("HUB_TOKEN", 'super\nsecret"value')
    code = "import os\nprint(os.environ['TOKEN'])\n[os.environ['TOKEN']]"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    bench.write("work.ipynb", nbformat.writes(notebook))
    secrets = {"TOKEN": "env:HUB_TOKEN"}
    output = bench.run(bench.node("notebook", {"file": "work.ipynb"}, secrets=secrets))["task"]
    kept = output.path("work.ipynb").read_text()
    assert kept.count("***") == 2 and "secret" not in kept


def test_a_notebook_without_its_library_is_a_coded_error(bench, monkeypatch):
    bench.write("work.ipynb", "{}")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"EXT001.*nbclient"):
        bench.run(bench.node("notebook", {"file": "work.ipynb"}))


def test_a_failure_names_task_attempt_exit_code_and_the_end_of_the_log(bench):
    node = bench.node("shell", {"command": "echo before; echo the reason >&2; exit 3"}, retries=1)
    with pytest.raises(WeftError) as caught:
        bench.run(node)
    assert caught.value.code == "APP020"
    assert caught.value.exit_code == 1
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("APP020: task 'task', attempt 2, ended with exit code 3 after")
    assert lines[0].endswith("the reason")
    assert lines[2:4] == ["  before", "  the reason"]
    assert bench.log(attempt=1) == bench.log(attempt=2) == "before\nthe reason\n"


def test_a_failure_may_be_mended_by_a_retry(bench):
    line = "test -e $WEFT_CHECKPOINTS/tried || { touch $WEFT_CHECKPOINTS/tried; kill -9 $$; }"
    bench.run(bench.node("shell", {"command": line}, retries=1))


def test_a_program_that_was_killed_is_told_by_its_signal(bench):
    with pytest.raises(WeftError, match=r"exit code 137 \(signal SIGKILL, which is what happens"):
        bench.run(bench.node("shell", {"command": "kill -9 $$"}))


@pytest.mark.parametrize(
    "kind, parameters, code",
    [
        ("shell", {"command": ["no-such-program"]}, "APP021"),
        ("shell", {"command": "echo '[1]' > $WEFT_OUTPUT/result.json"}, "APP022"),
        ("shell", {"command": "echo '{' > $WEFT_OUTPUT/result.json"}, "APP022"),
        ("shell", {"command": "true", "args": ["${lrr}"]}, "APP023"),
        ("python", {"file": "gone.py"}, "APP024"),
        ("python", {"file": "../../store/store.json"}, "APP024"),
        ("python", {"function": "x"}, "APP014"),
        ("python", {}, "APP014"),
        ("shell", {"command": []}, "APP014"),
    ],
)
def test_what_can_never_run_is_a_coded_error_and_not_tried_again(bench, kind, parameters, code):
    with pytest.raises(UserError, match=code):
        bench.run(bench.node(kind, parameters, retries=3))


def test_secrets_reach_the_program_and_no_log_and_no_error(bench, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "hunter22")
    node = bench.node(
        "shell",
        {"command": "echo token $TOKEN; test ${#TOKEN} = 8; exit 4"},
        secrets={"TOKEN": "env:MY_TOKEN"},
    )
    with pytest.raises(WeftError) as caught:
        bench.run(node)
    assert "hunter22" not in str(caught.value)
    assert bench.log() == "token ***\n"
    monkeypatch.delenv("MY_TOKEN")
    kept = b"".join(p.read_bytes() for p in bench.folder.parent.rglob("*") if p.is_file())
    assert b"hunter22" not in kept


@pytest.mark.parametrize("ending", ["sleep 300", "exit 0"])
def test_when_its_log_cannot_be_written_a_task_ends_with_the_reason(bench, monkeypatch, ending):
    def write(log, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AttemptLog, "write", write)
    node = bench.node("shell", {"command": f"head -c 1000000 /dev/zero; echo; {ending}"})
    with pytest.raises(UnavailableError, match="FLOW012: there is no space left for the log of task 'task'"):
        bench.run(node)


def test_a_bar_of_progress_is_seen_while_it_grows_and_does_not_fill_the_log(bench):
    bar = "i=0; while test $i -lt 100; do i=$((i+1)); printf '\\r%d%%' $i; done; echo; echo done"
    bench.run(bench.node("shell", {"command": bar}))
    assert bench.log() == "1%\n100%\ndone\n"


TREE = (
    "sleep 300 & echo $! > $PIDS/child\n"
    "setsid sh -c 'sleep 300 & echo $! > $PIDS/grandchild; wait' &\n"
    "while ! test -s $PIDS/grandchild; do sleep 0.01; done\n"
)


@pytest.fixture
def pids(tmp_path):
    folder = tmp_path / "pids"
    folder.mkdir()
    return folder


def wait_until(met, seconds=30):
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(file):
    """Whether the process whose id stands in the file runs no more."""
    state = Path(f"/proc/{file.read_text().strip()}/stat")
    try:
        return state.read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def assert_tree_is_gone(pids):
    for name in ("child", "grandchild"):
        wait_until(lambda name=name: is_gone(pids / name), seconds=5)


@pytest.mark.parametrize("ending", ["exit 0", "kill -9 $$"])
def test_what_a_program_leaves_running_ends_with_it(bench, pids, ending):
    node = bench.node("shell", {"command": TREE + ending}, variables={"PIDS": str(pids)})
    try:
        bench.run(node)
    except WeftError as error:
        assert error.code == "APP020"
    assert_tree_is_gone(pids)


def test_a_time_limit_ends_the_whole_tree(bench, pids):
    node = bench.node(
        "shell", {"command": TREE + "trap '' TERM; sleep 300"}, timeout_s=1.0, variables={"PIDS": str(pids)}
    )
    with pytest.raises(UnavailableError, match="FLOW008"):
        bench.run(node)
    assert_tree_is_gone(pids)


def test_a_task_that_uses_more_memory_than_it_asked_for_is_ended(bench, pids):
    hungry = f"{sys.executable} -c \"x = b'x' * int(4e8); import time; time.sleep(300)\""
    node = bench.node(
        "shell", {"command": TREE + hungry}, resources=Resources(10**8, 1), variables={"PIDS": str(pids)}
    )
    with pytest.raises(UnavailableError, match=r"FLOW019: node 'task' used [0-9]+ MB of memory"):
        bench.run(node)
    assert_tree_is_gone(pids)


def test_an_image_that_is_not_used_is_told_in_the_log(bench):
    bench.run(bench.node("shell", {"command": "echo done"}, image="registry/images:7"))
    assert bench.log().splitlines() == [
        "weft: the image registry/images:7 is not used, processes of this machine have none",
        "done",
    ]


def test_stopping_the_run_ends_the_whole_tree(bench, pids):
    stop = threading.Event()
    node = bench.node("shell", {"command": TREE + "sleep 300"}, variables={"PIDS": str(pids)})

    def stopper():
        wait_until(lambda: (pids / "grandchild").exists() and (pids / "grandchild").read_text())
        stop.set()

    thread = threading.Thread(target=stopper)
    thread.start()
    with pytest.raises(Cancelled):
        bench.run(node, control=Control(stop=stop))
    thread.join()
    assert_tree_is_gone(pids)


def start_coordinator(bench, node, folder):
    """Run a node in a process of its own."""
    plan = folder / "plan.json"
    plan.write_text(Plan("bench", (node,)).to_json())
    code = (
        "import sys\nfrom weft.core import Resources\nfrom weft.flow import Plan, Store, run_plan\n"
        f"plan, store = Plan.from_json(open({str(plan)!r}).read()), Store({bench.store.url!r})\n"
        "run_plan(plan, store, resources=Resources(10**9, 1))"
    )
    return subprocess.Popen([sys.executable, "-c", code])


def test_killing_the_coordinator_ends_the_whole_tree(bench, pids, tmp_path):
    node = bench.node("shell", {"command": TREE + "sleep 300"}, variables={"PIDS": str(pids)})
    with start_coordinator(bench, node, tmp_path) as coordinator:
        wait_until(lambda: (pids / "grandchild").exists() and (pids / "grandchild").read_text())
        coordinator.kill()
    assert_tree_is_gone(pids)


ONE_AT_A_TIME = """
if test -e $PIDS/first; then
  kill -0 $(cat $PIDS/first) 2> /dev/null && touch $WEFT_OUTPUT/beside
  exit 0
fi
trap '' TERM
echo $$ > $PIDS/begun && mv $PIDS/begun $PIDS/first
while :; do sleep 0.1; done
"""


def test_a_retry_waits_until_the_tree_of_a_killed_coordinator_is_gone(bench, pids, tmp_path):
    node = bench.node("shell", {"command": ONE_AT_A_TIME}, variables={"PIDS": str(pids)})
    with start_coordinator(bench, node, tmp_path) as coordinator:
        wait_until(lambda: (pids / "first").exists())
        coordinator.kill()
    assert not bench.run(node)["task"].files
    assert is_gone(pids / "first")


LEAVES = """
cd $WEFT_OUTPUT
mkdir -p empty/deep filled outside/of
echo one > filled/one; echo '#!/bin/sh' > run; echo 'echo ran' >> run; chmod +x run
ln -s filled link; ln -s filled/one one; ln -s $WEFT_SCRATCH far; echo far > $WEFT_SCRATCH/file
"""


def test_links_empty_folders_and_the_right_to_be_run_pass_from_task_to_task(bench):
    leaves = bench.node("shell", {"command": LEAVES}, name="leaves")
    reads = "cd $WEFT_INPUT_LEAVES; find -L . > $WEFT_OUTPUT/names; ./run > $WEFT_OUTPUT/said; cat link/* one"
    read = bench.node("shell", {"command": reads}, name="read", inputs={"leaves": "leaves"})
    sink = Node("sink", "weft.compile.application.programs.task:gather_inputs", inputs={"leaves": "leaves"})
    again = Node("again", "weft.compile.application.programs.task:gather_inputs", inputs={"sink": "sink"})
    made = bench.run(leaves, read, sink, again)
    names = ["far", "far/file", "filled", "filled/one", "link", "link/one", "one", "run"]
    folders = ["empty", "empty/deep", "outside", "outside/of"]
    shown = made["read"].path("names").read_text().split()
    assert sorted(shown) == [".", *sorted(f"./{n}" for n in (*names, *folders))]
    assert made["read"].path("said").read_text() == "ran\n"
    assert bench.log("read") == "one\none\n"
    assert made["leaves"].path("far/file").read_text() == "far\n"
    assert made["leaves"].folders == ("empty/deep", "outside/of")
    assert made["sink"].executables == ("leaves/run",)
    assert made["again"].folders == ("sink/leaves/empty/deep", "sink/leaves/outside/of")


def test_a_result_is_another_one_when_a_file_may_be_run_or_a_folder_is_there(bench):
    lines = ["true", "chmod +x $WEFT_OUTPUT/f", "mkdir $WEFT_OUTPUT/d"]
    made = [
        bench.run(bench.node("shell", {"command": f"touch $WEFT_OUTPUT/f; {line}"}))["task"] for line in lines
    ]
    assert len({output.digest for output in made}) == 3
    assert len({output.files["f"] for output in made}) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("mkfifo d/pipe", "'d/pipe'.*a named pipe"),
        ("ln -s nowhere d/link", "'d/link'.*leads nowhere"),
        ("ln -s link d/link", "'d/link'.*leads nowhere"),
        ("ln -s .. d/up", "'d/up'.*back to a folder above"),
        ("ln -s /dev/null d/null", "'d/null'.*a device"),
        ("touch d/$(printf 'caf\\351')", r"'d/caf\\xe9'.*not UTF-8"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_name(bench, line, reason):
    node = bench.node("shell", {"command": f"cd $WEFT_OUTPUT; mkdir d; {line}"}, retries=1)
    with pytest.raises(UserError, match=f"FLOW026: node 'task' left {reason}"):
        bench.run(node)


def test_workers_of_one_task_find_each_other(bench):
    bench.write(
        "meet.py",
        "import json, os, socket, pathlib\n"
        "rank, size = int(os.environ['RANK']), int(os.environ['WORLD_SIZE'])\n"
        "address = (os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT']))\n"
        "if rank == 0:\n"
        "    with socket.create_server(address) as server:\n"
        "        said = sorted(server.accept()[0].makefile().readline().strip() for _ in range(size - 1))\n"
        "    pathlib.Path(os.environ['WEFT_OUTPUT'], 'result.json').write_text(json.dumps({'met': said}))\n"
        "else:\n"
        "    while True:\n"
        "        try:\n"
        "            link = socket.create_connection(address)\n"
        "            break\n"
        "        except ConnectionRefusedError:\n"
        "            pass\n"
        "    link.sendall(f'{rank}\\n'.encode())\n"
        "    print('sent')\n"
        "    pathlib.Path(os.environ['WEFT_OUTPUT'], 'lost.txt').write_text('x')\n",
    )
    output = bench.run(bench.node("python", {"file": "meet.py"}, nodes=3))["task"]
    assert output.value == {"met": ["1", "2"]}
    assert list(output.files) == ["result.json"]
    assert sorted(bench.log().splitlines()) == ["[1] sent", "[2] sent"]


def test_when_one_worker_fails_the_others_end(bench):
    line = 'test "$RANK" = 0 && exec sleep 300; exit 5'
    started = time.monotonic()
    with pytest.raises(WeftError, match="exit code 5"):
        bench.run(bench.node("shell", {"command": line}, nodes=2))
    assert time.monotonic() - started < 60


def test_a_sink_gathers_what_the_tasks_before_it_made(bench):
    nodes = [
        bench.node(
            "shell",
            {"command": f'echo {n} > $WEFT_OUTPUT/x; echo \'{{"n": "{n}"}}\' > $WEFT_OUTPUT/result.json'},
            name=n,
        )
        for n in ("a", "b")
    ]
    output = bench.run(*nodes, Node("all", KINDS["gather"].program, inputs={"a": "a", "b": "b"}))["all"]
    assert output.value == {"a": {"n": "a"}, "b": {"n": "b"}}
    assert output.path("a/x").read_text() == "a\n"
    assert set(output.files) == {"a/x", "b/x", "a/result.json", "b/result.json"}


def test_an_artifact_cannot_write_outside_of_its_folder(bench, tmp_path):
    content = bench.store.put_bytes(b"x")
    for name in ("../out", "/tmp/out", "a/../../out"):
        digest = bench.store.put_linked({"kind": "tree", "files": {name: content}}, [content])
        with pytest.raises(UserError, match="APP018"):
            lay_out_sources(bench.store, digest, tmp_path / "laid")
    assert not (tmp_path / "out").exists()


def test_the_digest_of_sources_follows_from_names_contents_and_rights(bench):
    bench.write("a.py", "1")
    first = bench.artifact()
    os.utime(bench.folder / "a.py", (1, 1))
    assert bench.artifact() == first
    bench.write("a.py", "1", 0o755)
    assert bench.artifact() != first


def test_large_parameters_reach_a_program_as_a_file(bench):
    bench.write(
        "read.py",
        "import json, os\nassert 'WEFT_PARAMETERS' not in os.environ\n"
        "assert len(json.load(open(os.environ['WEFT_PARAMETERS_FILE']))['text']) == 300000\n",
    )
    bench.run(bench.node("python", {"file": "read.py", "text": json.dumps("x" * 299_998)}))


def test_parameters_that_do_not_fit_into_variables_are_in_the_file(bench):
    parameters = {f"p{i}": "é" * 45_000 for i in range(30)} | {"wide": "é" * 70_000, "small": "x"}
    line = "echo $WEFT_PARAMETER_SMALL ${#WEFT_PARAMETER_WIDE}; grep -o p29 $WEFT_PARAMETERS_FILE"
    bench.run(bench.node("shell", {"command": line, **parameters}))
    assert bench.log() == "x 0\np29\n"


def test_an_argument_that_is_too_long_is_a_coded_error(bench):
    node = bench.node("shell", {"command": ["echo", "${text}"], "text": "x" * 200_000})
    with pytest.raises(UserError, match=r"APP021.*the longest is argument 1, 200,000 characters"):
        bench.run(node)


@pytest.mark.parametrize("names", [("a-b", "a_b"), ("lr", "LR")])
def test_parameters_that_would_be_one_variable_are_refused(bench, names):
    node = bench.node("shell", {"command": "true", **dict.fromkeys(names, 1)})
    with pytest.raises(
        UserError, match=f"APP080: task 'task' has parameters named '{names[0]}' and '{names[1]}'"
    ):
        bench.run(node)


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_job_begun_within_another_program_of_several_workers_is_no_part_of_it(bench, monkeypatch, nodes):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    line = 'echo "rank ${RANK-none}"; echo kept > "$WEFT_OUTPUT/kept.txt"'
    output = bench.run(bench.node("shell", {"command": line}, nodes=nodes))["task"]
    assert list(output.files) == ["kept.txt"]
    told = ["[1] rank 1", "rank 0"] if nodes == 2 else ["rank none"]
    assert [t.removeprefix("[0] ") for t in sorted(bench.log().splitlines())] in (told, told[::-1])


def test_the_source_of_another_tasks_secret_is_not_handed_on(bench, monkeypatch):
    monkeypatch.setenv("HUB_TOKEN", "supersecretvalue")
    line = 'echo "${HUB_TOKEN-nothing}" > "$WEFT_OUTPUT/seen.txt"'
    hidden = {"hidden": ["HUB_TOKEN"]}
    output = bench.run(bench.node("shell", {"command": line}, hints=hidden))["task"]
    assert output.path("seen.txt").read_text() == "nothing\n"
    asked = {"HUB_TOKEN": "env:HUB_TOKEN"}
    output = bench.run(bench.node("shell", {"command": line, "n": 2}, hints=hidden, secrets=asked))["task"]
    assert output.path("seen.txt").read_text() == "supersecretvalue\n"
