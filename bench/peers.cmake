# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the benches measure libcovbuf beside: bench_peers, the definitions that say which are there, and
# bench_peer_libraries. One that is not there is a gap in the table.
find_path(BENCH_CK_INCLUDE ck_stack.h)
pkg_check_modules(BENCH_CDS IMPORTED_TARGET liburcu-cds liburcu-memb)
if(NOT TARGET PkgConfig::BENCH_CDS)
  pkg_check_modules(BENCH_CDS IMPORTED_TARGET liburcu-cds liburcu)
endif()
set(bench_peers $<$<BOOL:${BENCH_CK_INCLUDE}>:BENCH_CK>)
set(bench_peer_libraries)
if(TARGET PkgConfig::BENCH_CDS)
  list(APPEND bench_peers BENCH_LFHT BENCH_LFSTACK)
  list(APPEND bench_peer_libraries PkgConfig::BENCH_CDS)
endif()
