/* make_cubin.c: write a cubin with one kernel, tile_kernel<float,128,64>, for tests on
 * machines without nvcc: make_cubin ARCH ABI OUT. It has just the sections cubinfo reads.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL "_Z11tile_kernelIfLi128ELi64EEvPKT_Pf"

enum {
    SECTIONS = 7,
    HEADER = 64,
    REGISTERS = 40,
    SHARED = 4096,
    RESERVED = 1024,
    THREADS = 128
};

static uint8_t file[8192];
static size_t used = HEADER;

static void put(size_t at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        file[at + (size_t)i] = (uint8_t)(i < 8 ? value >> 8 * i : 0);
}

static void add(uint64_t value, int bytes)
{
    put(used, value, bytes);
    used += (size_t)bytes;
}

/* The code: a loop of six instructions, then three that no loop has. */
static void add_code(int arch)
{
    const int64_t back = -6 * 16 / 4; // over six instructions, in units of 4 bytes
    const uint64_t high = arch >= 90 ? (uint64_t)(back >> 8) : (uint64_t)back;
    const uint64_t low = arch >= 90 ? ((uint64_t)back & 0xff) << 16 : 0;
    const uint64_t code[][2] = {
        {0x7981, 6 << 9},  // LDG.128
        {0x723c, 0x41808}, // HMMA.16816.F32.BF16
        {0x723c, 0x81008}, // HMMA.1688.F32.TF32
        {0x7984, 6 << 9},  // LDS.128
        {0x7223, 0},       // FFMA
        {0x0947 | low | (high & 0x3fffffff) << 34, (high >> 30 & 0x3ffff) | 7 << 23},
        {0x7987, 4 << 9}, // STL, what a spill is made of
        {0x71ff, 0},      // nothing known
        {0x794d, 0},      // EXIT
    };

    for (size_t i = 0; i < sizeof code / sizeof *code; i++)
        for (int w = 0; w < 2; w++)
            add(code[i][w], 8);
}

/* An attribute of .nv.info with its value in n words. */
static void add_info(unsigned attribute, int n, const uint32_t *words)
{
    add(4, 1);
    add(attribute, 1);
    add((uint64_t)n * 4, 2);
    for (int i = 0; i < n; i++)
        add(words[i], 4);
}

static size_t add_text(const char *text)
{
    const size_t at = used;

    memcpy(file + used, text, strlen(text) + 1);
    used += strlen(text) + 1;
    return at;
}

int main(int argc, char **argv)
{
    static const char *const name[SECTIONS] = {"",
                                               ".strtab",
                                               ".symtab",
                                               ".nv.info",
                                               ".nv.info." KERNEL,
                                               ".text." KERNEL,
                                               ".nv.shared." KERNEL};
    static const uint32_t type[SECTIONS] = {0, 3, 2, 0x70000000, 0x70000000, 1, 8};
    size_t at[SECTIONS + 1], called[SECTIONS], function, headers;
    const int arch = argc == 4 ? atoi(argv[1]) : 0;
    int abi;
    FILE *f;

    if (arch == 0)
        return 2;
    abi = atoi(argv[2]);
    at[0] = at[1] = used;
    for (int i = 0; i < SECTIONS; i++)
        called[i] = add_text(name[i]) - at[1];
    function = add_text(KERNEL) - at[1];
    at[2] = used;
    for (int i = 0; i < 2; i++) { // no symbol, then the kernel: a function, an entry
        add(i ? function : 0, 4);
        add(i ? 0x12 : 0, 1);
        add(i ? 0x10 : 0, 1);
        add(i ? 5 : 0, 2);
        add(0, 8);
        add(0, 8);
    }
    at[3] = used;
    add_info(0x2f, 2, (const uint32_t[]){1, REGISTERS});
    add_info(0x11, 2, (const uint32_t[]){1, 8});
    at[4] = used;
    add_info(0x05, 3, (const uint32_t[]){THREADS, 1, 1});
    at[5] = used;
    add_code(arch);
    at[6] = at[7] = headers = used;
    for (int i = 0; i < SECTIONS; i++) {
        add(called[i], 4);
        add(type[i], 4);
        add(0, 16);
        add(at[i], 8);
        add(i == 6 ? SHARED + (arch >= 90 ? RESERVED : 0) : at[i + 1] - at[i], 8);
        add(i == 2 ? 1 : 0, 4); // the names of symbols
        add(0, 20);
    }
    memcpy(file, "\177ELF\2\1\1\51", 8);
    put(8, (uint64_t)abi, 1);
    put(0x12, 190, 2);
    put(0x28, headers, 8);
    put(0x30, abi >= 8 ? (uint64_t)arch << 8 : (uint64_t)arch << 16 | (uint64_t)arch, 4);
    put(0x3a, HEADER, 2);
    put(0x3c, SECTIONS, 2);
    put(0x3e, 1, 2);
    f = fopen(argv[3], "wb");
    return !f || fwrite(file, 1, used, f) != used || fclose(f) ? 1 : 0;
}
