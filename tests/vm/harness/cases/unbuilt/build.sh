#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
echo "it does not build"
exit 1
