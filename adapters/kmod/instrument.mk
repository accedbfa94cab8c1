# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Coverage of a module, by one line in its Kbuild file (or in the part of its Makefile that Kbuild reads):
#
#	include /usr/lib/covbuf/instrument.mk
#
# All objects of that file's folder are instrumented, and covbuf.ko has what they then call. Which objects, is
# said as in the kernel's own files; a name is x.o, or from Linux 6.10 on, for an object in a subfolder, sub/x.o:
#
#	KCOV_INSTRUMENT_x.o := n	this one is left out
#	KCOV_INSTRUMENT := n		all are, but for those named with
#	KCOV_INSTRUMENT_y.o := y
#
# On a kernel that has CONFIG_KCOV the same objects are instrumented by the kernel's own flags, for its own
# KCOV, and nothing else here applies.
#
# Variables, on make's command line, in the environment, or set before the include:
#
#	COVBUF_INSTRUMENT=n	builds the module without any of this
#	COVBUF_SYMVERS=FILE	Module.symvers of the covbuf.ko that was built for this kernel. Unset: the one that
#				dkms installed for it, else one beside this file. Empty: covbuf.ko is built together
#				with the module, or KBUILD_EXTRA_SYMBOLS names the file.
#	CFLAGS_KCOV=FLAGS	other instrumentation than -fsanitize-coverage=trace-pc,trace-cmp; only set in make
#
# Kbuild reads this when it compiles, and once more when it looks for symbols. To others it says nothing.

covbuf-dir := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
covbuf-phase := $(filter Makefile.build Makefile.modpost,$(notdir $(firstword $(MAKEFILE_LIST))))

ifneq ($(covbuf-phase),)

# The headers: installed beside this file, or in the sources of covbuf.
subdir-ccflags-y += $(addprefix -I,$(firstword $(wildcard $(covbuf-dir)/include $(covbuf-dir)/../../include)))

ifeq ($(COVBUF_INSTRUMENT),n)

KCOV_INSTRUMENT := n

else ifeq ($(CONFIG_KCOV),y)

KCOV_INSTRUMENT ?= y
ifeq ($(covbuf-phase),Makefile.build)
$(info covbuf: Linux $(KERNELRELEASE) has CONFIG_KCOV: its own flags instrument $(obj), its own KCOV collects)
endif

else

KCOV_INSTRUMENT ?= y
subdir-ccflags-y += -DCOVBUF_KMOD

# From here on scripts/Makefile.lib does for this module what it does on a kernel with KCOV: it adds
# CFLAGS_KCOV to each object that is not left out, and tells objtool. The module's C code still sees a kernel
# without, since autoconf.h says so. clang leaves out blocks that others imply, unless it is told no-prune; gcc
# makes a jump of a hook's call at a function's end, from which the hook would record the caller.
CONFIG_KCOV := y
ifeq ($(origin CFLAGS_KCOV),undefined)
CFLAGS_KCOV := -fno-optimize-sibling-calls -fsanitize-coverage=trace-pc,trace-cmp
CFLAGS_KCOV := $(or $(call cc-option,$(CFLAGS_KCOV)$(comma)no-prune),$(CFLAGS_KCOV))
endif

# modpost takes no symbol from two files, so a list that has covbuf's already stays as it is.
ifeq ($(origin COVBUF_SYMVERS),undefined)
ifeq ($(if $(strip $(KBUILD_EXTRA_SYMBOLS)),$(shell grep -slw covbuf_remote_start $(KBUILD_EXTRA_SYMBOLS))),)
COVBUF_SYMVERS := $(firstword $(wildcard /var/lib/dkms/covbuf/kernel-$(KERNELRELEASE)-*/Module.symvers \
					 $(covbuf-dir)/Module.symvers))
ifeq ($(COVBUF_SYMVERS),)
$(error covbuf: there is no covbuf.ko for Linux $(KERNELRELEASE). Either \
	"dkms install covbuf/VERSION -k $(KERNELRELEASE)", or name the Module.symvers of one with COVBUF_SYMVERS=, \
	or build without coverage: COVBUF_INSTRUMENT=n)
endif
endif
endif
KBUILD_EXTRA_SYMBOLS += $(COVBUF_SYMVERS)

endif

endif # covbuf-phase
