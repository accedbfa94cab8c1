# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=dash
expect load load_covbuf
expect load_module insmod sections.ko
./sections ${LONG:+--scripts 3000} || not_ok status "sections ended with status $?"
expect unload_module rmmod sections
expect at_rest at_rest
expect unload unload_covbuf
