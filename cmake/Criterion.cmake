# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# covb_criterion: what tests link for <criterion/criterion.h>. It is Criterion, or where there is none, or the
# option says so, tests/criterion.
include_guard(GLOBAL)
option(COVBUF_OWN_CRITERION "Tests run under tests/criterion, not Criterion" OFF)
if(NOT COVBUF_OWN_CRITERION)
  pkg_check_modules(CRITERION IMPORTED_TARGET GLOBAL criterion)
endif()
if(EXISTS ${CMAKE_SOURCE_DIR}/tests/criterion/criterion.c) # a copy of the tree may lack it
  add_library(covb_own_criterion STATIC ${CMAKE_SOURCE_DIR}/tests/criterion/criterion.c)
  target_include_directories(covb_own_criterion PUBLIC ${CMAKE_SOURCE_DIR}/tests/criterion)
  target_link_libraries(covb_own_criterion PUBLIC Threads::Threads)
endif()
add_library(covb_criterion INTERFACE)
if(CRITERION_FOUND)
  target_link_libraries(covb_criterion INTERFACE PkgConfig::CRITERION)
else()
  message(STATUS "Tests run under tests/criterion, not Criterion")
  target_link_libraries(covb_criterion INTERFACE covb_own_criterion)
endif()
