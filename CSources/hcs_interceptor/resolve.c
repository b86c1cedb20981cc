/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding the vendor's own functions, and dlsym/dlvsym as doors to our hooks.
 *
 * We export dlsym and dlvsym, unversioned, so any reference of ours to either, versioned or not, would bind to ourselves:
 * libc's own are read out of its symbol table. A call that we do not answer is forwarded by a jump, not a call: libc's
 * dlsym looks at its return address to know who asks (RTLD_NEXT, RTLD_DEFAULT), and must see the asker, not us.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>

#include "hook.h"

/* dlopen and dladdr moved into libc with glibc 2.34; these versions exist on both sides. */
#if defined(__x86_64__)
#define HCS_GLIBC_BASE "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define HCS_GLIBC_BASE "GLIBC_2.17"
#else
#error "unknown architecture"
#endif
__asm__(".symver dlopen,dlopen@" HCS_GLIBC_BASE);
__asm__(".symver dlclose,dlclose@" HCS_GLIBC_BASE);
__asm__(".symver dladdr,dladdr@" HCS_GLIBC_BASE);

typedef void *(*dlsym_function)(void *, const char *);
typedef void *(*dlvsym_function)(void *, const char *, const char *);

struct symbol {
    const char *name;
    void *hook; /* NULL: a query */
};

#define HCS_HOOK(name, ...) extern char hcs_hook_##name[] __attribute__((visibility("hidden")));
#define HCS_QUERY(name)
#include "vendors.def"
#undef HCS_HOOK
#undef HCS_QUERY

#define HCS_HOOK(name, ...) {#name, hcs_hook_##name},
#define HCS_QUERY(name) {#name, NULL},
static const struct symbol symbols[HCS_INDEX_COUNT] = {
#include "vendors.def"
};
#undef HCS_HOOK
#undef HCS_QUERY

void *hcs_reals[HCS_INDEX_COUNT];
static uint8_t absent[HCS_INDEX_COUNT]; /* 1: the library that was asked lacks it */

/* --- ELF lookup in a loaded object ---------------------------------------------------------------------------------- */

struct object {
    uintptr_t base;
    const ElfW(Sym) *symbols;
    const char *strings;
    const uint32_t *gnu_hash;
    const ElfW(Word) *sysv_hash;
    const ElfW(Half) *versions;
};

/* glibc relocates the addresses of most dynamic sections in place, but not of the vDSO's. */
static const void *dynamic_pointer(uintptr_t base, ElfW(Addr) value) {
    return (const void *)(value >= base ? value : base + value);
}

static int read_dynamic(uintptr_t base, const ElfW(Dyn) *dynamic, struct object *ret_object) {
    struct object o = {.base = base};
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
        const void *p = dynamic_pointer(o.base, dynamic->d_un.d_ptr);
        if (dynamic->d_tag == DT_SYMTAB)
            o.symbols = p;
        else if (dynamic->d_tag == DT_STRTAB)
            o.strings = p;
        else if (dynamic->d_tag == DT_GNU_HASH)
            o.gnu_hash = p;
        else if (dynamic->d_tag == DT_HASH)
            o.sysv_hash = p;
        else if (dynamic->d_tag == DT_VERSYM)
            o.versions = p;
    }
    *ret_object = o;
    return o.symbols && o.strings && (o.gnu_hash || o.sysv_hash);
}

static int read_object(const struct dl_phdr_info *info, struct object *ret_object) {
    const ElfW(Dyn) *dynamic = NULL;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            dynamic = (const ElfW(Dyn) *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    return read_dynamic(info->dlpi_addr, dynamic, ret_object);
}

/* A sanitizer in the program asks dlsym while it starts, and has libc's functions interposed that do not work yet: until its
 * questions are answered nothing of libc is called here. */
static int equal(const char *a, const char *b) {
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static int contains_text(const char *text, const char *part) {
    for (; *text; text++) {
        const char *t = text, *p = part;
        while (*p && *t == *p)
            t++, p++;
        if (!*p)
            return 1;
    }
    return 0;
}

/* 2 for the default version of the name, 1 for an older version of it, 0 for anything else. */
static int matches(const struct object *o, uint32_t i, const char *name) {
    const ElfW(Sym) *s = &o->symbols[i];
    unsigned type = ELF64_ST_TYPE(s->st_info);
    if (s->st_shndx == SHN_UNDEF || s->st_value == 0 || (type != STT_FUNC && type != STT_NOTYPE))
        return 0;
    if (!equal(o->strings + s->st_name, name))
        return 0;
    return o->versions && (o->versions[i] & 0x8000) ? 1 : 2;
}

static uint32_t gnu_hash_of(const char *name) {
    uint32_t h = 5381;
    for (; *name; name++)
        h = h * 33 + (unsigned char)*name;
    return h;
}

static uint32_t sysv_hash_of(const char *name) {
    uint32_t h = 0;
    for (; *name; name++) {
        h = (h << 4) + (unsigned char)*name;
        h ^= (h >> 24) & 0xf0;
        h &= 0x0fffffff;
    }
    return h;
}

static void consider(const struct object *o, uint32_t i, const char *name, int *best, void **found) {
    int rank = matches(o, i, name);
    if (rank > *best) {
        *best = rank;
        *found = (void *)(o->base + o->symbols[i].st_value);
    }
}

static void *lookup_gnu(const struct object *o, const char *name) {
    const uint32_t *h = o->gnu_hash;
    uint32_t buckets = h[0], first = h[1], bloom_words = h[2];
    const uint32_t *bucket = h + 4 + bloom_words * (sizeof(ElfW(Addr)) / 4);
    const uint32_t *chain = bucket + buckets;
    uint32_t hash = gnu_hash_of(name);
    uint32_t i = buckets ? bucket[hash % buckets] : 0;
    int best = 0;
    void *found = NULL;
    for (; i >= first && i != 0; i++) {
        uint32_t link = chain[i - first];
        if ((link | 1) == (hash | 1))
            consider(o, i, name, &best, &found);
        if (link & 1)
            break;
    }
    return found;
}

static void *lookup_sysv(const struct object *o, const char *name) {
    uint32_t buckets = o->sysv_hash[0];
    const ElfW(Word) *bucket = o->sysv_hash + 2, *chain = bucket + buckets;
    int best = 0;
    void *found = NULL;
    for (uint32_t i = buckets ? bucket[sysv_hash_of(name) % buckets] : 0; i != 0; i = chain[i])
        consider(o, i, name, &best, &found);
    return found;
}

static void *lookup(const struct object *o, const char *name) {
    return o->gnu_hash ? lookup_gnu(o, name) : lookup_sysv(o, name);
}

static int contains(const struct dl_phdr_info *info, const void *address) {
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && (uintptr_t)address - (info->dlpi_addr + p->p_vaddr) < p->p_memsz)
            return 1;
    }
    return 0;
}

struct search {
    const char *name;
    const void *inside;  /* only the object that holds this address; NULL = any object but ours */
    void *found;
};

static int search_object(struct dl_phdr_info *info, size_t size, void *argument) {
    (void)size;
    struct search *s = argument;
    struct object o;
    if (s->inside ? !contains(info, s->inside) : contains(info, symbols))
        return 0;
    if (read_object(info, &o))
        s->found = lookup(&o, s->name);
    return s->found != NULL || s->inside != NULL;
}

static void *search_loaded(const char *name, const void *inside) {
    struct search s = {.name = name, .inside = inside};
    dl_iterate_phdr(search_object, &s);
    return s.found;
}

/* In libc, or in libdl before glibc 2.34, by the debugger's list of objects: neither is ever unloaded. */
static void *search_libc(const char *name) {
    static const char *const files[] = {"/libc.so.", "/libdl.so.", "/libc-", "/libdl-"};
    for (const struct link_map *m = _r_debug.r_map; m; m = m->l_next)
        for (int i = 0; i < 4; i++) {
            struct object o;
            void *found = contains_text(m->l_name, files[i]) && read_dynamic(m->l_addr, m->l_ld, &o) ? lookup(&o, name) : NULL;
            if (found)
                return found;
        }
    return NULL;
}

/* --- tables that exist before our constructor ------------------------------------------------------------------------- */

#define NAME_SLOTS 1024
_Static_assert(HCS_INDEX_COUNT * 2 < NAME_SLOTS, "the name table must stay half empty");

static dlsym_function libc_dlsym;
static dlvsym_function libc_dlvsym;
static uint16_t name_table[NAME_SLOTS]; /* index + 1; 0 = empty */
static uint32_t names_ready, names_lock;

static void prepare(void) {
    int saved = errno;
    hcs_lock(&names_lock);
    if (!__atomic_load_n(&names_ready, __ATOMIC_ACQUIRE)) {
        libc_dlsym = (dlsym_function)search_libc("dlsym");
        libc_dlvsym = (dlvsym_function)search_libc("dlvsym");
        for (uint32_t i = 0; i < NAME_SLOTS; i++)
            name_table[i] = 0; /* a process that was forked meanwhile begins anew */
        for (uint32_t i = 0; i < HCS_INDEX_COUNT; i++) {
            uint32_t at = gnu_hash_of(symbols[i].name) % NAME_SLOTS;
            while (name_table[at] != 0)
                at = (at + 1) % NAME_SLOTS;
            name_table[at] = (uint16_t)(i + 1);
        }
        __atomic_store_n(&names_ready, 1, __ATOMIC_RELEASE);
    }
    hcs_unlock(&names_lock);
    errno = saved;
}

void hcs_names_after_fork(void) {
    if (!__atomic_load_n(&names_ready, __ATOMIC_ACQUIRE))
        names_lock = 0;
}

static inline void ensure_prepared(void) {
    if (!HCS_LIKELY(__atomic_load_n(&names_ready, __ATOMIC_ACQUIRE)))
        prepare();
}

static int index_of(const char *name) {
    uint32_t at = gnu_hash_of(name) % NAME_SLOTS;
    for (; name_table[at] != 0; at = (at + 1) % NAME_SLOTS)
        if (equal(symbols[name_table[at] - 1].name, name))
            return name_table[at] - 1;
    return -1;
}

/* A library whose functions we hold must not go away: a program may close its last handle, and a later call, by whatever way,
 * would jump into nothing. */
static void pin(const void *real) {
    static const void *pinned[16];
    static uint32_t count;
    Dl_info info;
    uint32_t known = __atomic_load_n(&count, __ATOMIC_ACQUIRE);
    if (!libc_dlsym || !dladdr(real, &info) || !info.dli_fname || !strchr(info.dli_fname, '/'))
        return;
    for (uint32_t i = 0; i < known && i < 16; i++)
        if (__atomic_load_n(&pinned[i], __ATOMIC_RELAXED) == info.dli_fbase)
            return;
    void *handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
    if (!handle)
        return;
    dlclose(handle); /* the reference is not what keeps it */
    uint32_t place = __atomic_fetch_add(&count, 1, __ATOMIC_ACQ_REL);
    if (place < 16)
        __atomic_store_n(&pinned[place], info.dli_fbase, __ATOMIC_RELAXED);
}

static void remember(int index, void *real) {
    void *none = NULL;
    pin(real);
    __atomic_compare_exchange_n(&hcs_reals[index], &none, real, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* --- real functions --------------------------------------------------------------------------------------------------- */

static void *not_ours(int index, void *found) { return found == symbols[index].hook ? NULL : found; }

/* The name as the object at `caller` and its dependencies define it: the only way to a library that was loaded with
 * RTLD_LOCAL as a dependency of the caller. */
static void *through_caller(int index, const void *caller) {
    Dl_info info;
    if (!caller || !dladdr(caller, &info) || !info.dli_fname || !strchr(info.dli_fname, '/'))
        return NULL;
    void *handle = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (!handle)
        return NULL;
    void *found = not_ours(index, libc_dlsym(handle, symbols[index].name));
    dlclose(handle); /* drops the reference that dlopen added */
    return found;
}

static void *find_for(int index, const void *caller) {
    ensure_prepared();
    if (!libc_dlsym)
        return search_loaded(symbols[index].name, NULL);
    void *found = not_ours(index, libc_dlsym(RTLD_NEXT, symbols[index].name));
    return found ? found : through_caller(index, caller);
}

void *hcs_real_slow(enum hcs_index index, const void *caller) {
    int saved = errno;
    void *found = find_for((int)index, caller);
    if (!found)
        found = search_loaded(symbols[index].name, NULL);
    if (found)
        remember((int)index, found);
    errno = saved;
    return __atomic_load_n(&hcs_reals[index], __ATOMIC_ACQUIRE);
}

void *hcs_query(enum hcs_index index, const void *near) {
    void *known = __atomic_load_n(&hcs_reals[index], __ATOMIC_ACQUIRE);
    if (HCS_LIKELY(known) || __atomic_load_n(&absent[index], __ATOMIC_RELAXED))
        return known;
    int saved = errno;
    void *found = near ? search_loaded(symbols[index].name, near) : NULL;
    if (found)
        remember((int)index, found);
    errno = saved;
    if (!found && !(found = hcs_real_slow(index, NULL)) && near)
        __atomic_store_n(&absent[index], 1, __ATOMIC_RELAXED);
    return found;
}

void *hcs_query_in(enum hcs_index index, const char *soname) {
    void *known = __atomic_load_n(&hcs_reals[index], __ATOMIC_ACQUIRE);
    if (HCS_LIKELY(known) || __atomic_load_n(&absent[index], __ATOMIC_RELAXED))
        return known;
    int saved = errno;
    ensure_prepared();
    void *handle = libc_dlsym ? dlopen(soname, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    void *found = handle ? not_ours((int)index, libc_dlsym(handle, symbols[index].name)) : NULL;
    if (handle)
        dlclose(handle);
    if (found)
        remember((int)index, found);
    errno = saved;
    if (!found && !(found = hcs_real_slow(index, NULL)) && handle)
        __atomic_store_n(&absent[index], 1, __ATOMIC_RELAXED);
    return found;
}

/* --- pointers that a driver's own look-up gave ---------------------------------------------------------------------------- */

/* The hook of `name` with `suffix`, if `found` is that function as the library that holds `found` exports it. */
static void *hook_if_same(const char *name, const char *suffix, void *found, int exact) {
    char full[128];
    size_t length = strlen(name), more = strlen(suffix);
    if (length + more >= sizeof full)
        return NULL;
    memcpy(full, name, length);
    memcpy(full + length, suffix, more + 1);
    int index = index_of(full);
    if (index < 0 || !symbols[index].hook)
        return NULL;
    if (found == symbols[index].hook)
        return found;
    void *exported = search_loaded(full, found);
    if (exact ? exported != found : exported == NULL)
        return NULL;
    if (!hcs_real_slow((enum hcs_index)index, NULL))
        remember(index, found);
    return symbols[index].hook;
}

static int is_exported(void *found) {
    Dl_info info;
    return dladdr(found, &info) && info.dli_sname && info.dli_saddr == found;
}

/* By pointer, so that a newer revision that we do not know is never answered with a hook of an older one. Only a function
 * that the library exports under no name at all is taken for the revision that its base name has. */
void *hcs_door(const char *name, void *found, int per_thread_stream) {
    static const char *const suffixes[] = {"", "_v2", "_v3", "_ptsz", "_v2_ptsz"};
    static const char *const per_thread[] = {"_ptsz", "_v2_ptsz", "", "_v2", "_v3"};
    const char *const *order = per_thread_stream ? per_thread : suffixes;
    if (!name || !found || hcs_mode() == HCS_MODE_OFF)
        return found;
    int saved = errno;
    void *hook = NULL;
    ensure_prepared();
    for (int i = 0; !hook && i < 5; i++)
        hook = hook_if_same(name, order[i], found, 1);
    if (!hook && !is_exported(found)) {
        static const char *const likely[] = {"_v2", ""};
        hook = per_thread_stream ? hook_if_same(name, "_ptsz", found, 0) : NULL;
        for (int i = 0; !hook && i < 2; i++)
            hook = hook_if_same(name, likely[i], found, 0);
    }
    errno = saved;
    return hook ? hook : found;
}

/* --- dlsym, dlvsym ----------------------------------------------------------------------------------------------------- */

/* Two words, returned in registers: a value to return, or where to jump with the caller's own arguments. */
struct answer {
    void *value;
    void *forward;
};

static void *answer_for(int index, void *handle, void *found, int versioned, const void *caller) {
    const struct symbol *s = &symbols[index];
    if (found == s->hook) {
        /* The search met our export first. It counts as found only where the vendor's own is there as well. */
        void *real = __atomic_load_n(&hcs_reals[index], __ATOMIC_ACQUIRE);
        if (!real && (real = find_for(index, caller)))
            remember(index, real);
        /* The failed search leaves the message that dlerror would have given without us. */
        return real ? s->hook : libc_dlsym(RTLD_NEXT, s->name);
    }
    if (handle == RTLD_DEFAULT && !versioned)
        return found; /* another preload library stands before us; its own way leads here */
    if (!s->hook) {
        remember(index, found);
        return found;
    }
    void *real = hcs_real_slow((enum hcs_index)index, NULL);
    if (!real) {
        remember(index, found);
        real = found;
    }
    /* A caller that holds the function we forward to is below us in the chain: giving it our hook would make a circle. */
    Dl_info theirs, ours;
    if (dladdr(caller, &theirs) && dladdr(real, &ours) && theirs.dli_fbase == ours.dli_fbase)
        return found;
    return s->hook;
}

__attribute__((used, visibility("hidden"))) struct answer hcs_dlsym(void *handle, const char *name, const void *caller) {
    ensure_prepared();
    int index = handle == RTLD_NEXT || !name || !libc_dlsym ? -1 : index_of(name);
    if (index < 0)
        return (struct answer){.forward = (void *)libc_dlsym};
    void *found = libc_dlsym(handle, name);
    return (struct answer){.value = found ? answer_for(index, handle, found, 0, caller) : NULL};
}

__attribute__((used, visibility("hidden"))) struct answer hcs_dlvsym(void *handle, const char *name, const char *version,
                                                                      const void *caller) {
    ensure_prepared();
    int index = handle == RTLD_NEXT || !name || !libc_dlvsym ? -1 : index_of(name);
    if (index < 0)
        return (struct answer){.forward = (void *)libc_dlvsym};
    void *found = libc_dlvsym(handle, name, version);
    return (struct answer){.value = found ? answer_for(index, handle, found, 1, caller) : NULL};
}

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl dlsym\n.type dlsym,@function\n"
        "dlsym:\n"
        "  .cfi_startproc\n"
        "  pushq %rdi\n  .cfi_adjust_cfa_offset 8\n"
        "  pushq %rsi\n  .cfi_adjust_cfa_offset 8\n"
        "  subq $8, %rsp\n  .cfi_adjust_cfa_offset 8\n"
        "  movq 24(%rsp), %rdx\n"
        "  call hcs_dlsym\n"
        "  addq $8, %rsp\n  .cfi_adjust_cfa_offset -8\n"
        "  popq %rsi\n  .cfi_adjust_cfa_offset -8\n"
        "  popq %rdi\n  .cfi_adjust_cfa_offset -8\n"
        "  testq %rdx, %rdx\n"
        "  jz 1f\n"
        "  jmp *%rdx\n"
        "1: ret\n"
        "  .cfi_endproc\n"
        ".size dlsym, .-dlsym\n"
        ".globl dlvsym\n.type dlvsym,@function\n"
        "dlvsym:\n"
        "  .cfi_startproc\n"
        "  pushq %rdi\n  .cfi_adjust_cfa_offset 8\n"
        "  pushq %rsi\n  .cfi_adjust_cfa_offset 8\n"
        "  pushq %rdx\n  .cfi_adjust_cfa_offset 8\n"
        "  movq 24(%rsp), %rcx\n"
        "  call hcs_dlvsym\n"
        "  movq %rdx, %r11\n"
        "  popq %rdx\n  .cfi_adjust_cfa_offset -8\n"
        "  popq %rsi\n  .cfi_adjust_cfa_offset -8\n"
        "  popq %rdi\n  .cfi_adjust_cfa_offset -8\n"
        "  testq %r11, %r11\n"
        "  jz 1f\n"
        "  jmp *%r11\n"
        "1: ret\n"
        "  .cfi_endproc\n"
        ".size dlvsym, .-dlvsym\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl dlsym\n.type dlsym,%function\n"
        "dlsym:\n"
        "  stp x29, x30, [sp, #-32]!\n"
        "  mov x29, sp\n"
        "  stp x0, x1, [sp, #16]\n"
        "  mov x2, x30\n"
        "  bl hcs_dlsym\n"
        "  mov x16, x1\n"
        "  cbz x16, 1f\n"
        "  ldp x0, x1, [sp, #16]\n"
        "  ldp x29, x30, [sp], #32\n"
        "  br x16\n"
        "1: ldp x29, x30, [sp], #32\n"
        "  ret\n"
        ".size dlsym, .-dlsym\n"
        ".globl dlvsym\n.type dlvsym,%function\n"
        "dlvsym:\n"
        "  stp x29, x30, [sp, #-48]!\n"
        "  mov x29, sp\n"
        "  stp x0, x1, [sp, #16]\n"
        "  str x2, [sp, #32]\n"
        "  mov x3, x30\n"
        "  bl hcs_dlvsym\n"
        "  mov x16, x1\n"
        "  cbz x16, 1f\n"
        "  ldp x0, x1, [sp, #16]\n"
        "  ldr x2, [sp, #32]\n"
        "  ldp x29, x30, [sp], #48\n"
        "  br x16\n"
        "1: ldp x29, x30, [sp], #48\n"
        "  ret\n"
        ".size dlvsym, .-dlvsym\n");
#endif
