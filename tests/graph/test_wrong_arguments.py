"""Arguments that mean nothing are refused with a code, the value and a hint; those that do are taken."""

import pickle
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from toy_graph import Toy, ToyLink, ToyTable, write_toy

from weft.core import Toward, UserError
from weft.graph import (
    BatchCache,
    Choice,
    Exclusion,
    Loader,
    NegativeSampler,
    Residency,
    SampleOptions,
    Sampler,
    SeedBatches,
    Seen,
    Store,
    Strategy,
    TopKOptions,
    encode_batch,
    top_k,
)
from weft.graph.keycolumns import columns_given
from weft.graph.layout import Keys, TableLayout

LINK = "event.link0 -> user"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arguments") / "graph"
    tables = [ToyTable("user", [None] * 4), ToyTable("event", [1, 2, 3, 4, 5, 6])]
    write_toy(Toy(tables, [ToyLink(1, 0, [0, 0, 1, 1, 2, 2])]), folder)
    return folder


@pytest.fixture(scope="module")
def store(folder):
    return Store(folder)


def refused(code, said, call, *given, **named):
    with pytest.raises(UserError) as caught:
        call(*given, **named)
    assert caught.value.code == code
    assert said in str(caught.value)
    assert caught.value.hint


OPTIONS = [
    ({"fanouts": 5}, "(10,) for one"),
    ({"fanouts": "55"}, "'55'"),
    ({"fanouts": (2**32,)}, "4294967296"),
    ({"fanouts": (1.5,)}, "1.5"),
    ({"fanouts": (True,)}, "True"),
    ({"fanouts": ({("a", "CHILD"): 1},)}, "direction of 'a' is 'CHILD'"),
    ({"fanouts": ({("a", "parent", 1): 1},)}, "is no link"),
    ({"fanouts": ({3: 1},)}, "3 is no link"),
    ({"strategy": "nope"}, "'last', 'uniform', 'window', 'recent_weighted'"),
    ({"strategy": "window"}, "window_us"),
    ({"strategies": {"a": "nope"}}, "'nope'"),
    ({"strategies": "uniform"}, "mapping"),
    ({"strategies": {("a", "parent"): "last"}}, "name links"),
    ({"scope": "nope"}, "'disjoint', 'shared'"),
    ({"columns": "orders"}, "('orders',)"),
    ({"crossed": "orders"}, "('orders',)"),
    ({"columns": 3}, "columns is 3"),
    ({"seed": 1.5}, "1.5"),
    ({"seed": 2**64}, str(2**64)),
]


@pytest.mark.parametrize(("options", "said"), OPTIONS, ids=range(len(OPTIONS)))
def test_options_of_a_sampling(options, said):
    refused("GRAPH042", said, SampleOptions, **options)


@pytest.mark.parametrize("length", [0, -1, 1.5, 2**63, "5", True])
def test_lengths_of_strategies(length):
    refused("GRAPH042", repr(length), Strategy, "window", window_us=length)
    refused("GRAPH042", repr(length), Strategy, "recent_weighted", half_life_us=length)


def test_words_and_numbers_of_numpy_are_taken():
    given = SampleOptions(
        [np.int64(3), {("a", "parent"): np.uint8(2), "*": -1}],
        "uniform",
        {"a": "last"},
        scope="shared",
        columns=["a"],
        seed=np.uint64(7),
    )
    strategies = {"a": Strategy(Choice.LAST)}
    hops = (3, {("a", Toward.PARENT): 2, "*": -1})
    assert given == SampleOptions(
        hops, Strategy(Choice.UNIFORM), strategies, scope="shared", columns=("a",), seed=7
    )
    assert Strategy("window", window_us=np.int64(5)).window_us == 5


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True, 2**40])
def test_threads(store, threads):
    refused("GRAPH042", repr(threads), Sampler, store, SampleOptions(), threads=threads)
    refused("GRAPH042", repr(threads), store.values, "user", [0], threads=threads)
    refused("GRAPH042", repr(threads), store.rows, "user", [0], threads=threads)
    negatives = NegativeSampler(store, "user", strategy="uniform")
    refused("GRAPH042", repr(threads), negatives.sample, [5], 1, keys=[0], threads=threads)


@pytest.mark.parametrize("epoch", [-1, 1.5, 2**64, None])
def test_epochs(store, epoch, tmp_path):
    sampler = Sampler(store, SampleOptions())
    refused("GRAPH042", repr(epoch), sampler.sample, "user", [0], [5], epoch=epoch)
    for cache in (None, BatchCache(tmp_path, max_bytes=1000)):
        refused("GRAPH042", repr(epoch), SeedBatches(sampler, "user", [0], [5], cache=cache).batch, epoch, 0)
    negatives = NegativeSampler(store, "user", strategy="uniform")
    refused("GRAPH046", repr(epoch), negatives.sample, [5], 1, keys=[0], epoch=epoch)


def test_batches_that_an_epoch_lacks(store):
    batches = SeedBatches(Sampler(store, SampleOptions()), "user", [0, 1], [5, 5], batch_size=1)
    for number in (-1, 2, 0.5):
        refused("GRAPH042", repr(number), batches.batch, 0, number)
    for name in ("batch_size", "shuffle_seed"):
        refused("GRAPH042", "-1", SeedBatches, batches.sampler, "user", [0], [5], **{name: -1})
        refused("GRAPH042", "1.5", SeedBatches, batches.sampler, "user", [0], [5], **{name: 1.5})
    none = SeedBatches(batches.sampler, "user", [], [])
    assert len(none) == 0
    refused("GRAPH042", "no seeds", none.batch, 0, 0)


def test_a_seed_of_numpy_shares_the_cache_with_one_of_python(store, tmp_path):
    cache = BatchCache(tmp_path, max_bytes=np.int64(10**6))
    sizes = []
    for seed in (7, np.uint64(7)):
        sampler = Sampler(store, SampleOptions((2,), "uniform", seed=seed))
        SeedBatches(sampler, "user", [0, 1], [5, 5], cache=cache).batch(np.int64(0), np.int64(0))
        sizes.append(cache.kept_bytes())
    assert sizes[0] == sizes[1] > 0


def test_shapes_and_places_of_seeds_and_exclusions(store):
    sampler = Sampler(store, SampleOptions())
    link = store.layout.links[0].name
    refused("GRAPH040", "shape (2, 1)", sampler.sample, "user", [[0], [1]], [5, 5])
    refused("GRAPH042", "shape (2, 1)", sampler.sample, "user", [0, 1], [[5], [5]])
    refused("GRAPH042", "2 seeds and 1 anchor", sampler.sample, "user", [0, 1], [5])
    wrong = [
        ([0, 1], "seed 1 at position 1"),
        ([-1, 0], "seed -1"),
        ([0], "shape (1,)"),
        ([0.0, 1.0], "float64"),
    ]
    for seeds, said in wrong:
        refused("GRAPH042", said, sampler.sample, "user", [0], [5], exclude=[Exclusion(link, [0, 1], seeds)])
    refused("GRAPH040", "'event'", sampler.sample, "user", [0], [5], exclude=[Exclusion(link, [0.5])])
    refused("GRAPH042", "sequence", sampler.sample, "user", [0], [5], exclude=Exclusion(link, [0]))


def test_lists_of_negatives(store):
    sampler = NegativeSampler(store, "user", strategy="uniform")
    refused("GRAPH040", "no row 4", sampler.sample, [5], 1, keys=[0], exclude=([0, 2], [1, 4]))
    refused("GRAPH046", "float64", sampler.sample, [5], 1, keys=[0], exclude=([0.0, 2.0], [1, 3]))
    refused("GRAPH046", "type int", sampler.sample, [5], 1, keys=[0], exclude=5)
    assert sampler.sample([5], 4, keys=[0], exclude=([0, 2], [1, 0xFFFFFFFF])).tolist()[0].count(1) == 0
    refused("GRAPH045", "1.5", NegativeSampler, store, "user", strategy="uniform", seed=1.5)


def test_searches_and_loaders():
    good = np.ones((2, 2), np.float32)
    refused("GRAPH070", "'l2'", top_k, good, good, 1, similarity="l2")
    refused("GRAPH070", "1.5", top_k, good, good, 1.5)
    refused("GRAPH071", "users are a list", top_k, good.tolist(), good, 1)
    refused("GRAPH071", "items are a list", top_k, good, good.tolist(), 1)
    refused("GRAPH072", "list", top_k, good, good, 1, allowed=[True, True])
    refused(
        "GRAPH072", "offsets of the seen items are a list", top_k, good, good, 1, seen=Seen([0, 0, 0], [])
    )
    refused("GRAPH072", "tuple", top_k, good, good, 1, seen=([0, 0, 0], []))
    refused("GRAPH070", "1.5", TopKOptions, threads=1.5)
    refused("GRAPH060", "workers of a loader is 1.5", Loader, print, [], workers=1.5)
    refused("GRAPH060", "'9'", Loader, print, [], memory_bytes="9")
    refused("GRAPH067", "1.5", BatchCache, "nowhere", max_bytes=1.5)
    assert top_k(good, good, np.int64(1), similarity="cosine").items.tolist() == [[0], [0]]


def test_where_the_pages_are_is_a_word(folder):
    refused("GRAPH042", "'mapped', 'resident'", Store, folder, residency="foo")
    assert Store(folder, residency="resident").residency is Residency.RESIDENT


def test_a_closed_store_keeps_its_layout_and_reads_no_more(folder):
    with Store(folder) as store:
        sampler = Sampler(store, SampleOptions((2,)))
        batch = sampler.sample("user", [0], [9])
        store.close()
    assert batch.tables["event"].blocks["float64"][:, 0].tolist() == [1.5, 0.5]
    assert store.table("user").num_rows == 4
    refused("GRAPH047", str(folder), sampler.sample, "user", [0], [9])
    refused(
        "GRAPH047", str(folder), NegativeSampler(store, "user", strategy="uniform").sample, [5], 1, keys=[0]
    )
    for read in (store.values, store.times_us, store.source_rows, store.rows, store.keys):
        refused("GRAPH047", str(folder), read, "user", [0])
    refused("GRAPH047", str(folder), pickle.dumps, store)
    assert store.verify() > 0


def test_what_is_pickled_is_opened_again(folder, tmp_path):
    copy = tmp_path / "graph"
    shutil.copytree(folder, copy)
    sampler = Sampler(Store(copy, residency="resident"), SampleOptions((2,), "uniform", seed=3), threads=2)
    cache = BatchCache(tmp_path / "cache", max_bytes=10**6)
    batches = SeedBatches(sampler, "user", [0, 1], [9, 9], batch_size=1, shuffle_seed=5, cache=cache)
    sent = pickle.dumps((sampler, batches, NegativeSampler(sampler.store, "user", strategy="uniform")))
    again, others, negatives = pickle.loads(sent)
    assert again.store.residency is Residency.RESIDENT
    assert again.threads == 2
    for number in range(2):
        left, right = batches.batch(1, number), others.batch(1, number)
        assert left.positions.tolist() == right.positions.tolist()
        assert bytes(encode_batch(left.batch)) == bytes(encode_batch(right.batch))
    assert negatives.sample([9], 4, keys=[0]).shape == (1, 4)
    shutil.rmtree(copy)
    write_toy(Toy([ToyTable("user", [None])], []), copy)
    refused("GRAPH048", str(copy), pickle.loads, sent)


PAIRS = TableLayout("t", 2, 0, (), (), (), Keys(columns=("a", "b")), None, (), None)
ONE = TableLayout("t", 2, 0, (), (), (), Keys(columns=("a",)), None, (), None)


def test_keys_of_several_columns_are_tuples_columns_or_tables():
    a, b = [1, 2], ["x", "y"]
    for keys in (
        [(1, "x"), (2, "y")],
        [a, b],
        (a, b),
        (np.array(a), pa.array(b)),
        pa.table({"b": b, "c": a, "a": a}),
        pd.DataFrame({"b": b, "a": a}),
        {"b": b, "a": a, "more": 1},
    ):
        assert [
            pa.array(c).to_pylist() if not isinstance(c, pa.ChunkedArray) else c.to_pylist()
            for c in columns_given(PAIRS, keys)
        ] == [a, b]
    assert columns_given(PAIRS, [None, (2, "y")]) == [[None, 2], [None, "y"]]
    assert columns_given(PAIRS, []) == [[], []]
    assert columns_given(ONE, [1, 2]) == [[1, 2]]
    assert columns_given(ONE, {"a": a}) == [a]
    for wrong in ([(1, "x", 3), (2, "y")], {"a": a}, pa.table({"b": b}), 5, "ab", np.zeros((2, 2))):
        refused("GRAPH044", "", columns_given, PAIRS, wrong)
