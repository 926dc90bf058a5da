"""Fits a network on a planted graph in a process of its own, which may be killed, starved or one of several.

python -m learn.networks.fit_process GRAPH OUT JSON
"""

import json
import os
import resource
import signal
import sys
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from weft.core import Silent
from weft.graph import Source, Store
from weft.learn import get_rung
from weft.learn.networks import training
from weft.learn.networks.stepping import Stepper

from .planted import RESOURCES, make_data, make_tables
from .planted_lists import make_lists

CONFIG = {"channels": 16, "fanouts": [8, 4], "epochs": 4, "batch_size": 128, "learning_rate": 0.02}


LISTS = {
    "channels": 16,
    "fanouts": [8, 4],
    "epochs": 3,
    "batch_size": 64,
    "learning_rate": 0.006,
    "features": "none",
    "options": {"negatives": 32, "item_fanouts": [4]},
}


def fit_lists(data, name, config, unfinished=None, seed=0):
    limits = {"resources": RESOURCES, "deadline": None, "progress": Silent(), "unfinished": unfinished}
    return get_rung(name).fit(data, LISTS | config, seed, **limits)


def fit(data, config, unfinished=None, seed=0):
    limits = {"resources": RESOURCES, "deadline": None, "progress": Silent(), "unfinished": unfinished}
    return get_rung("sage").fit(data, CONFIG | config, seed, **limits)


def kill_at(last):
    """End this process by SIGKILL in the middle of its n-th step."""
    done = iter(range(1, 10**9))
    step = Stepper.step

    def killed(*arguments):
        if next(done) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments)

    Stepper.step = killed


def starve(spare_bytes):
    """Let this process have only so much more memory once it trains, of all that it may take later."""
    step = Stepper.step

    def starved(*arguments):
        Stepper.step = step
        told = Path("/proc/self/status").read_text().splitlines()
        used = next(int(line.split()[1]) for line in told if line.startswith("VmData"))
        resource.setrlimit(resource.RLIMIT_DATA, (used * 1024 + spare_bytes, resource.RLIM_INFINITY))
        return step(*arguments)

    Stepper.step = starved


def main():
    graph, out, options = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    if "rendezvous" in options:
        from torch import distributed

        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        meet = f"file://{options['rendezvous']}"
        distributed.init_process_group("gloo", init_method=meet, rank=rank, world_size=size)
        out = out / str(rank)
    if "kill_at" in options:
        kill_at(options["kill_at"])
    if "spare_bytes" in options:
        starve(options["spare_bytes"])
    source, config = Source(Store(graph)), options.get("config", {})
    if "ranks_items" in options:
        training._CHECKPOINT_S = 0.0
        data = make_lists(source)
        model = fit_lists(data, options["ranks_items"], config, out / "unfinished")
    else:
        data = make_data(source, make_tables()[1])
        model = fit(data, config, out / "unfinished")
    save_file(model.network.state_dict(), out / "weights.safetensors")
    (out / "told.json").write_text(json.dumps({"curve": model.curve, "words": model.words}))
    np.save(out / "prediction.npy", model.score_rows(asked(data)))


def asked(data):
    from weft.learn.view import asked as of_data

    return of_data(data, data.test)


if __name__ == "__main__":
    main()
