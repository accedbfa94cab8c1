# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# LLVM's source-based coverage, MC/DC included, of a module, by one line at the end of its Kbuild file (or of the
# part of its Makefile that Kbuild reads):
#
#	include /usr/lib/covbuf/profile.mk
#
# All objects of that file's folder are then compiled by clang, for a kernel that gcc built too, and count. While
# covbuf.ko is loaded, /sys/kernel/debug/covbuf/profile/MODULE/profraw is the module's raw profile; the module
# needs no covbuf.ko to be built or to be loaded. Which objects, is said as in the kernel's own files; a name is x.o,
# or from Linux 6.10 on, for an object in a subfolder, sub/x.o:
#
#	GCOV_PROFILE_x.o := n	this one is left out
#	GCOV_PROFILE := n	all are, but for those named with
#	GCOV_PROFILE_y.o := y
#
# Variables, on make's command line, in the environment, or set before the include:
#
#	COVBUF_PROFILE_BUILD=n		builds the module without any of this
#	COVBUF_PROFILE_UPDATE=plain	counters are not updated atomically: faster; what CPUs, or a task and its
#					interrupts, count at once gets lost. Otherwise: atomic. Plain ones of a loop
#					are in memory, too, not in registers: by -mllvm -disable-licm-promotion
#	COVBUF_CLANG=CLANG		which clang, where the kernel's own compiler is gcc; otherwise the newest
#
# It goes together with instrument.mk, in any order.

covbuf-dir := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
covbuf-phase := $(filter Makefile.build Makefile.modpost,$(notdir $(firstword $(MAKEFILE_LIST))))

ifeq ($(covbuf-phase)$(filter n,$(COVBUF_PROFILE_BUILD)),Makefile.build)

# Installed beside this file, or in the sources of covbuf.
covbuf-profile := $(firstword $(wildcard $(covbuf-dir)/llvmprof/module $(covbuf-dir)/../llvmprof/module))

ifneq ($(filter-out atomic plain,$(COVBUF_PROFILE_UPDATE)),)
$(error covbuf: COVBUF_PROFILE_UPDATE is atomic or plain, not "$(COVBUF_PROFILE_UPDATE)")
endif
ifeq ($(filter %.o %/,$(obj-m) $(obj-y)),)
$(error covbuf: include profile.mk behind obj-m: there is no module yet)
endif

# gcc knows no -print-resource-dir. Its place is taken for what is compiled here; the kernel's Makefile stays with it.
ifeq ($(shell $(CC) -print-resource-dir 2>/dev/null),)
export COVBUF_CLANG
override CC := $(covbuf-profile)/clang
override CPP := $(CC) -E
endif
covbuf-format := $(wildcard $(shell $(CC) -print-resource-dir)/include/profile/InstrProfData.inc)
ifeq ($(covbuf-format),)
$(error covbuf: $(CC) does not work, or has no include/profile/InstrProfData.inc, the format of its profiles: \
	install clang-19, or a newer one, or build without coverage: COVBUF_PROFILE_BUILD=n)
endif

# From here on scripts/Makefile.lib does for this module what it does on a kernel with gcov: it adds CFLAGS_GCOV to
# each object that is not left out, and tells objtool. The module's C code still sees a kernel without, since
# autoconf.h says so.
CONFIG_GCOV_KERNEL := y
GCOV_PROFILE ?= y
CFLAGS_GCOV := -fprofile-instr-generate -fcoverage-mapping \
	-fprofile-update=$(if $(filter plain,$(COVBUF_PROFILE_UPDATE)),single,atomic)
CFLAGS_GCOV += $(if $(filter plain,$(COVBUF_PROFILE_UPDATE)),-mllvm -disable-licm-promotion)
CFLAGS_GCOV += $(if $(call cc-option,-fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc),-fcoverage-mcdc)

covbuf-runtime-flags := -DCOVB_RAW_INC='"$(covbuf-format)"' \
	-DCOVB_PROFILE_ATOMIC=$(if $(filter plain,$(COVBUF_PROFILE_UPDATE)),0,1)

# An object of a name is compiled from a source of another one. A pattern, since Kbuild finds an object's module by $*.
define covbuf-object # OBJECT, without .o; SOURCE
$$(obj)/$(1).o: $$(obj)/%.o: $(2) FORCE
	$$(call if_changed_rule,cc_o_c)
endef

# What is said of one object holds for another.
covbuf-said := CFLAGS_ CFLAGS_REMOVE_ GCOV_PROFILE_ KCOV_INSTRUMENT_ KASAN_SANITIZE_ KCSAN_SANITIZE_ KMSAN_SANITIZE_ \
	UBSAN_SANITIZE_ OBJECT_FILES_NON_STANDARD_
define covbuf-same # SAID OBJECT AS
$(1)$(2).o = $$($(1)$(3).o)
endef

# A module of a single object becomes one of two, of which that object, under another name, is one.
define covbuf-module # MODULE, without .o
ifeq ($$(strip $$($(1)-objs) $$($(1)-y) $$($(1)-m)),)
ifeq ($$(wildcard $$(src)/$(1).c),)
$$(error covbuf: there is no $$(src)/$(1).c, and no $(1)-y says what $(1).ko is made of)
endif
$(1)-y := $(1)-covbuf-main.o
$$(eval $$(call covbuf-object,$(1)-covbuf-main,$$(src)/$(1).c))
$$(foreach said,$$(covbuf-said),$$(eval $$(call covbuf-same,$$(said),$(1)-covbuf-main,$(1))))
endif
$(1)-y += $(1)-covbuf-profile.o
$$(eval $$(call covbuf-object,$(1)-covbuf-profile,$$(covbuf-profile)/runtime.c))
CFLAGS_$(1)-covbuf-profile.o := $$(covbuf-runtime-flags)
GCOV_PROFILE_$(1)-covbuf-profile.o := n
KCOV_INSTRUMENT_$(1)-covbuf-profile.o := n
$$(obj)/$(1).o: override private LD := $$(covbuf-profile)/ld $$(LD)
LDFLAGS_$(1).o += --force-group-allocation -T $$(covbuf-profile)/profile.lds
endef
$(foreach module,$(patsubst %.o,%,$(filter %.o,$(obj-m))),$(eval $(call covbuf-module,$(module))))

endif # covbuf-phase
