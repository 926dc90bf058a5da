"""A Ray cluster of two machines on this one, until stdin ends: ``python ray_cluster.py FOLDER``.

Prints its address, then ends the second machine at a line ``kill``, adds one at ``add``, and answers ``ok``.
"""

import contextlib
import sys

with contextlib.redirect_stdout(sys.stderr):
    from ray.cluster_utils import Cluster

    _MACHINE = {"num_cpus": 2, "memory": 4_000_000_000, "object_store_memory": 80 * 2**20}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={**_MACHINE, "include_dashboard": False, "temp_dir": sys.argv[1]},
    )
    second = cluster.add_node(**_MACHINE, resources={"second": 4})
sys.stdout.write(f"{cluster.address}\n")
sys.stdout.flush()
try:
    for line in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            if line == "add\n":
                second = cluster.add_node(**_MACHINE, resources={"second": 4})
            else:
                cluster.remove_node(second, allow_graceful=False)
        sys.stdout.write("ok\n")
        sys.stdout.flush()
finally:
    with contextlib.redirect_stdout(sys.stderr):
        cluster.shutdown()
