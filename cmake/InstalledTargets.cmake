# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What find_package(covbuf) and pkg-config find. Both go from where their own files are: `cmake --install --prefix` may
# name another place than the one that was configured. COVB_UP leads from the libraries' folder to the prefix.
include(CMakePackageConfigHelpers)
file(RELATIVE_PATH COVB_UP /${CMAKE_INSTALL_LIBDIR} /)
string(REGEX REPLACE "/$" "" COVB_UP "${COVB_UP}")

set(covb_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/covbuf)
configure_file(${CMAKE_CURRENT_LIST_DIR}/covbuf-config.cmake.in ${CMAKE_BINARY_DIR}/cmake/covbuf-config.cmake @ONLY)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/cmake/covbuf-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/cmake/covbuf-config.cmake ${CMAKE_BINARY_DIR}/cmake/covbuf-config-version.cmake
  DESTINATION ${covb_cmake_dir})
# covbuf::llvmprof: adapters/llvmprof
install(EXPORT covbuf NAMESPACE covbuf:: FILE covbuf-targets.cmake DESTINATION ${covb_cmake_dir})
