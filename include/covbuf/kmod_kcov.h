/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * KCOV's own names, for a module that was written for KCOV: included in place of <linux/kcov.h>, this makes
 * kcov_remote_start() and its kin mean covbuf.ko's where the kernel has no CONFIG_KCOV and the module is built
 * for covbuf (instrument.mk defines COVBUF_KMOD). Everywhere else they stay what they are.
 *
 * Code that <linux/...> headers have inline is compiled before and keeps the kernel's meaning. What the
 * kernel carries along for KCOV, such as the handle in a struct sk_buff, a kernel without it does not.
 */
#ifndef COVBUF_KMOD_KCOV_H
#define COVBUF_KMOD_KCOV_H

#include <linux/kcov.h>

#include <covbuf/kmod.h>

#if !defined(CONFIG_KCOV) && defined(COVBUF_KMOD)
#define kcov_remote_start covbuf_remote_start
#define kcov_remote_stop covbuf_remote_stop
#define kcov_common_handle covbuf_common_handle
#define kcov_remote_start_common covbuf_remote_start_common
#define kcov_remote_start_usb covbuf_remote_start_usb
#define kcov_remote_start_usb_softirq covbuf_remote_start_usb_softirq
#define kcov_remote_stop_softirq covbuf_remote_stop_softirq
#endif

#endif
