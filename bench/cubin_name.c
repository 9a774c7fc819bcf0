/* cubin_name.c: names of kernels, short enough for a table and equal for the same kernel,
 * whether a compiler mangled it or a launch spelled it. */
#include "cubinfo.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool part_of_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Length of a cast, "(int)" or "(some::kind)", that a number follows at s; else 0. */
static size_t cast(const char *s)
{
    size_t n = 1;

    if (*s != '(')
        return 0;
    while (part_of_name(s[n]) || s[n] == ':' || s[n] == ' ')
        n++;
    if (n == 1 || s[n] != ')' || !(isdigit((unsigned char)s[n + 1]) || s[n + 1] == '-'))
        return 0;
    return n + 1;
}

/* Length of an unnamed namespace, as c++filt or nvcc spells it, with its "::". */
static size_t unnamed(const char *s)
{
    static const char *const spelled[] = {"(anonymous namespace)::", "_GLOBAL__N_",
                                          "_INTERNAL_"};
    const char *end;

    for (size_t i = 0; i < sizeof spelled / sizeof *spelled; i++)
        if (strncmp(s, spelled[i], strlen(spelled[i])) == 0) {
            end = strstr(s, "::");
            return end ? (size_t)(end - s) + 2 : 0;
        }
    return 0;
}

/* Copy without spaces between signs, casts of numbers and their suffixes, up to where the
 * parameters begin. */
void cubin_shorten(const char *said, char *name, size_t size)
{
    size_t n = 0;
    int depth = 0;
    bool number = false; // a token that began with a digit goes on

    while (*said == '(' && !unnamed(said))
        said++;
    for (; *said && n + 1 < size; said++) {
        const size_t skip =
            cast(said) + (n && part_of_name(name[n - 1]) ? 0 : unnamed(said));

        if (skip) {
            said += skip - 1;
            continue;
        }
        if ((*said == '(' || *said == ')') && depth == 0)
            break;
        if (*said == ' ' && !(n && part_of_name(name[n - 1]) && part_of_name(said[1])))
            continue;
        depth += (*said == '<') - (*said == '>');
        if (!part_of_name(*said))
            number = false;
        else if (!n || !part_of_name(name[n - 1]))
            number = isdigit((unsigned char)*said);
        if (number && strchr("uUlL", *said))
            continue;
        name[n++] = *said;
    }
    name[n] = '\0';
}

/* The shell sees only letters, digits and _ . $, the last one quoted. */
static bool harmless(const char *mangled)
{
    for (const char *s = mangled; *s; s++)
        if (!part_of_name(*s) && *s != '.' && *s != '$')
            return false;
    return *mangled != '\0' && strlen(mangled) < 2000;
}

void cubin_short_name(const char *mangled, char *name, size_t size)
{
    char command[2100], said[4096] = "";
    const char *from = said;
    FILE *f = NULL;

    if (strncmp(mangled, "_Z", 2) == 0 && harmless(mangled)) {
        snprintf(command, sizeof command, "c++filt '%s' 2>/dev/null", mangled);
        f = popen(command, "r");
    }
    if (f) {
        if (!fgets(said, sizeof said, f))
            said[0] = '\0';
        pclose(f);
    }
    said[strcspn(said, "\n")] = '\0';
    if (said[0] == '\0' || strcmp(said, mangled) == 0) {
        snprintf(name, size, "%s", mangled);
        return;
    }
    if (strncmp(from, "void ", 5) == 0)
        from += 5;
    cubin_shorten(from, name, size);
}

/* The next argument of a template, between < , and >. */
static size_t argument(const char *s)
{
    size_t n = 0;
    int depth = 0;

    for (; s[n] && (depth > 0 || (s[n] != ',' && s[n] != '>')); n++)
        depth += (s[n] == '<') - (s[n] == '>');
    return n;
}

bool cubin_same(const char *logged, const char *name)
{
    const size_t base = strcspn(logged, "<");

    if (strcmp(logged, name) == 0)
        return true;
    if (strncmp(logged, name, base) != 0 || name[base] != '<' || logged[base] != '<')
        return false;
    for (logged += base, name += base;
         *logged && *name && *logged != '>' && *name != '>';) {
        const size_t n = argument(++logged), m = argument(++name);
        const bool types =
            isalpha((unsigned char)*logged) && isalpha((unsigned char)*name);

        // a type may be spelled by its other name; a number may not
        if (!types && (n != m || strncmp(logged, name, n) != 0))
            return false;
        logged += n;
        name += m;
    }
    return *logged == *name;
}
