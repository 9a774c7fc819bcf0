/* sass.c: instructions of sm_80 to sm_90. An instruction has 16 bytes, here two words of
 * 64 bits, low and high. Bits, counted through both:
 *
 *     0-8      what it does (sass.def)        12-15    guard: predicate 7 is "always"
 *     16-23, 34-81   distance of a branch     73-75    width of an access
 *     72-73    matrices of LDSM and STSM      105-108  cycles to stall behind it
 *
 * The format is not documented; each of these was read off listings of NVIDIA's
 * disassembler and is held against it by test/cuda/test_cubinfo.sh where that is to be
 * had. */
#include "cubinfo.h"
#include <string.h>

enum {
    FMUL = 0x020,
    FADD = 0x021,
    FFMA = 0x023,
    HFMA2 = 0x031,
    HFMA2_MMA = 0x035,
    DFMA = 0x02b,
    LDSM = 0x03b,
    HMMA = 0x03c,
    STSM = 0x044,
    NOP = 0x118,
    CALL = 0x144,
    BSSY = 0x145,
    BRA = 0x147,
    LD = 0x180,
    LDG = 0x181,
    LDL = 0x183,
    LDS = 0x184,
    ST = 0x185,
    STG = 0x186,
    STL = 0x187,
    STS = 0x188,
    ATOMS = 0x18c,
    ATOMS_CAS = 0x18d,
    LDGSTS = 0x1ae,
    HGMMA = 0x1f0
};

static const char *const names[SASS_OPCODES] = {
#define SASS(opcode, name) [opcode] = #name,
#include "sass.def"
#undef SASS
};

/* By the coded width; the last two are not met with the accesses counted here. */
static const int width_bits[SASS_WIDTHS] = {8, 8, 16, 16, 32, 64, 128, 0};

static unsigned opcode(const sass_inst *in)
{
    return (unsigned)(in->lo & 0x1ff);
}

static uint64_t word(const uint8_t *bytes)
{
    uint64_t value = 0;

    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

sass_inst sass_get(const uint8_t *code, size_t i)
{
    return (sass_inst){word(code + SASS_BYTES * i), word(code + SASS_BYTES * i + 8)};
}

const char *sass_name(const sass_inst *in)
{
    const char *name = names[opcode(in)];

    return name ? name : "?";
}

static bool is_access(unsigned op)
{
    return (op >= LD && op <= STS && op != 0x182) || op == LDGSTS;
}

int sass_width(const sass_inst *in)
{
    return is_access(opcode(in)) ? width_bits[in->hi >> 9 & 7] : 0;
}

/* A branch has a second predicate at bits 87 to 90, and .DIV, which asks whether lanes
 * disagree, at 91. */
bool sass_always(const sass_inst *in)
{
    return (in->lo >> 12 & 15) == 7 && (opcode(in) != BRA || (in->hi >> 23 & 31) == 7);
}

/* Distances are of 48 bits, in units of 4 bytes, from the instruction behind. On sm_90
 * those of branches and calls have 8 more bits below. */
long sass_target(const sass_inst *in, long at, int arch)
{
    const unsigned op = opcode(in);
    uint64_t far = (in->lo >> 34 & 0x3fffffff) | (in->hi & 0x3ffff) << 30;
    int64_t bytes;

    if (op != BRA && op != BSSY && !(op == CALL && (in->lo >> 9 & 7) == 4))
        return -1;
    if (arch >= 90 && op != BSSY)
        far = far << 8 | (in->lo >> 16 & 0xff);
    far &= (UINT64_C(1) << 48) - 1;
    bytes = ((int64_t)far - (int64_t)(far >> 47 << 48)) * 4;
    bytes += ((int64_t)at + 1) * SASS_BYTES;
    return bytes < 0 || bytes % SASS_BYTES ? -1 : (long)(bytes / SASS_BYTES);
}

/* Tensor work of one warp in multiply-adds of bf16; those of tf32 take twice the time. A
 * warp does a quarter of an HGMMA, whose 64 rows are of four warps. */
static double mma_work(const sass_inst *in)
{
    const bool tf32 = in->hi >> 19 & 1, deep = in->hi >> 11 & 1,
               shallow = in->hi >> 14 & 1;
    const double n = (double)((in->lo >> 53 & 31) + 1) * 8;

    if (opcode(in) == HGMMA)
        return 16 * n * 16; // 32 bytes deep: 16 of bf16, 8 of tf32
    if (tf32)
        return shallow ? 16 * 8 * 4 * 2 : 16 * 8 * 8 * 2;
    return deep ? 16 * 8 * 16 : 16 * 8 * 8;
}

double sass_math(const sass_inst *in)
{
    switch (opcode(in)) {
    case FMUL:
    case FADD:
    case FFMA:
    case DFMA:
        return 1;
    case HFMA2:
    case HFMA2_MMA:
        return 2;
    case HMMA:
    case HGMMA:
        return mma_work(in) / 32;
    default:
        return 0;
    }
}

/* 128 bytes a wavefront: a warp's 32 lanes of 4 bytes. LDSM: 128 bytes a matrix. */
static double wavefronts(const sass_inst *in)
{
    const unsigned op = opcode(in);
    const int width = sass_width(in);

    if (op == LDSM || op == STSM)
        return 1 << (in->hi >> 8 & 3);
    if (op == ATOMS || op == ATOMS_CAS)
        return 1;
    if (op != LDS && op != STS && op != LDGSTS)
        return 0;
    return width > 32 ? width / 32 : 1;
}

void sass_add(sass_mix *mix, const sass_inst *in)
{
    const unsigned op = opcode(in);
    const unsigned width = is_access(op) ? (unsigned)(in->hi >> 9 & 7) : SASS_WIDTHS - 1;
    const unsigned stall = (unsigned)(in->hi >> 41 & 15);

    mix->count[op][width]++;
    mix->insts++;
    mix->nops += op == NOP;
    mix->other += !names[op];
    mix->stall += stall ? stall : 1;
    if (op == HMMA || op == HGMMA) {
        mix->mma += mma_work(in);
        mix->mmas++;
    }
    mix->fp32 += op == FFMA || op == FADD || op == FMUL;
    mix->wavefronts += wavefronts(in);
    if (op == LDG || op == LDGSTS)
        mix->sectors += width_bits[width] / 8;
}

/* The width a name ends in, and how long the name is without it. */
static int split_width(const char *name, size_t *length)
{
    static const struct {
        const char *text;
        int bits;
    } known[] = {{"128", 128}, {"64", 64}, {"32", 32}, {"16", 16}, {"8", 8}};
    const size_t all = strlen(name);

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const size_t digits = strlen(known[i].text);

        if (all > digits && strcmp(name + all - digits, known[i].text) == 0) {
            *length = all - digits;
            return known[i].bits;
        }
    }
    *length = all;
    return 0;
}

bool sass_count(const sass_mix *mix, const char *name, double *count)
{
    size_t length;
    const int bits = split_width(name, &length);
    bool known = false;

    *count = 0;
    for (unsigned op = 0; op < SASS_OPCODES; op++) {
        const bool whole = names[op] && strcmp(names[op], name) == 0;
        const bool sized = bits && names[op] && is_access(op) &&
                           strncmp(names[op], name, length) == 0 && !names[op][length];

        if (!whole && !sized)
            continue;
        known = true;
        for (int w = 0; w < SASS_WIDTHS; w++)
            *count += whole || width_bits[w] == bits ? mix->count[op][w] : 0;
    }
    return known;
}
