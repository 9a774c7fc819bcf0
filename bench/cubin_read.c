/* cubin_read.c: kernels of a cubin, an ELF file as nvcc -cubin writes it (ABI 7: CUDA
 * 11.8; ABI 8: CUDA 13.0). A kernel K has its code in section .text.K, facts in
 * .nv.info.K and .nv.info, static shared memory as the size of .nv.shared.K. Nothing in
 * the file is believed: each offset and size is held against the file's before it is
 * used. */
#include "cubinfo.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    ELF_HEADER = 64,
    SECTION_HEADER = 64,
    SYMBOL = 24,
    MACHINE_CUDA = 190, // e_machine
    SECTION_SYMBOLS = 2,
    SECTION_EMPTY = 8,     // sh_type: SHT_SYMTAB, SHT_NOBITS
    SYMBOL_FUNCTION = 2,   // the low four bits of st_info
    SYMBOL_ENTRY = 0x10,   // a bit of st_other: a kernel, not a function
    RESERVED_SHARED = 1024 // counted by .nv.shared.K from sm_90 on
};
/* Attributes of .nv.info. */
enum {
    INFO_MAX_THREADS = 0x05,
    INFO_FRAME = 0x11,
    INFO_REGISTERS = 0x2f,
    INFO_SIZED = 4
};

static const size_t most_bytes = (size_t)256 << 20, most_kernels = 4096;

/* A stretch of the file. */
typedef struct piece {
    const uint8_t *bytes;
    size_t size;
} piece;

typedef struct cubin {
    const char *path;
    piece file;
    uint64_t sections; /* offset of their headers */
    size_t n;          /* how many there are */
    piece names;       /* of sections */
    int arch;
} cubin;

static bool damaged(const cubin *c, const char *what)
{
    fprintf(stderr, "cubinfo: %s: %s\n", c->path, what);
    return false;
}

/* A little-endian number of `size` bytes; 0 outside the piece. */
static uint64_t number(piece p, uint64_t at, size_t size)
{
    uint64_t value = 0;

    if (at > p.size || size > p.size - at)
        return 0;
    for (size_t i = size; i > 0; i--)
        value = value << 8 | p.bytes[at + i - 1];
    return value;
}

/* The text at an offset; "" if it does not end within the piece. */
static const char *text(piece p, uint64_t at)
{
    if (at >= p.size || !memchr(p.bytes + at, 0, p.size - at))
        return "";
    return (const char *)p.bytes + at;
}

static uint64_t section_field(const cubin *c, size_t i, unsigned at, size_t size)
{
    return number(c->file, c->sections + SECTION_HEADER * (uint64_t)i + at, size);
}

static const char *section_name(const cubin *c, size_t i)
{
    return text(c->names, section_field(c, i, 0, 4));
}

/* What lies in a section. False: it leaves the file. */
static bool section(const cubin *c, size_t i, piece *p)
{
    const uint64_t at = section_field(c, i, 24, 8), size = section_field(c, i, 32, 8);

    *p = (piece){c->file.bytes, 0};
    if (i >= c->n || section_field(c, i, 4, 4) == SECTION_EMPTY)
        return true;
    if (at > c->file.size || size > c->file.size - at)
        return damaged(c, "a section leaves the file: it is damaged or cut off");
    *p = (piece){c->file.bytes + at, (size_t)size};
    return true;
}

/* Index of the section called prefix + name; n: there is none. */
static size_t find_section(const cubin *c, const char *prefix, const char *name)
{
    const size_t length = strlen(prefix);
    size_t i = 0;

    for (; i < c->n; i++) {
        const char *is = section_name(c, i);

        if (strncmp(is, prefix, length) == 0 && strcmp(is + length, name) == 0)
            break;
    }
    return i;
}

static bool read_file(const char *path, piece *p)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t size = 0, got = 1;

    if (!f) {
        fprintf(stderr, "cubinfo: %s: %s\n", path, strerror(errno));
        return false;
    }
    while (got && size <= most_bytes) {
        bytes = cubinfo_grow(bytes, size + (1 << 20), 1);
        got = fread(bytes + size, 1, 1 << 20, f);
        size += got;
    }
    fclose(f);
    *p = (piece){bytes, size};
    return true;
}

static bool open_elf(cubin *c)
{
    const piece f = c->file;
    const uint64_t flags = number(f, 0x30, 4), abi = number(f, 8, 1);
    const size_t names = (size_t)number(f, 0x3e, 2);

    if (f.size > most_bytes)
        return damaged(c, "larger than 256 MiB, so no cubin of ours");
    if (f.size < ELF_HEADER || memcmp(f.bytes, "\177ELF\2\1", 6) != 0)
        return damaged(c, "not an ELF file of 64 bits");
    if (number(f, 0x12, 2) != MACHINE_CUDA)
        return damaged(c, "an ELF file, but not of CUDA");
    c->arch = (int)(abi >= 8 ? flags >> 8 & 0xff : flags & 0xff);
    c->sections = number(f, 0x28, 8);
    c->n = (size_t)number(f, 0x3c, 2);
    if (number(f, 0x3a, 2) != SECTION_HEADER || c->n == 0 || c->sections > f.size ||
        c->n * SECTION_HEADER > f.size - c->sections || names >= c->n)
        return damaged(c, "its table of sections is damaged or cut off");
    // segments hold nothing we want, but lie last in what nvcc writes
    if (number(f, 0x20, 8) > f.size ||
        number(f, 0x38, 2) * number(f, 0x36, 2) > f.size - number(f, 0x20, 8))
        return damaged(c, "its table of segments is damaged or cut off");
    return section(c, names, &c->names);
}

/* Look for an attribute in .nv.info; *value is where its value lies. next: where to go on
 * looking, at first 0. */
static bool info(piece p, unsigned attribute, uint64_t *next, piece *value)
{
    while (*next + 4 <= p.size) {
        const uint64_t format = number(p, *next, 1), is = number(p, *next + 1, 1);
        const uint64_t size = format == INFO_SIZED ? number(p, *next + 2, 2) : 0;
        const uint64_t at = *next + 4;

        *next = at + size;
        if (size > p.size - at)
            return false;
        *value = (piece){p.bytes + at, (size_t)size};
        if (is == attribute)
            return true;
    }
    return false;
}

/* The number .nv.info has for a symbol; `otherwise` where it has none. */
static uint64_t info_of(piece p, unsigned attribute, uint64_t symbol, uint64_t otherwise)
{
    uint64_t next = 0;
    piece value;

    while (info(p, attribute, &next, &value))
        if (value.size >= 8 && number(value, 0, 4) == symbol)
            return number(value, 4, 4);
    return otherwise;
}

static void list_code(const kernel *k, piece code)
{
    for (size_t i = 0; i < code.size / SASS_BYTES; i++) {
        const sass_inst in = sass_get(code.bytes, i);
        const long to = sass_target(&in, (long)i, k->arch);

        printf("%s\t%zx\t%s\t%d\t", k->mangled, i * SASS_BYTES, sass_name(&in),
               sass_width(&in));
        printf(to < 0 ? "-\n" : "%lx\n", to * SASS_BYTES);
    }
}

/* The kernel of a symbol, whose code is in section `at`. */
static bool read_kernel(const cubin *c, const char *mangled, uint64_t symbol, size_t at,
                        bool list, kernel *k)
{
    const size_t shared = find_section(c, ".nv.shared.", mangled);
    uint64_t next = 0;
    piece code, all, own, value;

    if (!section(c, at, &code) || !section(c, find_section(c, ".nv.info", ""), &all) ||
        !section(c, find_section(c, ".nv.info.", mangled), &own))
        return false;
    if (code.size % SASS_BYTES)
        return damaged(c, "a kernel's code is no whole number of instructions");
    snprintf(k->mangled, sizeof k->mangled, "%s", mangled);
    cubin_short_name(mangled, k->name, sizeof k->name);
    k->arch = c->arch;
    k->registers =
        (int)info_of(all, INFO_REGISTERS, symbol, section_field(c, at, 44, 4) >> 24);
    k->stack = (unsigned)info_of(all, INFO_FRAME, symbol, 0);
    k->shared = shared < c->n ? (unsigned)section_field(c, shared, 32, 8) : 0;
    if (c->arch >= 90 && k->shared >= RESERVED_SHARED)
        k->shared -= RESERVED_SHARED;
    if (info(own, INFO_MAX_THREADS, &next, &value))
        k->max_threads = (int)(number(value, 0, 4) & 0xffff);
    k->loop_first = k->loop_last = -1;
    for (size_t i = 0; i < code.size / SASS_BYTES; i++) {
        const sass_inst in = sass_get(code.bytes, i);

        sass_add(&k->all, &in);
    }
    if (list)
        list_code(k, code);
    else if (code.size)
        sass_hottest_loop(code.bytes, code.size / SASS_BYTES, k);
    return true;
}

/* Kernels are functions of the symbol table that bear the mark of an entry. */
static bool read_kernels(const cubin *c, bool list, kernels *all)
{
    piece symbols = {0}, strings = {0};
    size_t read = 0, code = 0;

    for (size_t i = 0; i < c->n; i++)
        if (section_field(c, i, 4, 4) == SECTION_SYMBOLS &&
            (!section(c, i, &symbols) ||
             !section(c, (size_t)section_field(c, i, 40, 4), &strings)))
            return false;
    for (size_t i = 0; i < symbols.size / SYMBOL; i++) {
        const uint64_t at = (uint64_t)i * SYMBOL;
        const size_t in = (size_t)number(symbols, at + 6, 2);

        if ((number(symbols, at + 4, 1) & 15) != SYMBOL_FUNCTION ||
            !(number(symbols, at + 5, 1) & SYMBOL_ENTRY) || in == 0 || in >= c->n)
            continue;
        all->k = cubinfo_grow(all->k, all->n + 1, sizeof *all->k);
        memset(&all->k[all->n], 0, sizeof *all->k);
        if (!read_kernel(c, text(strings, number(symbols, at, 4)), i, in, list,
                         &all->k[all->n]))
            return false;
        // so that a small file does not make much work
        code += all->k[all->n++].all.insts * (size_t)SASS_BYTES;
        if (++read > most_kernels || code > c->file.size)
            return damaged(c, "more than 4096 kernels, or some share their code");
    }
    return true;
}

bool cubin_read(const char *path, bool list, kernels *all)
{
    const size_t before = all->n;
    cubin c = {.path = path};
    bool fine = read_file(path, &c.file);

    if (fine)
        fine = open_elf(&c) && read_kernels(&c, list, all);
    if (fine && all->n == before)
        fine = damaged(&c, "holds no kernel");
    if (!fine)
        all->n = before;
    free((uint8_t *)c.file.bytes);
    return fine;
}
