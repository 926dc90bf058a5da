// One function per part of the module.
#pragma once

#include <nanobind/nanobind.h>

void bind_checksum(nanobind::module_& m);
void bind_files(nanobind::module_& m);
void bind_topk(nanobind::module_& m);
void bind_graph(nanobind::module_& m);
void bind_sampler(nanobind::module_& m);
void bind_limits(nanobind::module_& m);
void bind_build(nanobind::module_& m);
void bind_keys(nanobind::module_& m);
void bind_remote(nanobind::module_& m);
void bind_negatives(nanobind::module_& m);
