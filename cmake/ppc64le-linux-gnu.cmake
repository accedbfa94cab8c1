# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Cross-builds for POWER (ppc64le), and runs what is built under qemu-user:
#
#   cmake -S . -B build-ppc -G Ninja --toolchain cmake/ppc64le-linux-gnu.cmake [-DCMAKE_C_COMPILER=clang-19 ...]
#
# COVBUF_SYSROOT is a root with the libraries; where it is not given, scripts/ppc-sysroot.sh makes one.
# QEMU_CPU and QEMU_PAGESIZE say which processor runs, with which pages.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ppc64le)
set(triple powerpc64le-linux-gnu)

set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES COVBUF_SYSROOT)
if(NOT COVBUF_SYSROOT)
  execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/../scripts/ppc-sysroot.sh
    OUTPUT_VARIABLE COVBUF_SYSROOT OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE status)
  if(status)
    message(FATAL_ERROR "scripts/ppc-sysroot.sh gives no root; COVBUF_SYSROOT may name another")
  endif()
  set(COVBUF_SYSROOT ${COVBUF_SYSROOT} CACHE PATH "Root with ppc64el's libraries")
endif()
set(CMAKE_SYSROOT ${COVBUF_SYSROOT})

if(NOT CMAKE_C_COMPILER)
  set(CMAKE_C_COMPILER ${triple}-gcc)
  set(CMAKE_CXX_COMPILER ${triple}-g++)
endif()
# For clang; gcc has its own in its name.
foreach(language C CXX ASM)
  set(CMAKE_${language}_COMPILER_TARGET ${triple})
endforeach()
set(CMAKE_C_COMPILER_EXTERNAL_TOOLCHAIN /usr)
set(CMAKE_CXX_COMPILER_EXTERNAL_TOOLCHAIN /usr)
foreach(tool AR RANLIB NM OBJCOPY OBJDUMP READELF STRIP)
  string(TOLOWER ${tool} name)
  set(CMAKE_${tool} ${triple}-${name})
endforeach()
set(CMAKE_LINKER ${triple}-ld)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${COVBUF_SYSROOT}/usr/lib/${triple}/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${COVBUF_SYSROOT})

set(CMAKE_CROSSCOMPILING_EMULATOR qemu-ppc64le -L ${COVBUF_SYSROOT})
