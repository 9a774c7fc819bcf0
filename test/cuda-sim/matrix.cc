/* mma.sync and ldmatrix. Each lane puts its registers into whole matrices, in plain
 * floats, the last one multiplies, and each takes its part of the result.
 *
 * Operands of tf32 are cut to 10 bits of mantissa, which is what the hardware reads of a
 * register. Sums are of floats in the order of k; a tensor core has another order, and
 * rounds in its own way. */
#include "simulator.h"
#include "fragments.h"

namespace cudasim
{
constexpr uint32_t whole_warp = 0xffffffffu;

static inline float from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

typedef float Row __attribute__((vector_size(32), may_alias)); // of b or c

/* c += a b, a 16 by depth, b depth by 8; eight rows of c at a time stay in registers. */
template <int depth> static void multiply(Matrices *m)
{
    const Row *b = (const Row *)m->b;
    Row *c = (Row *)m->c;

    for (int first = 0; first < 16; first += 8) {
        Row sum[8];
        for (int i = 0; i < 8; i++)
            sum[i] = c[first + i];
        for (int k = 0; k < depth; k++)
            for (int i = 0; i < 8; i++)
                sum[i] += m->a[first + i][k] * b[k];
        for (int i = 0; i < 8; i++)
            c[first + i] = sum[i];
    }
}

template <int depth>
static inline void combine(const Visit &visit, Operation operation, float d[4],
                           const float c[4])
{
    Matrices *m = &visit.payload->matrices;
    const int lane = (int)visit.thread->lane;

    for (int i = 0; i < 4; i++)
        m->c[row_of(float_c[i], lane)][column_of(float_c[i], lane)] = c[i];
    if (last_of(visit)) {
        multiply<depth>(m);
        profile_matrix(operation);
        close_meeting(visit);
    } else {
        wait_for_last(visit);
    }
    for (int i = 0; i < 4; i++)
        d[i] = m->c[row_of(float_c[i], lane)][column_of(float_c[i], lane)];
}

static void require_arch(int arch, const char *where, const char *what)
{
    if (settings.arch < arch)
        fail("arch", "%s: %s needs sm_%d, the device is sm_%d", where, what, arch,
             settings.arch);
}

static inline void require_whole_warp(const Visit &visit, const char *where)
{
    if (visit.meeting->need != whole_warp)
        fail("warp", "%s: a matrix operation in a warp of fewer than 32 threads", where);
}

void mma_m16n8k8_tf32(const char *where, float d[4], const uint32_t a[4],
                      const uint32_t b[2], const float c[4])
{
    require_arch(80, where, "mma .tf32");
    const Visit visit = arrive(where, mma_tf32, whole_warp);
    Matrices *m = &visit.payload->matrices;
    const int lane = (int)visit.thread->lane;

    require_whole_warp(visit, where);
    for (int i = 0; i < 4; i++)
        m->a[row_of(tf32_a[i], lane)][column_of(tf32_a[i], lane)] =
            from_bits(a[i] & 0xffffe000u);
    for (int i = 0; i < 2; i++)
        m->b[row_of(tf32_b[i], lane)][column_of(tf32_b[i], lane)] =
            from_bits(b[i] & 0xffffe000u);
    combine<8>(visit, mma_tf32, d, c);
}

void mma_m16n8k16_bf16(const char *where, float d[4], const uint32_t a[4],
                       const uint32_t b[2], const float c[4])
{
    require_arch(80, where, "mma .bf16");
    const Visit visit = arrive(where, mma_bf16, whole_warp);
    Matrices *m = &visit.payload->matrices;
    const int lane = (int)visit.thread->lane;

    require_whole_warp(visit, where);
    for (int i = 0; i < 8; i++)
        m->a[row_of(bf16_a[i], lane)][column_of(bf16_a[i], lane)] =
            from_bits(i & 1 ? a[i / 2] & 0xffff0000u : a[i / 2] << 16);
    for (int i = 0; i < 4; i++)
        m->b[row_of(bf16_b[i], lane)][column_of(bf16_b[i], lane)] =
            from_bits(i & 1 ? b[i / 2] & 0xffff0000u : b[i / 2] << 16);
    combine<16>(visit, mma_bf16, d, c);
}

/* Rows of matrix i are given by lanes 8 i to 8 i + 7. A lane gets elements 2 t and 2 t +
 * 1 of row g of each matrix, g = lane / 4 and t = lane % 4; transposed, those of column g
 * in rows 2 t and 2 t + 1. Addresses of lanes past the last matrix do not matter. */
static void load(const char *where, uint32_t *r, const void *row, unsigned matrices,
                 bool transposed, const void *instruction)
{
    require_arch(75, where, "ldmatrix");
    const Visit visit = arrive(where, load_matrix, whole_warp);
    const unsigned lane = visit.thread->lane, group = lane >> 2, thread = lane & 3;

    require_whole_warp(visit, where);
    if (lane < 8 * matrices) {
        if ((uintptr_t)row & 15)
            fail("misaligned", "%s: row %p of ldmatrix is not 16-byte aligned", where,
                 row);
        if (!is_shared(row, 16))
            fail("address", "%s: row %p of ldmatrix is not in shared memory", where, row);
        touch_at(row, 16, false, false, instruction);
        memcpy(visit.payload->row[lane], row, 16);
    }
    if (last_of(visit))
        close_meeting(visit);
    else
        wait_for_last(visit);
    for (unsigned i = 0; i < matrices; i++) {
        const unsigned char(*rows)[16] = &visit.payload->row[8 * i];
        if (!transposed) {
            memcpy(&r[i], &rows[group][4 * thread], 4);
        } else {
            uint16_t low, high;
            memcpy(&low, &rows[2 * thread][2 * group], 2);
            memcpy(&high, &rows[2 * thread + 1][2 * group], 2);
            r[i] = (uint32_t)high << 16 | low;
        }
    }
}

void ldmatrix_x1(const char *where, uint32_t r[1], const void *row)
{
    load(where, r, row, 1, false, __builtin_return_address(0));
}
void ldmatrix_x2(const char *where, uint32_t r[2], const void *row)
{
    load(where, r, row, 2, false, __builtin_return_address(0));
}
void ldmatrix_x4(const char *where, uint32_t r[4], const void *row)
{
    load(where, r, row, 4, false, __builtin_return_address(0));
}
void ldmatrix_x1_trans(const char *where, uint32_t r[1], const void *row)
{
    load(where, r, row, 1, true, __builtin_return_address(0));
}
void ldmatrix_x2_trans(const char *where, uint32_t r[2], const void *row)
{
    load(where, r, row, 2, true, __builtin_return_address(0));
}
void ldmatrix_x4_trans(const char *where, uint32_t r[4], const void *row)
{
    load(where, r, row, 4, true, __builtin_return_address(0));
}
} // namespace cudasim
