"""Encoders of columns against the formulas they stand for."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core import MICROSECONDS_PER_DAY as DAY
from weft.core import Stype, UserError, from_json, to_json
from weft.learn.encoders import (
    EncoderOptions,
    HashedCategories,
    HashedText,
    IndexedCategories,
    PiecewiseLinear,
    QuantileBins,
    RawColumn,
    RobustNumbers,
    SeveralCategories,
    StandardNumbers,
    Timestamps,
    Vectors,
    choose_encoder,
)
from weft.learn.encoders.column import NO_TIME
from weft.learn.encoders.times import AGE_WIDTH, INSTANT_WIDTH, encode_ages, encode_instants

NUMBERS = st.lists(st.floats(width=32) | st.none(), min_size=1, max_size=40)


def texts(*values):
    column = pa.array(values, pa.string()).dictionary_encode()
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return RawColumn(codes, column.dictionary)


@given(NUMBERS, NUMBERS, st.sampled_from([StandardNumbers, RobustNumbers, QuantileBins, PiecewiseLinear]))
def test_numbers_of_any_kind_encode_to_what_was_announced(train, given_later, kind):
    fitted = kind.fit(RawColumn(np.array(train, np.float64)))
    encoded = fitted.bind(None).encode(np.array(given_later, np.float64))
    assert encoded.dense.shape == (len(given_later), fitted.width)
    assert encoded.codes.shape == (len(given_later), len(fitted.sizes))
    assert np.isfinite(encoded.dense).all() and np.abs(encoded.dense).max(initial=0) <= 5
    assert all((encoded.codes[:, i] < size).all() for i, size in enumerate(fitted.sizes))
    assert from_json(type(fitted), to_json(fitted)) == fitted


def test_standard_numbers_are_those_of_the_formula_and_missing_ones_are_marked():
    fitted = StandardNumbers.fit(RawColumn(np.array([1.0, 3.0, np.nan])))
    assert fitted.encode(np.array([3.0, np.nan, 100.0, -np.inf])).dense.tolist() == [
        [1.0, 0.0],
        [0.0, 1.0],
        [5.0, 0.0],
        [0.0, 1.0],
    ]
    assert StandardNumbers.fit(RawColumn(np.array([1.0, 3.0]))).width == 1


def test_booleans_and_integers_know_their_own_missing_values():
    assert RawColumn(np.array([0, 1, 255], np.uint8)).is_missing.tolist() == [False, False, True]
    fitted = StandardNumbers.fit(RawColumn(np.array([0, 1, 1, 0], np.uint8)))
    assert fitted.encode(np.array([0, 1, 255], np.uint8)).dense[:, 0].tolist() == [-1.0, 1.0, 0.0]
    whole = RawColumn(np.array([5, np.iinfo(np.int64).min]))
    assert np.isnan(whole.numbers()).tolist() == [False, True]


def test_one_huge_number_does_not_move_robust_numbers():
    usual = np.arange(100.0)
    fitted = RobustNumbers.fit(RawColumn(np.append(usual, 1e12)))
    spread = fitted.encode(usual).dense[:, 0]
    assert spread.min() < -1 and spread.max() > 1


def test_piecewise_linear_numbers_fill_bins_from_below():
    fitted = PiecewiseLinear.fit(RawColumn(np.arange(9.0)), num_bins=4)
    assert fitted.edges == (0.0, 2.0, 4.0, 6.0, 8.0)
    filled = fitted.encode(np.array([3.0, -1.0, 99.0])).dense + 0.5
    assert filled.tolist() == [[1, 0.5, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]


def test_bins_are_the_quantiles_of_train():
    fitted = QuantileBins.fit(RawColumn(np.arange(8.0)), num_bins=4)
    codes = fitted.encode(np.array([np.nan, -5.0, 0.0, 7.0, 70.0])).codes[:, 0]
    assert codes.tolist() == [0, 2, 2, 5, 5]


def test_categories_keep_a_place_for_missing_and_one_for_unseen_values():
    fitted = IndexedCategories.fit(texts("a", "b", "a", None), most=1)
    assert fitted.vocabulary == ("a",)
    later = texts("b", None, "a", "c")
    assert fitted.bind(later.dictionary).encode(later.values).codes[:, 0].tolist() == [1, 0, 2, 1]


def test_numbers_may_be_categories():
    fitted = IndexedCategories.fit(RawColumn(np.array([7, 7, 9])), most=10)
    assert fitted.bind(None).encode(np.array([9, 7, 8, np.iinfo(np.int64).min])).codes[:, 0].tolist() == [
        3,
        2,
        1,
        0,
    ]


def test_a_hash_tells_values_apart_that_were_never_seen():
    fitted = HashedCategories(64)
    column = texts(*(f"v{i}" for i in range(200)), None)
    codes = fitted.bind(column.dictionary).encode(column.values).codes
    assert len({tuple(c) for c in codes.tolist()}) > 190
    assert codes[-1].tolist() == [0, 0] and codes[:-1].min() >= 2 and codes.max() < fitted.sizes[0]


def test_several_categories_are_marked_each():
    fitted = SeveralCategories.fit(texts("x;y", "x; z", "x"), ";", most=2)
    assert fitted.vocabulary == ("x", "y")
    later = texts("z;y;x", "", None)
    dense = fitted.bind(later.dictionary).encode(later.values).dense
    assert dense[:, :2].tolist() == [[1, 1], [0, 0], [0, 0]]
    assert dense[:, -1].tolist() == [0, 0, 1]
    assert dense[0, 2] == pytest.approx(np.log(4))


def test_times_of_one_weekday_or_season_lie_together():
    year = round(365.2425 * DAY)
    instants = np.array([100 * DAY, 100 * DAY + 4 * 7 * DAY, 100 * DAY + year, NO_TIME])
    told = encode_instants(instants, np.full(4, 2000 * DAY))
    assert told.shape == (4, INSTANT_WIDTH)
    week, of_year = told[:, AGE_WIDTH + 2 : AGE_WIDTH + 4], told[:, AGE_WIDTH + 4 :]
    assert week[0] == pytest.approx(week[1], abs=1e-5) and of_year[0] == pytest.approx(of_year[2], abs=1e-5)
    assert told[3].tolist() == [1.0] + [0.0] * (INSTANT_WIDTH - 1)
    assert Timestamps().encode(instants).instants[:, 0].tolist() == instants.tolist()


def test_an_instant_after_the_anchor_is_told_like_one_that_is_missing():
    anchor = 100 * DAY
    told = encode_instants(np.array([anchor, anchor + 1, anchor + 50 * DAY, NO_TIME]), np.full(4, anchor))
    assert told[0, 0] == 0
    assert np.array_equal(told[1], told[3]) and np.array_equal(told[2], told[3])


def test_ages_are_told_on_all_scales_and_missing_ones_are_marked():
    ages = encode_ages(np.array([0, DAY, 400 * DAY, NO_TIME]))
    assert np.isfinite(ages).all() and ages.shape == (4, AGE_WIDTH)
    assert ages[:, 0].tolist() == [0, 0, 0, 1]
    assert ages[0, 1] < ages[1, 1] < ages[2, 1]
    assert (ages[3, 1:] == 0).all()


def test_vectors_keep_their_directions():
    rng = np.random.default_rng(0)
    train = rng.normal(3, 2, (500, 4)).astype(np.float32)
    fitted = Vectors.fit(RawColumn(train))
    encoded = fitted.encode(np.concatenate([train[:2], np.full((1, 4), np.nan, np.float32)])).dense
    assert encoded[2].tolist() == [0] * 4
    assert encoded[:2] == pytest.approx((train[:2] - train.mean(axis=0)) / 2, abs=0.3)


def test_texts_that_share_words_are_nearer_than_others_also_when_never_seen():
    late, sweet = "late delivery of parcel {}", "great taste, sweet fruit {}"
    fitted = HashedText.fit(texts(*(t.format(i) for t in (late, sweet) for i in range(30))), 8)
    asked = "parcel with late delivery", "delivery of a parcel was late", "sweet fruit of great taste"
    later = texts(*asked, None)
    one, same, other, missing = fitted.bind(later.dictionary).encode(later.values).dense
    near = np.linalg.norm(one[:-2] - same[:-2])
    assert near < 0.5 * np.linalg.norm(one[:-2] - other[:-2])
    assert missing[-1] == 1 and (missing[:-1] == 0).all()


def test_texts_that_are_too_few_to_learn_from_are_told_by_length_alone():
    assert HashedText.fit(texts("only one"), 8).width == 2


@pytest.mark.parametrize(
    ("stype", "raw", "kind"),
    [
        (Stype.NUMERICAL, RawColumn(np.random.default_rng(0).normal(size=500)), StandardNumbers),
        (Stype.NUMERICAL, RawColumn(np.random.default_rng(0).lognormal(0, 3, 500)), PiecewiseLinear),
        (Stype.NUMERICAL, RawColumn(np.arange(4.0).repeat(9)), StandardNumbers),
        (Stype.CATEGORICAL, texts("a", "b"), IndexedCategories),
        (Stype.CATEGORICAL, texts(*(str(i) for i in range(50))), HashedCategories),
        (Stype.MULTICATEGORICAL, texts("a,b", "b"), SeveralCategories),
        (Stype.TEXT, texts("some words here", "other words there"), HashedText),
        (Stype.TIMESTAMP, RawColumn(np.array([1, 2])), Timestamps),
        (Stype.EMBEDDING, RawColumn(np.eye(3, dtype=np.float32)), Vectors),
    ],
)
def test_the_encoder_follows_meaning_and_values(stype, raw, kind):
    assert isinstance(choose_encoder("t.c", stype, raw, EncoderOptions(most_categories=20)), kind)


def test_a_column_that_tells_nothing_is_dropped():
    options = EncoderOptions()
    assert choose_encoder("t.c", Stype.NUMERICAL, RawColumn(np.ones(5)), options) is None
    assert choose_encoder("t.c", Stype.NUMERICAL, RawColumn(np.full(5, np.nan)), options) is None
    assert choose_encoder("t.c", Stype.ID, RawColumn(np.arange(5.0)), options) is None
    assert choose_encoder("t.c", Stype.NUMERICAL, RawColumn(np.array([1.0, np.nan])), options) is not None


def test_the_word_of_the_user_decides_and_is_refused_where_it_cannot_be():
    raw = RawColumn(np.arange(100.0))
    bins = choose_encoder("t.c", Stype.NUMERICAL, raw, EncoderOptions(by_column={"t.c": "bins"}))
    assert isinstance(bins, QuantileBins)
    assert choose_encoder("t.c", Stype.NUMERICAL, raw, EncoderOptions(by_column={"t.c": "drop"})) is None
    with pytest.raises(UserError, match="'magic' is no encoder") as refused:
        EncoderOptions(by_column={"t.c": "magic"})
    assert refused.value.code == "LEARN040"
    with pytest.raises(UserError, match=r"t\.c cannot be encoded by 'text'") as refused:
        choose_encoder("t.c", Stype.NUMERICAL, raw, EncoderOptions(by_column={"t.c": "text"}))
    assert refused.value.code == "LEARN040"


def test_the_largest_numbers_of_a_type_are_encoded_without_overflow():
    values = np.array([1.7e308, -1.7e308, 1.5, 2.5, np.inf, np.nan] * 20 + np.arange(20).tolist())
    with np.errstate(over="raise", invalid="raise"):
        for numbers in ("auto", "standard", "robust", "bins", "piecewise"):
            fitted = choose_encoder(
                "t.x", Stype.NUMERICAL, RawColumn(values), EncoderOptions(numbers=numbers)
            )
            assert np.isfinite(fitted.bind(None).encode(values).dense).all()
