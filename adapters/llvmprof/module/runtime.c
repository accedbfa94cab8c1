// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A module's half of its profile: where its counters and bitmaps are, and a raw profile's other parts, as
 * the clang that built the module has them. profile.mk compiles this into each module. Nothing here runs unless
 * covbuf.ko calls it.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "../raw.h"
#include "module.h"

/* profile.lds */
extern struct covb_raw_record __start___llvm_prf_data[], __stop___llvm_prf_data[];
extern uint64_t __start___llvm_prf_cnts[], __stop___llvm_prf_cnts[];
extern unsigned char __start___llvm_prf_bits[], __stop___llvm_prf_bits[];
extern char __start___llvm_prf_names[], __stop___llvm_prf_names[];

/* Sections that nothing else is in are loaded like the others, empty. */
#define PRESENT(section, type) static type present##section[0] __used __section(#section)
PRESENT(__llvm_prf_data, struct covb_raw_record);
PRESENT(__llvm_prf_cnts, uint64_t);
PRESENT(__llvm_prf_bits, unsigned char);
PRESENT(__llvm_prf_names, const char);

/* A module's build ID is not linked in yet where this is: it has none. */
static void find(struct covb_raw_sections *s)
{
	*s = (struct covb_raw_sections){
		.records = __start___llvm_prf_data,
		.counters = __start___llvm_prf_cnts,
		.bitmaps = __start___llvm_prf_bits,
		.names = __start___llvm_prf_names,
		.records_bytes = (uintptr_t)__stop___llvm_prf_data - (uintptr_t)__start___llvm_prf_data,
		.counters_bytes = (uintptr_t)__stop___llvm_prf_cnts - (uintptr_t)__start___llvm_prf_cnts,
		.bitmaps_bytes = __stop___llvm_prf_bits - __start___llvm_prf_bits,
		.names_bytes = __stop___llvm_prf_names - __start___llvm_prf_names,
	};
}

static const char *describe(struct covbuf_profile_note *note)
{
	struct covb_raw_sections s;
	struct covb_raw_layout l;
	const char *wrong;

	find(&s);
	wrong = covb_raw_check(&s);
	if (wrong)
		return wrong;
	covb_raw_lay_out(&s, COVBUF_PROFILE_ALIGN, &l);
	covb_raw_fill_note(note, &s, &l, KBUILD_MODNAME ".ko");
	return NULL;
}

/* Distances stay, addresses are the kernel's secret: readers of profiles without values use none. */
static void write_records(struct covb_raw_record *to, const struct covb_raw_sections *s)
{
	covb_raw_copy(to, s->records, s->records_bytes);
	for (size_t i = 0; i < s->records_bytes / sizeof(*to); i++) {
		*(uintptr_t *)&to[i].FunctionPointer = 0;
		*(uintptr_t *)&to[i].Values = 0;
	}
}

static void write(void *file)
{
	char *at = file;
	struct covb_raw_sections s;
	struct covb_raw_layout l;

	find(&s);
	covb_raw_lay_out(&s, COVBUF_PROFILE_ALIGN, &l);
	write_records((struct covb_raw_record *)(at + l.records_offset), &s);
	covb_raw_fill_note((struct covbuf_profile_note *)(at + l.note_offset), &s, &l, KBUILD_MODNAME ".ko");
	covb_raw_copy(at + l.names_offset, s.names, s.names_bytes);
	s.names = NULL;
	covb_raw_write_head(file, &s, &l);
}

static struct covb_profile_module profile = {
	.magic = COVB_PROFILE_MODULE_MAGIC,
	.version = COVB_PROFILE_MODULE_VERSION,
	.atomic = COVB_PROFILE_ATOMIC,
	.counters = __start___llvm_prf_cnts,
	.counters_end = __stop___llvm_prf_cnts,
	.bitmaps = __start___llvm_prf_bits,
	.bitmaps_end = __stop___llvm_prf_bits,
	.describe = describe,
	.write = write,
};

static int refuse_value(const char *value, const struct kernel_param *parameter)
{
	return -EPERM;
}

static const struct kernel_param_ops parameter_ops = { .set = refuse_value };
module_param_cb(COVB_PROFILE_PARAMETER, &parameter_ops, &profile, 0);
