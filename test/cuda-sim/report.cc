/* Where in the source an instruction is, and what a kernel is called: asked of addr2line,
 * if there is one, about the program or shared library that the simulator is part of. */
#include "simulator.h"
#include <dlfcn.h>
#include <link.h>
#include <map>
#include <stdio.h>
#include <string>
#include <unistd.h>

namespace cudasim
{
static void this_module()
{
}

/* The file and the address that the linker gave, of an address at run time. */
static std::string module_of(const void *address, uintptr_t *offset)
{
    Dl_info info;
    char path[4096];

    if (!dladdr((void *)this_module, &info)) {
        *offset = 0;
        return "";
    }
    *offset = (uintptr_t)address - (uintptr_t)info.dli_fbase;
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)info.dli_fbase;
    if (header->e_type == ET_EXEC)
        *offset = (uintptr_t)address;
    if (strchr(info.dli_fname, '/'))
        return info.dli_fname;
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    return std::string(path, length > 0 ? (size_t)length : 0);
}

static std::string ask(const char *options, const void *address)
{
    uintptr_t offset;
    const std::string file = module_of(address, &offset);
    char line[2000], number[40];
    std::string answer;

    snprintf(number, sizeof number, " 0x%lx", (unsigned long)offset);
    const std::string command = std::string("addr2line ") + options + " -e '" + file +
                                "'" + number + " 2>/dev/null";
    if (FILE *pipe = popen(command.c_str(), "r")) {
        while (fgets(line, sizeof line, pipe))
            answer += line;
        pclose(pipe);
    }
    return answer;
}

/* Of the inlined frames the innermost that is not one of the wrappers around the kernel
 * language. "file.cu:12", or the address if nobody knows. */
static std::string find_place(const void *instruction)
{
    const std::string frames = ask("-i", (const char *)instruction - 1);
    std::string place;

    for (size_t start = 0; start < frames.size();) {
        const size_t end = frames.find('\n', start);
        std::string frame = frames.substr(start, end - start);
        start = end == std::string::npos ? frames.size() : end + 1;
        frame = frame.substr(0, frame.find(' '));
        const size_t slash = frame.rfind('/');
        if (slash != std::string::npos)
            frame = frame.substr(slash + 1);
        if (frame.empty() || frame[0] == '?')
            continue;
        if (place.empty())
            place = frame;
        if (frame.compare(0, 9, "rj_cuda.h") != 0 && frame.compare(0, 7, "cudasim") != 0)
            return frame;
    }
    if (place.empty()) {
        char text[40];
        uintptr_t offset;
        module_of(instruction, &offset);
        snprintf(text, sizeof text, "address 0x%lx", (unsigned long)offset);
        place = text;
    }
    return place;
}

/* The text is kept for ever. */
const char *place_of(const void *instruction)
{
    static std::map<const void *, std::string> &known =
        *new std::map<const void *, std::string>;
    std::string &place = known[instruction];

    if (place.empty())
        place = find_place(instruction);
    return place.c_str();
}

/* "void kernel<float, 64>(float const*)" is kernel<float,64>; what the launch called it
 * stays if nobody knows. */
void kernel_function_name(const void *kernel, char *name, size_t size)
{
    std::string text = ask("-f -C", kernel);
    std::string tidy;
    int depth = 0;

    text = text.substr(0, text.find('\n'));
    const size_t hidden = text.find("(anonymous namespace)::");
    if (hidden != std::string::npos)
        text.erase(hidden, 23);
    for (const char c : text) {
        if (c == '(' && depth == 0)
            break;
        depth += (c == '<') - (c == '>');
        if (c == ' ' && depth == 0)
            tidy.clear(); // that was the type it returns
        else if (c != ' ')
            tidy += c;
    }
    if (!tidy.empty() && tidy[0] != '?')
        snprintf(name, size, "%s", tidy.c_str());
}
} // namespace cudasim
