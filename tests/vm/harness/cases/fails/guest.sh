# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=dash
ok first
not_ok second "because it does"
skip third "because it can"
expect fourth sh -c "echo said; exit 3"
refuse fifth text true
refuse sixth text sh -c "echo something else; false"
refuse seventh text sh -c "echo the text; false"
