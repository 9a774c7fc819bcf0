/* The checker's functions where kernels are built to be fast: only addresses of wide
 * accesses are looked at. */
#ifndef CUDASIM_CHECK
#    include "simulator.h"

namespace cudasim
{
static inline void aligned(const void *pointer, size_t size, const void *instruction)
{
    if ((uintptr_t)pointer & (size - 1))
        fail("misaligned", "%zu bytes at %p at %s", size, pointer, place_of(instruction));
}

float4 ld16(const void *pointer)
{
    float4 value;

    aligned(pointer, 16, __builtin_return_address(0));
    memcpy(&value, pointer, sizeof value);
    return value;
}

void st16(void *pointer, float4 value)
{
    aligned(pointer, 16, __builtin_return_address(0));
    memcpy(pointer, &value, sizeof value);
}

uint2 ld8(const void *pointer)
{
    uint2 value;

    aligned(pointer, 8, __builtin_return_address(0));
    memcpy(&value, pointer, sizeof value);
    return value;
}

void st8(void *pointer, uint2 value)
{
    aligned(pointer, 8, __builtin_return_address(0));
    memcpy(pointer, &value, sizeof value);
}

void touch(const void *, size_t, bool, bool)
{
}
void touch_at(const void *, size_t, bool, bool, const void *)
{
}
void touch_copy(const void *, size_t, bool, const void *)
{
}
void check_launch()
{
}
void check_block(unsigned long)
{
}
void check_block_end()
{
}
void check_launch_end()
{
}
void order_block()
{
}
void order_release(const void *)
{
}
void order_acquire(const void *)
{
}
void order_warp(unsigned, uint32_t)
{
}
void shadow_allocate(Allocation *)
{
}
void shadow_free(Allocation *)
{
}
void shadow_host_write(void *, size_t)
{
}
void shadow_forget(Allocation *)
{
}
void forget_errors_seen()
{
}
void profile_end()
{
}
void profile_launch(const Launch &)
{
}
void profile_matrix(Operation)
{
}
void profile_copy(size_t)
{
}
} // namespace cudasim

int cudasim_checked(void)
{
    return 0;
}

int cudasim_write_log(const char *)
{
    return -1;
}
#endif
