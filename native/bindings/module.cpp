// The Python module `weft.graph._native`: checks arguments, releases the GIL, and nothing else.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "bindings.hpp"
#include "error.hpp"

namespace nb = nanobind;

namespace {

// Raises the class of weft.core that stands for the fault, so that callers see one kind of error.
void raise(const weft::Error& error) {
  const char* name = error.fault == weft::Fault::user          ? "UserError"
                     : error.fault == weft::Fault::unavailable ? "UnavailableError"
                                                               : "InvariantError";
  const nb::object type = nb::module_::import_("weft.core.errors").attr(name);
  const nb::object value = type(error.code, error.what(), error.hint);
  PyErr_SetObject(type.ptr(), value.ptr());
}

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "Kernels of the graph engine. Use weft.graph, which says what they do.";
  nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
    try {
      std::rethrow_exception(pointer);
    } catch (const weft::Error& error) {
      raise(error);
    }
  });
  bind_checksum(m);
  bind_build(m);
  bind_files(m);
  bind_topk(m);
  bind_graph(m);
  bind_sampler(m);
  bind_limits(m);
  bind_keys(m);
  bind_remote(m);
  bind_negatives(m);
}
