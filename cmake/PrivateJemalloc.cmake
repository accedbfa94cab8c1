# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# COVB_JEMALLOC_OBJECT: an object file with a private copy of jemalloc, made by the target
# covb_jemalloc_object. See scripts/private-jemalloc.sh and shm/arena.c.
set(covb_jemalloc_advice "install jemalloc 5.3 with its static library (Debian: libjemalloc-dev 5.3)")
find_path(COVB_JEMALLOC_INCLUDE_DIR jemalloc/jemalloc.h)
find_library(COVB_JEMALLOC_ARCHIVE NAMES libjemalloc_pic.a)
if(NOT COVB_JEMALLOC_INCLUDE_DIR OR NOT COVB_JEMALLOC_ARCHIVE)
  message(FATAL_ERROR "libjemalloc_pic.a or jemalloc/jemalloc.h is missing: ${covb_jemalloc_advice}")
endif()
file(STRINGS ${COVB_JEMALLOC_INCLUDE_DIR}/jemalloc/jemalloc.h covb_jemalloc_version
     REGEX "^#define JEMALLOC_VERSION(_MAJOR|_MINOR)? ")
if(NOT covb_jemalloc_version MATCHES "VERSION_MAJOR 5;" OR NOT covb_jemalloc_version MATCHES "VERSION_MINOR 3")
  message(FATAL_ERROR "jemalloc has the wrong version (${covb_jemalloc_version}): ${covb_jemalloc_advice}")
endif()
# an experimental interface: version numbers alone do not promise it
file(STRINGS ${COVB_JEMALLOC_ARCHIVE} covb_jemalloc_ext REGEX "arenas_create_ext" LIMIT_COUNT 1)
if(NOT covb_jemalloc_ext)
  message(FATAL_ERROR "${COVB_JEMALLOC_ARCHIVE} has no experimental.arenas_create_ext: ${covb_jemalloc_advice}")
endif()

set(COVB_JEMALLOC_OBJECT ${CMAKE_BINARY_DIR}/covb_jemalloc.o CACHE INTERNAL "private copy of jemalloc")
add_custom_command(
  OUTPUT ${COVB_JEMALLOC_OBJECT}
  COMMAND ${CMAKE_COMMAND} -E env AR=${CMAKE_AR} LD=${CMAKE_LINKER} OBJCOPY=${CMAKE_OBJCOPY}
          ${CMAKE_SOURCE_DIR}/scripts/private-jemalloc.sh ${COVB_JEMALLOC_ARCHIVE} ${COVB_JEMALLOC_OBJECT}
  DEPENDS ${CMAKE_SOURCE_DIR}/scripts/private-jemalloc.sh ${COVB_JEMALLOC_ARCHIVE}
  COMMENT "Making a private copy of jemalloc"
  VERBATIM)
add_custom_target(covb_jemalloc_object DEPENDS ${COVB_JEMALLOC_OBJECT})
