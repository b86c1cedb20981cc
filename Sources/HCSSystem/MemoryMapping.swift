internal import Glibc

/// A line of /proc/self/maps (proc_pid_maps(5)).
package struct MemoryMapping: Hashable, Sendable {
    package var start: UInt
    package var end: UInt
    /// Such as `r-xp`.
    package var permissions: String
    /// Absolute, may have blanks; nil where no file is mapped.
    package var path: String?

    /// `7f00-7f10 r-xp 00000000 08:01 42    /a path`; nil for anything else.
    package init?(parsing line: some StringProtocol) {
        let fields = line.split(separator: " ", maxSplits: 2)
        guard fields.count == 3 else { return nil }
        let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
        guard ends.count == 2, ends[0] < ends[1], fields[1].utf8.count == 4 else { return nil }
        (start, end, permissions) = (ends[0], ends[1], String(fields[1]))
        path = line.firstIndex(of: "/").map { String(line[$0...]) }
    }

    /// Those of this process, ascending.
    package static func own() throws(SystemError) -> [MemoryMapping] {
        let path = "/proc/self/maps"
        let bytes = try Descriptor.open(path, O_RDONLY).readAll(of: path, limit: 4 << 20)
        return bytes.split(separator: UInt8(ascii: "\n")).compactMap {
            MemoryMapping(parsing: String(decoding: $0, as: UTF8.self))
        }
    }
}

extension ThisProcess {
    /// Takes code and constants out of this process's memory: what runs again comes back from the page cache, 64 KiB
    /// at a touch, and what only the start needed stays away. Pages that are not the file's own are left alone (a
    /// debugger's or a uprobe's break points). The code of other threads may run meanwhile.
    /// - Returns: bytes that were let go, 0 where /proc does not tell.
    @discardableResult
    package static func unmapIdleCode() -> Int {
        let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
        guard let mappings = try? MemoryMapping.own(), page > 0,
            let pages = try? Descriptor.open("/proc/self/pagemap", O_RDONLY)
        else { return 0 }
        return mappings.filter { ["r-xp", "r--p"].contains($0.permissions) && $0.path != nil }.reduce(0) {
            $0 + unmapUnchanged($1, pages: pages, of: page)
        }
    }

    private static func unmapUnchanged(_ mapping: MemoryMapping, pages: borrowing Descriptor, of page: UInt) -> Int {
        var entries = [UInt64](repeating: 0, count: 512)
        var freed = 0
        var at = mapping.start
        while at < mapping.end {
            let wanted = min(entries.count, Int((mapping.end - at) / page))
            let count = entries.withUnsafeMutableBytes {
                pread(pages.number, $0.baseAddress, 8 * wanted, off_t(at / page * 8))
            }
            guard count == 8 * wanted, wanted > 0 else { return freed }
            var run = 0
            for i in 0...wanted {
                // Bit 63: present; 61: a page of the file, not a private copy (the kernel's admin-guide/mm/pagemap).
                if i < wanted, entries[i] >> 61 & 0b101 == 0b101 {
                    run += 1
                    continue
                }
                let first = at + UInt(i - run) * page
                if run > 0, madvise(UnsafeMutableRawPointer(bitPattern: first), run * Int(page), MADV_DONTNEED) == 0 {
                    freed += run * Int(page)
                }
                run = 0
            }
            at += UInt(wanted) * page
        }
        return freed
    }
}
