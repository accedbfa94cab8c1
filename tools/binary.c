// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Opening a binary with libdwfl, which finds separate debug files and merges the symbol tables of the
 * binary, its debug file and .gnu_debugdata.
 */
#include "binary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "command.h"

#define UNPACK_BYTES 131072
#define MAX_UNPACKED_BYTES (4ull << 30)

static char *debuginfo_path;
static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
	.debuginfo_path = &debuginfo_path,
};

static int explain(struct covbuf_message *why, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return err;
}

static int check_file(const char *path, int64_t *modified_ns, struct covbuf_message *why)
{
	struct stat st;

	if (stat(path, &st)) {
		int err = errno;

		return explain(why, -err, err == ENOENT ? "it is not there any more" : "%s", strerror(err));
	}
	if (!S_ISREG(st.st_mode))
		return explain(why, -ENOEXEC, "it is not a file");
	if (access(path, R_OK))
		return explain(why, -errno, "it cannot be read: %s", strerror(errno));
	*modified_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	return 0;
}

static void read_build_id(struct binary *binary)
{
	const unsigned char *bits;
	GElf_Addr where;
	int n = dwfl_module_build_id(binary->module, &bits, &where);

	if (n <= 0)
		return;
	if ((size_t)n > sizeof(binary->build_id))
		n = sizeof(binary->build_id);
	memcpy(binary->build_id, bits, (size_t)n);
	binary->build_id_bytes = (uint32_t)n;
}

static int compare_symbols(const void *a, const void *b)
{
	const struct binary_symbol *x = a;
	const struct binary_symbol *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	/* Aliases: the largest first, then by name, so that the choice is the same each time. */
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void read_symbols(struct binary *binary)
{
	int nr = dwfl_module_getsymtab(binary->module);
	size_t kept = 0;

	for (int i = 1; i < nr; i++) {
		const char *name;
		GElf_Sym sym;
		GElf_Addr address;
		GElf_Word section;

		name = dwfl_module_getsym_info(binary->module, i, &sym, &address, &section, NULL, NULL);
		if (!name || !*name || GELF_ST_TYPE(sym.st_info) != STT_FUNC || section == SHN_UNDEF)
			continue;
		binary->symbols = must_grow(binary->symbols, binary->nr_symbols, &binary->room_symbols,
					    sizeof(*binary->symbols));
		binary->symbols[binary->nr_symbols++] = (struct binary_symbol){
			.start = address - binary->bias,
			.end = address - binary->bias + sym.st_size,
			.name = name,
		};
	}
	if (binary->nr_symbols)
		qsort(binary->symbols, binary->nr_symbols, sizeof(*binary->symbols), compare_symbols);
	for (size_t i = 0; i < binary->nr_symbols; i++)
		if (!kept || binary->symbols[kept - 1].start != binary->symbols[i].start)
			binary->symbols[kept++] = binary->symbols[i];
	binary->nr_symbols = kept;
}

/* libdw does not know all that kernel modules are compressed with: unpack zstd into a memfd. -1: it is not that. */
static int unpack(const char *path)
{
	static const unsigned char magic[] = { 0x28, 0xb5, 0x2f, 0xfd };
	char *in = must_alloc(UNPACK_BYTES), *out = must_alloc(UNPACK_BYTES);
	int from = open(path, O_RDONLY | O_CLOEXEC), to = -1;
	ssize_t n = from < 0 ? -1 : read(from, in, UNPACK_BYTES);
	ZSTD_DStream *stream = NULL;
	uint64_t written = 0;
	bool ok = true;

	if (n >= (ssize_t)sizeof(magic) && !memcmp(in, magic, sizeof(magic)) && (stream = ZSTD_createDStream()))
		to = memfd_create(path, MFD_CLOEXEC);
	for (; to >= 0 && ok && n > 0; n = read(from, in, UNPACK_BYTES)) {
		ZSTD_inBuffer input = { in, (size_t)n, 0 };

		while (ok && input.pos < input.size) {
			ZSTD_outBuffer output = { out, UNPACK_BYTES, 0 };

			ok = !ZSTD_isError(ZSTD_decompressStream(stream, &output, &input));
			written += output.pos;
			ok = ok && written <= MAX_UNPACKED_BYTES && write(to, out, output.pos) == (ssize_t)output.pos;
		}
	}
	if (to >= 0 && !ok) {
		close(to);
		to = -1;
	}
	ZSTD_freeDStream(stream);
	if (from >= 0)
		close(from);
	free(in);
	free(out);
	return to;
}

/* Open up to the build-id, which is all that is needed to tell whether it is the right file. */
static int start(const char *path, struct binary **out, struct covbuf_message *why)
{
	struct binary *binary;
	int64_t modified_ns = 0;
	GElf_Ehdr header;
	int err, fd;

	err = check_file(path, &modified_ns, why);
	if (err)
		return err;
	elf_version(EV_CURRENT);
	binary = must_alloc(sizeof(*binary));
	binary->path = must_dup(path);
	binary->modified_ns = modified_ns;
	binary->dwfl = dwfl_begin(&callbacks);
	if (!binary->dwfl) {
		err = explain(why, -ENOMEM, "libdw cannot start: %s", dwfl_errmsg(-1));
		goto fail;
	}
	fd = unpack(path);
	binary->module = dwfl_report_offline(binary->dwfl, path, path, fd);
	if (!binary->module && fd >= 0)
		close(fd);
	dwfl_report_end(binary->dwfl, NULL, NULL);
	if (binary->module)
		binary->elf = dwfl_module_getelf(binary->module, &binary->bias);
	if (!binary->elf || !gelf_getehdr(binary->elf, &header)) {
		err = explain(why, -ENOEXEC, "it is not an ELF file that can be read: %s", dwfl_errmsg(-1));
		goto fail;
	}
	binary->machine = header.e_machine;
	binary->relocatable = header.e_type == ET_REL;
	read_build_id(binary);
	*out = binary;
	return 0;
fail:
	binary_close(binary);
	return err;
}

int binary_open(const char *path, struct binary **out, struct covbuf_message *why)
{
	int err = start(path, out, why);

	if (!err)
		read_symbols(*out);
	return err;
}

bool binary_peek(const char *path, uint8_t *build_id, uint32_t *bytes)
{
	struct covbuf_message why;
	struct binary *binary;

	if (start(path, &binary, &why))
		return false;
	memcpy(build_id, binary->build_id, sizeof(binary->build_id));
	*bytes = binary->build_id_bytes;
	binary_close(binary);
	return true;
}

static bool find_section(const struct binary *binary, const char *name, struct binary_place *place)
{
	Elf_Scn *section = NULL;
	size_t strings;

	if (elf_getshdrstrndx(binary->elf, &strings))
		return false;
	while ((section = elf_nextscn(binary->elf, section))) {
		GElf_Shdr header;
		const char *own;

		if (!gelf_getshdr(section, &header) || !(header.sh_flags & SHF_ALLOC))
			continue;
		own = elf_strptr(binary->elf, strings, header.sh_name);
		if (!own || strcmp(own, name))
			continue;
		*place = (struct binary_place){ .start = header.sh_addr, .end = header.sh_addr + header.sh_size };
		return true;
	}
	return false;
}

bool binary_find_place(const struct binary *binary, const char *name, struct binary_place *place)
{
	int nr = dwfl_module_getsymtab(binary->module);

	if (find_section(binary, name, place))
		return true;
	for (int i = 1; i < nr; i++) {
		GElf_Sym sym;
		GElf_Addr address;
		GElf_Word section;
		const char *own = dwfl_module_getsym_info(binary->module, i, &sym, &address, &section, NULL, NULL);

		if (!own || section == SHN_UNDEF || strcmp(own, name))
			continue;
		*place = (struct binary_place){ .start = address - binary->bias, .end = ~0ull };
		return true;
	}
	return false;
}

void binary_close(struct binary *binary)
{
	if (!binary)
		return;
	if (binary->dwfl)
		dwfl_end(binary->dwfl);
	free(binary->symbols);
	free(binary->points);
	free(binary->calls);
	free(binary->path);
	free(binary);
}

const struct binary_symbol *binary_function(const struct binary *binary, uint64_t address)
{
	size_t low = 0, high = binary->nr_symbols;
	const struct binary_symbol *symbol;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (binary->symbols[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	symbol = &binary->symbols[low - 1];
	if (address < symbol->end)
		return symbol;
	/* Assembly often gives no size: then it reaches to the next symbol. */
	if (symbol->start == symbol->end && low < binary->nr_symbols)
		return symbol;
	return NULL;
}
