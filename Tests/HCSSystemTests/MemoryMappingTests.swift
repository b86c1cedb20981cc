import Glibc
import HCSSystem
import HCSTestSupport
import Testing

/// One after the other: each takes the code of the whole process away.
@Suite(.serialized) struct MemoryMappingTests {
    @Test func `a line of maps is read, and what is none is not`() {
        let plain = MemoryMapping(parsing: "7f00-8f00 r-xp 00000000 08:01 42                 /a/path with blanks")
        #expect(plain?.start == 0x7f00 && plain?.end == 0x8f00 && plain?.permissions == "r-xp")
        #expect(plain?.path == "/a/path with blanks")
        #expect(MemoryMapping(parsing: "7f00-8f00 rw-p 00000000 00:00 0 ")?.path == nil)
        #expect(MemoryMapping(parsing: "7f00-8f00 r-xp 00000000 00:00 0    [vdso]")?.path == nil)
        for line in ["", "7f00 r-xp 0", "8f00-7f00 r-xp 0 0 0", "x-y r-xp 0 0 0", "7f00-8f00 rx 0 0 0"] {
            #expect(MemoryMapping(parsing: line) == nil)
        }
    }

    /// KiB of a range, from /proc/self/smaps: in memory, and of these changed.
    private func figures(_ range: Range<UInt>) throws -> (resident: Int, changed: Int) {
        var figures = (resident: 0, changed: 0)
        var isMeant = false
        for line in try SmallFile.text("/proc/self/smaps", limit: 16 << 20).split(separator: "\n") {
            if let mapping = MemoryMapping(parsing: line) {
                isMeant = range.contains(mapping.start)
            } else if isMeant, let figure = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) {
                if line.hasPrefix("Rss:") { figures.resident += figure }
                if line.hasPrefix("Anonymous:") { figures.changed += figure }
            }
        }
        return figures
    }

    @Test func `a library's code goes out of memory and comes back; a page that was changed stays as it is`() throws {
        let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
        // A copy: the tests beside this one would call the C library's own back into memory at once.
        let original = try #require(MemoryMapping.own().compactMap(\.path).first { $0.contains("/libm.so") })
        let directory = try TemporaryDirectory()
        let copy = try directory.install(original, as: "libm-copy.so")
        let library = try #require(dlopen(copy, RTLD_NOW | RTLD_LOCAL))
        defer { dlclose(library) }
        let sine = unsafeBitCast(
            try #require(dlsym(library, "sin")), to: (@convention(c) (Double) -> Double).self)
        let code = try #require(MemoryMapping.own().first { $0.permissions == "r-xp" && $0.path == copy })
        let changed = code.end - page
        let pointer = try #require(UnsafeMutablePointer<UInt8>(bitPattern: changed))
        try #require(mprotect(pointer, Int(page), PROT_READ | PROT_WRITE | PROT_EXEC) == 0)
        let byte = pointer.pointee
        pointer.pointee = ~byte
        pointer.pointee = byte
        mprotect(pointer, Int(page), PROT_READ | PROT_EXEC)
        for at in stride(from: code.start, to: code.end, by: Int(page)) {
            _ = UnsafePointer<UInt8>(bitPattern: at)?.pointee
        }
        let before = try figures(code.start..<code.end)
        #expect(before.resident == Int(code.end - code.start) >> 10 && before.changed == Int(page) >> 10)
        #expect(ThisProcess.unmapIdleCode() >= Int(code.end - code.start - page))
        let after = try figures(code.start..<code.end)
        #expect(after.resident <= before.resident / 2 && after.changed == before.changed)
        #expect(pointer.pointee == byte && sine(0.5) > 0.479)
    }

    @Test func `code goes out of memory while other threads run it`() async {
        await withTaskGroup(of: Int.self) { group in
            for seed in 0..<4 {
                group.addTask { (0..<20_000).reduce(seed) { ($0 &* 31 &+ String($1).utf8.count) & 0xffff } }
            }
            group.addTask { (0..<20).reduce(0) { sum, _ in sum + (ThisProcess.unmapIdleCode() > 0 ? 1 : 0) } }
            for await _ in group {}
        }
    }
}
