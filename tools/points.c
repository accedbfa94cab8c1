// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The points of a binary: every place that its instrumentation can report, reached or not.
 *
 * clang's pc-table says it, after its relocations are applied. Without one the text is searched for
 * calls of the callbacks: directly, through the PLT, or through the GOT. The search looks at every
 * byte on x86-64: four bytes of displacement that hit a callback by chance are one in a billion.
 * In a kernel module's file, which is not linked, the calls are in its relocations.
 */
#include "binary.h"

#include <stdlib.h>
#include <string.h>

#include "command.h"

#define MAX_TARGETS 64
#ifndef R_PPC64_REL24_NOTOC
#define R_PPC64_REL24_NOTOC 116
#endif

/* Where a call of a callback can lead: its entries and PLT entries; and GOT slots that hold it. */
struct targets {
	uint64_t entries[MAX_TARGETS], slots[MAX_TARGETS];
	size_t nr_entries, nr_slots;
	uint64_t toc; /* ppc64le: what r2 holds */
};

static bool is_callback(const char *name)
{
	return name && (!strcmp(name, "__sanitizer_cov_trace_pc") || !strcmp(name, "__sanitizer_cov_trace_pc_guard"));
}

static void add(uint64_t *array, size_t *nr, uint64_t value)
{
	for (size_t i = 0; i < *nr; i++)
		if (array[i] == value)
			return;
	if (*nr < MAX_TARGETS)
		array[(*nr)++] = value;
}

static bool has(const uint64_t *array, size_t nr, uint64_t value)
{
	for (size_t i = 0; i < nr; i++)
		if (array[i] == value)
			return true;
	return false;
}

static void add_call(struct binary *binary, uint64_t next, uint64_t lookup)
{
	binary->calls = must_grow(binary->calls, binary->nr_calls, &binary->room_calls, sizeof(*binary->calls));
	binary->calls[binary->nr_calls++] = (struct binary_point){ next, lookup };
}

static uint64_t read_u64(const unsigned char *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static uint32_t read_u32(const unsigned char *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static const char *section_name(const struct binary *binary, const GElf_Shdr *header)
{
	size_t strings;
	const char *name;

	if (elf_getshdrstrndx(binary->elf, &strings))
		return "";
	name = elf_strptr(binary->elf, strings, header->sh_name);
	return name ? name : "";
}

/* ---- pc-table -------------------------------------------------------------------------------- */

static bool resolve_relocation(const struct binary *binary, const GElf_Rela *rela, Elf_Data *symbols, uint64_t *value)
{
	uint32_t type = (uint32_t)GELF_R_TYPE(rela->r_info);
	bool power = binary->machine == EM_PPC64;
	GElf_Sym sym;

	if (type == (power ? R_PPC64_RELATIVE : R_X86_64_RELATIVE)) {
		*value = (uint64_t)rela->r_addend;
		return true;
	}
	if (type != (power ? R_PPC64_ADDR64 : R_X86_64_64) || !symbols)
		return false;
	if (!gelf_getsym(symbols, (int)GELF_R_SYM(rela->r_info), &sym) || sym.st_shndx == SHN_UNDEF)
		return false;
	*value = sym.st_value + (uint64_t)rela->r_addend;
	return true;
}

/* RELR leaves its addends in place, so only RELA has anything to apply. */
static void apply_relocations(const struct binary *binary, const GElf_Shdr *table, unsigned char *bytes)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(binary->elf, section))) {
		GElf_Shdr header;
		Elf_Data *data, *symbols;
		Elf_Scn *linked;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_RELA || !header.sh_entsize)
			continue;
		data = elf_getdata(section, NULL);
		if (!data)
			continue;
		linked = elf_getscn(binary->elf, header.sh_link);
		symbols = header.sh_link && linked ? elf_getdata(linked, NULL) : NULL;
		for (size_t i = 0; i < header.sh_size / header.sh_entsize; i++) {
			GElf_Rela rela;
			uint64_t value;

			if (!gelf_getrela(data, (int)i, &rela))
				break;
			if (rela.r_offset < table->sh_addr || rela.r_offset - table->sh_addr > table->sh_size - 8)
				continue;
			if (resolve_relocation(binary, &rela, symbols, &value))
				memcpy(bytes + (rela.r_offset - table->sh_addr), &value, sizeof(value));
		}
	}
}

static void read_table(struct binary *binary, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_rawdata(section, NULL);
	unsigned char *bytes;

	if (!data || !data->d_buf || header->sh_size < 16 || data->d_size < header->sh_size)
		return;
	bytes = must_alloc(header->sh_size);
	memcpy(bytes, data->d_buf, header->sh_size);
	apply_relocations(binary, header, bytes);
	for (uint64_t i = 0; i + 16 <= header->sh_size; i += 16) {
		uint64_t address = read_u64(bytes + i);

		/* 0 and 1: the block was removed after the table was written. */
		if (address <= 1)
			continue;
		binary->points = must_grow(binary->points, binary->nr_points, &binary->room_points,
					   sizeof(*binary->points));
		binary->points[binary->nr_points++] = (struct binary_point){ address, address };
	}
	free(bytes);
}

/* ---- call sites ------------------------------------------------------------------------------ */

static void find_slots(const struct binary *binary, const GElf_Shdr *header, Elf_Scn *section, struct targets *targets)
{
	Elf_Data *data = elf_getdata(section, NULL);
	Elf_Scn *linked = elf_getscn(binary->elf, header->sh_link);
	Elf_Data *symbols = header->sh_link && linked ? elf_getdata(linked, NULL) : NULL;
	GElf_Shdr symbols_header;

	if (!data || !symbols || !gelf_getshdr(linked, &symbols_header) || !header->sh_entsize)
		return;
	for (size_t i = 0; i < header->sh_size / header->sh_entsize; i++) {
		GElf_Rela rela;
		GElf_Sym sym;

		if (!gelf_getrela(data, (int)i, &rela))
			break;
		if (!GELF_R_SYM(rela.r_info) || !gelf_getsym(symbols, (int)GELF_R_SYM(rela.r_info), &sym))
			continue;
		if (is_callback(elf_strptr(binary->elf, symbols_header.sh_link, sym.st_name)))
			add(targets->slots, &targets->nr_slots, rela.r_offset);
	}
}

static void find_entries(const struct binary *binary, struct targets *targets)
{
	int nr = dwfl_module_getsymtab(binary->module);

	for (int i = 1; i < nr; i++) {
		GElf_Sym sym;
		GElf_Addr address;
		GElf_Word shndx;
		const char *name = dwfl_module_getsym_info(binary->module, i, &sym, &address, &shndx, NULL, NULL);

		if (shndx == SHN_UNDEF || !is_callback(name))
			continue;
		add(targets->entries, &targets->nr_entries, address - binary->bias);
		/* ELFv2: calls from the same module enter behind the set-up of r2. */
		if (binary->machine == EM_PPC64) {
			unsigned int local = (sym.st_other >> 5) & 7;

			if (local >= 2 && local <= 6)
				add(targets->entries, &targets->nr_entries, address - binary->bias + (1u << local));
		}
	}
}

/* jmp *slot(%rip), with or without endbr64 and bnd before it. */
static void find_plt_entries(const unsigned char *text, size_t bytes, uint64_t start, struct targets *targets)
{
	static const unsigned char endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };

	for (size_t i = 0; i + 6 <= bytes; i++) {
		size_t entry = i;

		if (text[i] != 0xff || text[i + 1] != 0x25 ||
		    !has(targets->slots, targets->nr_slots, start + i + 6 + (uint64_t)(int32_t)read_u32(text + i + 2)))
			continue;
		add(targets->entries, &targets->nr_entries, start + entry);
		if (entry && text[entry - 1] == 0xf2)
			entry--;
		if (entry >= 4 && !memcmp(text + entry - 4, endbr64, 4))
			entry -= 4;
		add(targets->entries, &targets->nr_entries, start + entry);
	}
}

static void find_x86_calls(struct binary *binary, const unsigned char *text, size_t bytes, uint64_t start,
			   const struct targets *targets)
{
	for (size_t i = 0; i + 5 <= bytes; i++) {
		uint64_t next, target;

		if (text[i] == 0xe8) {
			next = start + i + 5;
			target = next + (uint64_t)(int32_t)read_u32(text + i + 1);
			if (has(targets->entries, targets->nr_entries, target))
				add_call(binary, next, next - 1);
		} else if (text[i] == 0xff && text[i + 1] == 0x15 && i + 6 <= bytes) {
			next = start + i + 6;
			target = next + (uint64_t)(int32_t)read_u32(text + i + 2);
			if (has(targets->slots, targets->nr_slots, target))
				add_call(binary, next, next - 1);
		}
	}
}

/* A linker's call stub: [std r2,24(r1)]; addis r12,r2,hi; ld r12,lo(r12). */
static bool is_power_stub(const unsigned char *text, size_t bytes, size_t at, const struct targets *targets)
{
	uint32_t high, low;

	if (at + 12 > bytes)
		return false;
	if (read_u32(text + at) == 0xf8410018)
		at += 4;
	high = read_u32(text + at);
	low = read_u32(text + at + 4);
	if ((high & 0xffff0000) != 0x3d820000 || (low & 0xffff0003) != 0xe98c0000)
		return false;
	return has(targets->slots, targets->nr_slots,
		   targets->toc + ((uint64_t)(int16_t)(high & 0xffff) << 16) + (uint64_t)(int16_t)(low & 0xffff));
}

static void find_power_calls(struct binary *binary, const unsigned char *text, size_t bytes, uint64_t start,
			     const struct targets *targets)
{
	for (size_t i = 0; i + 4 <= bytes; i += 4) {
		uint32_t insn = read_u32(text + i);
		uint64_t target;

		if ((insn & 0xfc000003) != 0x48000001) /* bl */
			continue;
		target = start + i + (uint64_t)((int64_t)(int32_t)((insn & 0x03fffffc) << 6) >> 6);
		if (has(targets->entries, targets->nr_entries, target) ||
		    (target >= start && target - start < bytes &&
		     is_power_stub(text, bytes, (size_t)(target - start), targets)))
			add_call(binary, start + i + 4, start + i);
	}
}

enum pass { PASS_SLOTS, PASS_PLT, PASS_CALLS };

static void scan_sections(struct binary *binary, enum pass pass, struct targets *targets)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(binary->elf, section))) {
		GElf_Shdr header;
		Elf_Data *data;
		bool plt;

		if (!gelf_getshdr(section, &header))
			continue;
		if (pass == PASS_SLOTS) {
			if (header.sh_type == SHT_RELA && (header.sh_flags & SHF_ALLOC))
				find_slots(binary, &header, section, targets);
			if (!strcmp(section_name(binary, &header), ".got"))
				targets->toc = header.sh_addr + 0x8000;
			continue;
		}
		if (header.sh_type != SHT_PROGBITS || !(header.sh_flags & SHF_EXECINSTR))
			continue;
		plt = !strncmp(section_name(binary, &header), ".plt", 4);
		data = elf_rawdata(section, NULL);
		if (!data || !data->d_buf)
			continue;
		if (pass == PASS_PLT && plt && binary->machine == EM_X86_64)
			find_plt_entries(data->d_buf, data->d_size, header.sh_addr, targets);
		else if (pass == PASS_CALLS && !plt && binary->machine == EM_X86_64)
			find_x86_calls(binary, data->d_buf, data->d_size, header.sh_addr, targets);
		else if (pass == PASS_CALLS && !plt && binary->machine == EM_PPC64)
			find_power_calls(binary, data->d_buf, data->d_size, header.sh_addr, targets);
	}
}

/* Whether a relocation is that of a call, of which what follows is in *next. A jump returns elsewhere: no point. */
static bool is_call_at(const struct binary *binary, const GElf_Rela *rela, const unsigned char *text, size_t bytes,
		       uint64_t *next, uint64_t *lookup)
{
	uint32_t type = (uint32_t)GELF_R_TYPE(rela->r_info);
	uint64_t at = rela->r_offset;

	if (binary->machine == EM_X86_64) {
		if ((type != R_X86_64_PLT32 && type != R_X86_64_PC32) || at < 1 || at >= bytes || bytes - at < 4 ||
		    text[at - 1] != 0xe8)
			return false;
		*next = at + 4;
		*lookup = at + 3;
		return true;
	}
	if (binary->machine != EM_PPC64 || (type != R_PPC64_REL24 && type != R_PPC64_REL24_NOTOC) || at >= bytes ||
	    bytes - at < 4 || (read_u32(text + at) & 0xfc000003) != 0x48000001)
		return false;
	*next = at + 4;
	*lookup = at;
	return true;
}

static void find_relocated(struct binary *binary, const GElf_Shdr *header, Elf_Scn *section)
{
	Elf_Scn *linked = elf_getscn(binary->elf, header->sh_link), *target = elf_getscn(binary->elf, header->sh_info);
	Elf_Data *data = elf_getdata(section, NULL), *symbols = linked ? elf_getdata(linked, NULL) : NULL;
	Elf_Data *text = target ? elf_rawdata(target, NULL) : NULL;
	GElf_Shdr symbols_header, text_header;

	if (!data || !symbols || !text || !text->d_buf || !header->sh_entsize || !gelf_getshdr(linked, &symbols_header) ||
	    !gelf_getshdr(target, &text_header) || !(text_header.sh_flags & SHF_EXECINSTR))
		return;
	for (size_t i = 0; i < header->sh_size / header->sh_entsize; i++) {
		uint64_t next, lookup;
		GElf_Rela rela;
		GElf_Sym sym;

		if (!gelf_getrela(data, (int)i, &rela))
			break;
		if (!is_call_at(binary, &rela, text->d_buf, text->d_size, &next, &lookup) ||
		    !gelf_getsym(symbols, (int)GELF_R_SYM(rela.r_info), &sym))
			continue;
		if (is_callback(elf_strptr(binary->elf, symbols_header.sh_link, sym.st_name)))
			add_call(binary, text_header.sh_addr + next, text_header.sh_addr + lookup);
	}
}

static void find_relocated_calls(struct binary *binary)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(binary->elf, section))) {
		GElf_Shdr header;

		if (gelf_getshdr(section, &header) && header.sh_type == SHT_RELA)
			find_relocated(binary, &header, section);
	}
}

static int compare_points(const void *a, const void *b)
{
	uint64_t x = ((const struct binary_point *)a)->address;
	uint64_t y = ((const struct binary_point *)b)->address;

	return x < y ? -1 : x > y;
}

static void sort_points(struct binary_point *points, size_t *nr)
{
	size_t kept = 0;

	if (!*nr)
		return;
	qsort(points, *nr, sizeof(*points), compare_points);
	for (size_t i = 0; i < *nr; i++)
		if (!kept || points[kept - 1].address != points[i].address)
			points[kept++] = points[i];
	*nr = kept;
}

static void find_calls(struct binary *binary)
{
	struct targets targets = { .nr_entries = 0 };

	if (binary->relocatable) {
		find_relocated_calls(binary);
		sort_points(binary->calls, &binary->nr_calls);
		return;
	}
	scan_sections(binary, PASS_SLOTS, &targets);
	find_entries(binary, &targets);
	scan_sections(binary, PASS_PLT, &targets);
	if (targets.nr_entries || targets.nr_slots)
		scan_sections(binary, PASS_CALLS, &targets);
	sort_points(binary->calls, &binary->nr_calls);
}

void binary_find_points(struct binary *binary)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(binary->elf, section))) {
		GElf_Shdr header;

		if (gelf_getshdr(section, &header) && !strcmp(section_name(binary, &header), "__sancov_pcs"))
			read_table(binary, section, &header);
	}
	sort_points(binary->points, &binary->nr_points);
	find_calls(binary);
	if (binary->nr_points) {
		binary->source = POINTS_TABLE;
	} else if (binary->nr_calls) {
		binary->source = POINTS_CALLS;
		binary->nr_points = binary->nr_calls;
		binary->points = must_alloc(binary->nr_calls * sizeof(*binary->points));
		memcpy(binary->points, binary->calls, binary->nr_calls * sizeof(*binary->points));
	}
}

/* The greatest point at or below an address. */
static const struct binary_point *find_at_or_below(const struct binary_point *points, size_t nr, uint64_t address)
{
	size_t low = 0, high = nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (points[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &points[low - 1] : NULL;
}

static bool is_call(const struct binary *binary, uint64_t address)
{
	const struct binary_point *call = find_at_or_below(binary->calls, binary->nr_calls, address);

	return call && call->address == address;
}

const struct binary_point *binary_match(const struct binary *binary, uint64_t address)
{
	const struct binary_point *point;

	if (binary->source == POINTS_CALLS) {
		point = find_at_or_below(binary->points, binary->nr_points, address);
		return point && point->address == address ? point : NULL;
	}
	/* A return address may be the next block's first: the call is before it. */
	point = find_at_or_below(binary->points, binary->nr_points, address - 1);
	if (!point)
		return NULL;
	/* Inline counters are recorded as the entry of the table and one. */
	if (point->address == address - 1)
		return point;
	if (!is_call(binary, address) ||
	    binary_function(binary, point->address) != binary_function(binary, address - 1))
		return NULL;
	return point;
}
