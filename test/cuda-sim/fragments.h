/* Which element of a matrix each register of each lane holds in mma.sync, from the PTX
 * ISA, chapter "Warp Level Matrix Multiply-Accumulate Instructions", fragments of m16n8k8
 * for .tf32 and of m16n8k16 for .bf16. With group = lane / 4 and thread = lane % 4:
 *
 *     row    = row    + group * row_group    + thread * row_thread
 *     column = column + group * column_group + thread * column_thread
 *
 * A is 16 by k, B is k by 8, C and D are 16 by 8. A register of bf16 holds two elements,
 * the one in the lower half first. This is the only place that knows the layout. */
#ifndef CUDASIM_FRAGMENTS_H
#define CUDASIM_FRAGMENTS_H

namespace cudasim
{
struct Element {
    int row, row_group, row_thread, column, column_group, column_thread;
};

constexpr Element tf32_a[4] = {
    {0, 1, 0, 0, 0, 1}, // a0: row = group,     column = thread
    {8, 1, 0, 0, 0, 1}, // a1: row = group + 8, column = thread
    {0, 1, 0, 4, 0, 1}, // a2: row = group,     column = thread + 4
    {8, 1, 0, 4, 0, 1}, // a3: row = group + 8, column = thread + 4
};
constexpr Element tf32_b[2] = {
    {0, 0, 1, 0, 1, 0}, // b0: row = thread,     column = group
    {4, 0, 1, 0, 1, 0}, // b1: row = thread + 4, column = group
};
constexpr Element bf16_a[8] = {
    {0, 1, 0, 0, 0, 2}, // a0: row = group,     column = 2 thread
    {0, 1, 0, 1, 0, 2}, // a1:                  column = 2 thread + 1
    {8, 1, 0, 0, 0, 2}, // a2: row = group + 8
    {8, 1, 0, 1, 0, 2}, // a3
    {0, 1, 0, 8, 0, 2}, // a4: row = group,     column = 2 thread + 8
    {0, 1, 0, 9, 0, 2}, // a5
    {8, 1, 0, 8, 0, 2}, // a6: row = group + 8, column = 2 thread + 8
    {8, 1, 0, 9, 0, 2}, // a7
};
constexpr Element bf16_b[4] = {
    {0, 0, 2, 0, 1, 0}, // b0: row = 2 thread,     column = group
    {1, 0, 2, 0, 1, 0}, // b1: row = 2 thread + 1
    {8, 0, 2, 0, 1, 0}, // b2: row = 2 thread + 8
    {9, 0, 2, 0, 1, 0}, // b3: row = 2 thread + 9
};
constexpr Element float_c[4] = {
    {0, 1, 0, 0, 0, 2}, // c0: row = group,     column = 2 thread
    {0, 1, 0, 1, 0, 2}, // c1:                  column = 2 thread + 1
    {8, 1, 0, 0, 0, 2}, // c2: row = group + 8
    {8, 1, 0, 1, 0, 2}, // c3
};

constexpr int row_of(const Element &e, int lane)
{
    return e.row + (lane >> 2) * e.row_group + (lane & 3) * e.row_thread;
}
constexpr int column_of(const Element &e, int lane)
{
    return e.column + (lane >> 2) * e.column_group + (lane & 3) * e.column_thread;
}
} // namespace cudasim

#endif
