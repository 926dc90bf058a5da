"""What the tests on random databases share."""

import math
import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from weft.core import History, to_micros
from weft.data.labels import Layout
from weft.pql import aggregates_in
from weft.testing.databases import DAYS
from weft.testing.oracle import Label
from weft.testing.tiny import day

# WEFT_EXAMPLES=2000 searches longer.
EXAMPLES = int(os.environ.get("WEFT_EXAMPLES", "20"))


def searching(max_examples):
    phases = [Phase.explicit, Phase.generate] if "WEFT_NO_SHRINK" in os.environ else list(Phase)
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(max_examples=max_examples, phases=phases, deadline=None, suppress_health_check=checks)


SEARCH = searching(EXAMPLES)
SHORT_SEARCH = searching(max(1, EXAMPLES // 2))
ANCHORS = st.lists(
    st.builds(
        lambda halves, micros: to_micros(day(halves / 2)) + micros,
        st.integers(-2, 2 * DAYS + 2),
        st.sampled_from([0, 0, 0, 1, -1, 1_500_000]),
    ),
    min_size=1,
    max_size=6,
    unique=True,
)


def layout_of(query, anchors):
    windows = [a.window for a in aggregates_of(query)]
    longest = max(windows, key=lambda w: w.end.nominal_us, default=None)
    frames = query.task.num_frames or 1
    window = longest.end if longest and frames > 1 else None
    return Layout(
        "given", History.SEED_TIME, tuple(sorted(anchors)), (), (), window=window, num_frames=frames
    )


def aggregates_of(query):
    return [a for a in aggregates_in(query.target) if a.window]


def rows_of(table):
    frames = table["frame"].to_pylist() if "frame" in table.column_names else [0] * table.num_rows
    times = [to_micros(t) for t in table["anchor_time"].to_pylist()]
    columns = (times, table["entity"].to_pylist(), table["label"].to_pylist(), frames)
    return [Label(*row) for row in zip(*columns, strict=True)]


def is_close(left, right):
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-12)
    return left == right


def assert_same(found, wanted):
    keys = [(r.anchor_us, r.entity, r.frame) for r in found]
    assert keys == [(r.anchor_us, r.entity, r.frame) for r in wanted]
    differing = [(f, w) for f, w in zip(found, wanted, strict=True) if not is_close(f.label, w.label)]
    assert not differing
