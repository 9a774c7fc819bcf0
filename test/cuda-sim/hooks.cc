/* What the compilers call at every access of a kernel that is built for the checker.
 *
 * Host code of the same files calls these too; it does not run on a fiber's stack. An
 * address near the caller's frame is of the thread's own stack. */
#ifdef CUDASIM_CHECK
#    include "simulator.h"

using namespace cudasim;

#    define ACCESS(pointer, size, write)                                                 \
        do {                                                                             \
            const uintptr_t frame = (uintptr_t)__builtin_frame_address(0);               \
            if (((uintptr_t)(pointer) ^ frame) >= stack_size && in_fiber((void *)frame)) \
                touch_at((pointer), (size), (write), false,                              \
                         __builtin_return_address(0));                                   \
        } while (0)

extern "C" {
void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void *caller);
void __tsan_vptr_update(void **pointer, void *value);
void __tsan_vptr_read(void **pointer);
void __tsan_read_range(void *p, size_t size);
void __tsan_write_range(void *p, size_t size);
void *__tsan_memcpy(void *to, const void *from, size_t size);
void *__tsan_memmove(void *to, const void *from, size_t size);
void *__tsan_memset(void *p, int value, size_t size);

void __tsan_init(void)
{
}
void __tsan_func_entry(void *)
{
}
void __tsan_func_exit(void *)
{
}
void __tsan_vptr_update(void **, void *)
{
}
void __tsan_vptr_read(void **)
{
}

#    define HOOK(name, size, write)                                                      \
        void name(void *p);                                                              \
        void name(void *p)                                                               \
        {                                                                                \
            ACCESS(p, size, write);                                                      \
        }
#    define HOOKS(n)                                                                     \
        HOOK(__tsan_read##n, n, false)                                                   \
        HOOK(__tsan_write##n, n, true)                                                   \
        HOOK(__tsan_unaligned_read##n, n, false)                                         \
        HOOK(__tsan_unaligned_write##n, n, true)                                         \
        HOOK(__tsan_volatile_read##n, n, false)                                          \
        HOOK(__tsan_volatile_write##n, n, true)                                          \
        HOOK(__tsan_unaligned_volatile_read##n, n, false)                                \
        HOOK(__tsan_unaligned_volatile_write##n, n, true)                                \
        void __tsan_read_write##n(void *p);                                              \
        void __tsan_read_write##n(void *p)                                               \
        {                                                                                \
            ACCESS(p, n, false);                                                         \
            ACCESS(p, n, true);                                                          \
        }                                                                                \
        void __tsan_unaligned_read_write##n(void *p);                                    \
        void __tsan_unaligned_read_write##n(void *p)                                     \
        {                                                                                \
            ACCESS(p, n, false);                                                         \
            ACCESS(p, n, true);                                                          \
        }
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)

void __tsan_read_range(void *p, size_t size)
{
    ACCESS(p, size, false);
}
void __tsan_write_range(void *p, size_t size)
{
    ACCESS(p, size, true);
}
void *__tsan_memcpy(void *to, const void *from, size_t size)
{
    if (size) {
        ACCESS(from, size, false);
        ACCESS(to, size, true);
    }
    return memcpy(to, from, size);
}
void *__tsan_memmove(void *to, const void *from, size_t size)
{
    if (size) {
        ACCESS(from, size, false);
        ACCESS(to, size, true);
    }
    return memmove(to, from, size);
}
void *__tsan_memset(void *p, int value, size_t size)
{
    if (size)
        ACCESS(p, size, true);
    return memset(p, value, size);
}
}
#endif
