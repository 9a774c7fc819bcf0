/* Memory of the checker beside the device's: a cell for each 2 bytes of an allocation,
 * and a bit that says whether they were written. And what the program consists of:
 * instructions, by small numbers, and constants. */
#ifdef CUDASIM_CHECK
#    include "checker.h"
#    include <algorithm>
#    include <link.h>
#    include <stdio.h>
#    include <stdlib.h>
#    include <sys/mman.h>
#    include <vector>

extern "C" char __start_cudasim_const[] __attribute__((weak, visibility("hidden")));
extern "C" char __stop_cudasim_const[] __attribute__((weak, visibility("hidden")));

namespace cudasim
{
constexpr unsigned max_instructions = 65536;

struct Segment {
    uintptr_t start, end;
};
static std::vector<Segment> &constants =
    *new std::vector<Segment>; // outlives destructors
static Segment text;
static uint16_t *instruction_numbers; // by offset in the text
static std::vector<const void *> &instructions = *new std::vector<const void *>(1);
static size_t shadow_bytes;

static void *reserve(size_t size)
{
    void *p = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        fprintf(stderr, "cudasim: no memory for the checker\n");
        abort();
    }
    return p;
}

/* Constants and instructions of the program or library that the simulator is in. */
static int find_segments(struct dl_phdr_info *info, size_t, void *)
{
    const uintptr_t here = (uintptr_t)find_segments;
    bool ours = false;

    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) &h = info->dlpi_phdr[i];
        const uintptr_t start = info->dlpi_addr + h.p_vaddr;
        if (h.p_type == PT_LOAD && here >= start && here < start + h.p_memsz) {
            ours = true;
            text.start = start;
            text.end = start + h.p_memsz;
        }
    }
    for (int i = 0; ours && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) &h = info->dlpi_phdr[i];
        const uintptr_t start = info->dlpi_addr + h.p_vaddr;
        if ((h.p_type == PT_LOAD && !(h.p_flags & PF_W)) || h.p_type == PT_GNU_RELRO)
            constants.push_back({start, start + h.p_memsz});
    }
    return ours;
}

unsigned number_of(const void *instruction)
{
    const uintptr_t p = (uintptr_t)instruction;

    if (p < text.start || p >= text.end)
        return 0;
    uint16_t *number = &instruction_numbers[p - text.start];
    if (!*number && instructions.size() < max_instructions) {
        *number = (uint16_t)instructions.size();
        instructions.push_back(instruction);
    }
    return *number;
}

void find_module()
{
    if (text.end)
        return;
    dl_iterate_phdr(find_segments, nullptr);
    instruction_numbers =
        (uint16_t *)reserve((text.end - text.start) * sizeof *instruction_numbers);
}

const char *place_of_number(unsigned instruction)
{
    return instruction ? place_of(instructions[instruction]) : "?";
}

bool is_constant(uintptr_t start, uintptr_t end)
{
    if (start >= (uintptr_t)__start_cudasim_const &&
        end <= (uintptr_t)__stop_cudasim_const)
        return true;
    for (const Segment &segment : constants)
        if (start >= segment.start && end <= segment.end)
            return true;
    return false;
}

size_t shadows_size()
{
    return shadow_bytes;
}

static size_t cells_of(const Allocation *a)
{
    return a->size / granule + 2;
}

void shadow_allocate(Allocation *a)
{
    a->shadow = reserve(cells_of(a) * sizeof(Cell));
    a->written = (unsigned char *)reserve(cells_of(a) / 8 + 2);
    shadow_bytes += cells_of(a) * sizeof(Cell);
}

void shadow_free(Allocation *a)
{
    munmap(a->shadow, cells_of(a) * sizeof(Cell));
    munmap(a->written, cells_of(a) / 8 + 2);
    shadow_bytes -= cells_of(a) * sizeof(Cell);
}

void shadow_forget(Allocation *a)
{
    madvise(a->shadow, cells_of(a) * sizeof(Cell), MADV_DONTNEED);
}

void shadow_host_write(void *pointer, size_t size)
{
    Allocation *a = find_allocation(pointer, size);

    if (!a)
        return;
    size_t i = (size_t)((char *)pointer - a->start) / granule;
    const size_t end =
        ((size_t)((char *)pointer - a->start) + size + granule - 1) / granule;
    for (; i < end && (i & 7); i++)
        a->written[i / 8] = (unsigned char)(a->written[i / 8] | 1u << (i & 7));
    if (end / 8 > i / 8)
        memset(a->written + i / 8, 0xff, end / 8 - i / 8);
    for (i = std::max(i, end & ~(size_t)7); i < end; i++)
        a->written[i / 8] = (unsigned char)(a->written[i / 8] | 1u << (i & 7));
}

} // namespace cudasim
#endif
