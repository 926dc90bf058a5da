// Both sides of a sharded graph: one step answered by a shard, and the sampling that asks for it.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>

#include <memory>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "lockstep.hpp"
#include "sample_arrays.hpp"
#include "strategies.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using weft_bindings::In;
using weft_bindings::to_numpy;

namespace {

template <class T>
auto copied(const T* data, std::size_t size) {
  weft::Buffer<T> out(size);
  std::copy_n(data, size, out.data());
  return to_numpy(std::move(out));
}

// Parents of rows, kNone where there is none; whether they are visible, their owner says.
auto parents(const weft::Graph& graph, std::uint32_t link, In<std::uint32_t> rows) {
  if (link >= graph.links.size()) throw nb::value_error("no such link");
  weft::Buffer<std::uint32_t> out(rows.size());
  {
    nb::gil_scoped_release released;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      graph.check_row(graph.links[link].child, rows.data()[i]);
      out[i] = graph.parent_row(link, rows.data()[i]);
    }
  }
  return to_numpy(std::move(out));
}

// Returns (counts, rows, times_us): the children of rows that a strategy chooses, each row with an anchor of its own.
// Edges (parent row, child row, its time, ask or ALL) are left out.
nb::typed<nb::tuple, nb::object, nb::object, nb::object> children(
    const weft::Graph& graph, std::uint32_t link, std::uint32_t choice, std::uint32_t fanout, std::int64_t span_us,
    In<std::uint32_t> rows, In<std::int64_t> anchors_us, In<std::uint64_t> keys, In<std::uint32_t> excluded_parents,
    In<std::uint32_t> excluded_rows, In<std::int64_t> excluded_times_us, In<std::uint32_t> excluded_asks) {
  const weft::Strategy strategy = weft_bindings::checked_strategy(choice, fanout, span_us);
  if (link >= graph.links.size() || rows.size() != anchors_us.size() || rows.size() != keys.size() ||
      excluded_parents.size() != excluded_rows.size() || excluded_parents.size() != excluded_times_us.size() ||
      excluded_parents.size() != excluded_asks.size()) {
    throw nb::value_error("no such link, or arrays of different lengths");
  }
  weft::Reached reached;
  {
    nb::gil_scoped_release released;
    const weft::Scopes scopes(graph, {anchors_us.data(), anchors_us.size()});
    weft::Exclusions exclusions;
    for (std::size_t i = 0; i < excluded_rows.size(); ++i) {
      exclusions.add(link, excluded_parents.data()[i], {excluded_rows.data()[i], excluded_times_us.data()[i]},
                     excluded_asks.data()[i]);
    }
    std::vector<weft::Ask> asks;
    asks.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      graph.check_row(graph.links[link].parent, rows.data()[i]);
      asks.push_back({rows.data()[i], static_cast<std::uint32_t>(i), keys.data()[i]});
    }
    weft::expand_to_children(graph, link, strategy, asks, scopes, exclusions, 0, reached);
  }
  return nb::typed<nb::tuple, nb::object, nb::object, nb::object>(
      nb::make_tuple(copied(reached.count.data(), reached.count.size()),
                     copied(reached.row.data(), reached.row.size()),
                     copied(reached.time_us.data(), reached.time_us.size())));
}

// A lockstep with the arrays that it views.
class RemoteSampling {
 public:
  RemoteSampling(const weft::Graph& schema, const weft::Plan& plan, std::uint32_t table, In<std::uint32_t> rows,
                 In<std::int64_t> anchors_us, std::uint64_t seed, std::uint64_t epoch)
      : schema_(schema),
        rows_(rows.data(), rows.data() + rows.size()),
        anchors_us_(anchors_us.data(), anchors_us.data() + anchors_us.size()) {
    if (table >= schema.tables.size() || rows_.size() != anchors_us_.size()) {
      throw nb::value_error("no such table, or arrays of different lengths");
    }
    weft::Plan keyed = plan;
    keyed.seed = seed;
    keyed.epoch = epoch;
    weft::Seeds seeds;
    seeds.table = table;
    seeds.rows = rows_;
    seeds.anchors_us = anchors_us_;
    work_ = std::make_unique<weft::Lockstep>(schema, std::move(keyed), seeds);
  }

  void plant(In<std::int64_t> times_us, In<std::uint64_t> source_rows) {
    if (times_us.size() != rows_.size() || source_rows.size() != rows_.size()) throw nb::value_error("too few seeds");
    work_->plant({times_us.data(), times_us.size()}, {source_rows.data(), source_rows.size()});
  }

  // None at the end, or (link, toward_parent, choice, fanout, span_us, rows, anchors_us, keys, scopes).
  nb::object next() {
    if (!work_->next()) return nb::none();
    const weft::Step& step = work_->stage().step;
    const auto asks = work_->asks();
    weft::Buffer<std::uint32_t> rows(asks.size());
    weft::Buffer<std::int64_t> anchors(asks.size());
    weft::Buffer<std::uint64_t> keys(asks.size());
    weft::Buffer<std::uint32_t> scopes(asks.size());
    for (std::size_t i = 0; i < asks.size(); ++i) {
      rows[i] = asks[i].row;
      anchors[i] = work_->anchor_us(asks[i].scope);
      keys[i] = asks[i].key;
      scopes[i] = asks[i].scope;
    }
    return nb::make_tuple(step.link, step.toward_parent, static_cast<std::uint32_t>(step.strategy.choice),
                          step.strategy.fanout, step.strategy.span_us, to_numpy(std::move(rows)),
                          to_numpy(std::move(anchors)), to_numpy(std::move(keys)), to_numpy(std::move(scopes)));
  }

  void take(In<std::uint32_t> counts, In<std::uint32_t> rows, In<std::int64_t> times_us) {
    work_->take({counts.data(), counts.size()}, {rows.data(), rows.size()}, {times_us.data(), times_us.size()});
  }

  weft_bindings::SampleTuple finish() { return weft_bindings::sample_to_python(schema_, work_->finish()); }

  auto scopes_of_seeds() const {
    weft::Buffer<std::uint32_t> out(rows_.size());
    for (std::size_t i = 0; i < rows_.size(); ++i) out[i] = work_->scope_of_seed(i);
    return to_numpy(std::move(out));
  }
  auto hidden() const {
    weft::Buffer<std::uint8_t> out(rows_.size());
    for (std::size_t i = 0; i < rows_.size(); ++i) out[i] = static_cast<std::uint8_t>(work_->is_hidden()[i]);
    return to_numpy(std::move(out));
  }

 private:
  const weft::Graph& schema_;
  std::vector<std::uint32_t> rows_;
  std::vector<std::int64_t> anchors_us_;
  std::unique_ptr<weft::Lockstep> work_;
};

}  // namespace

void bind_remote(nb::module_& m) {
  m.attr("NONE") = weft::kNone;
  m.def("parents", &parents, "graph"_a, "link"_a, "rows"_a, "Parents of rows, NONE where there is none.");
  m.def("children", &children, "graph"_a, "link"_a, "choice"_a, "fanout"_a, "span_us"_a, "rows"_a, "anchors_us"_a,
        "keys"_a, "excluded_parents"_a, "excluded_rows"_a, "excluded_times_us"_a, "excluded_asks"_a,
        "Children of rows that a strategy chooses, as (counts, rows, times_us).");
  nb::class_<RemoteSampling>(m, "RemoteSampling", "A sampling whose neighbors others answer. See weft.graph.service.")
      .def(nb::init<const weft::Graph&, const weft::Plan&, std::uint32_t, In<std::uint32_t>, In<std::int64_t>,
                    std::uint64_t, std::uint64_t>(),
           "schema"_a, "plan"_a, "table"_a, "rows"_a, "anchors_us"_a, "seed"_a, "epoch"_a, nb::keep_alive<1, 2>())
      .def("plant", &RemoteSampling::plant, "times_us"_a, "source_rows"_a, "Give times and prepared rows of the seeds.")
      .def("next", &RemoteSampling::next,
           "The next step: (link, toward_parent, choice, fanout, span_us, rows, anchors_us, keys, scopes), or None.")
      .def("take", &RemoteSampling::take, "counts"_a, "rows"_a, "times_us"_a, "Answer the step.")
      .def("finish", &RemoteSampling::finish, "The sample, without values, as `sample` returns it.")
      .def("scopes_of_seeds", &RemoteSampling::scopes_of_seeds, "Scope of each seed.")
      .def("hidden", &RemoteSampling::hidden, "1 for each seed that is later than its anchor.");
}
