# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh --static: read after project(), before any library is looked for.
set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
