# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the benches measure libcovbuf beside. Each library that is found gives an interface library to link; one that
# is not there is a gap in the table.
#
#   bench_ck    Concurrency Kit's headers          BENCH_CK
#   bench_cds   liburcu's structures, three flavours  BENCH_URCU_CDS
#   bench_dpdk  DPDK's mempool                     BENCH_DPDK
#
# jemalloc and mimalloc are loaded while running, LTTng-UST and the compilers make programs of their own: peers/.
function(covb_bench_peer name found definition)
  add_library(${name} INTERFACE)
  if(${found})
    target_compile_definitions(${name} INTERFACE ${definition})
    target_include_directories(${name} SYSTEM INTERFACE ${ARGN})
  endif()
endfunction()

find_path(BENCH_CK_INCLUDE ck_stack.h)
covb_bench_peer(bench_ck BENCH_CK_INCLUDE BENCH_CK ${BENCH_CK_INCLUDE})

pkg_check_modules(BENCH_CDS IMPORTED_TARGET liburcu-cds liburcu-memb liburcu-bp liburcu-qsbr)
covb_bench_peer(bench_cds BENCH_CDS_FOUND BENCH_URCU_CDS ${BENCH_CDS_INCLUDE_DIRS})
if(BENCH_CDS_FOUND)
  target_link_libraries(bench_cds INTERFACE PkgConfig::BENCH_CDS)
endif()

# Of its fifty libraries, three. Its headers want a processor with SSE4.2.
if(NOT COVBUF_BENCH_STATIC AND NOT CMAKE_CROSSCOMPILING)
  pkg_check_modules(BENCH_DPDK libdpdk)
endif()
covb_bench_peer(bench_dpdk BENCH_DPDK_FOUND BENCH_DPDK ${BENCH_DPDK_INCLUDE_DIRS})
if(BENCH_DPDK_FOUND)
  target_compile_options(bench_dpdk INTERFACE ${BENCH_DPDK_CFLAGS_OTHER})
  target_link_libraries(bench_dpdk INTERFACE rte_mempool rte_ring rte_eal)
endif()
