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

    /// KiB in memory of the mapping that starts at `address`, from /proc/self/smaps.
    private func resident(_ address: UnsafeMutableRawPointer) throws -> Int? {
        var isMeant = false
        for line in try SmallFile.text("/proc/self/smaps", limit: 16 << 20).split(separator: "\n") {
            if let mapping = MemoryMapping(parsing: line) {
                isMeant = mapping.start == UInt(bitPattern: address)
            } else if isMeant, line.hasPrefix("Rss:") {
                return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }
            }
        }
        return nil
    }

    @Test func `a file's code goes out of memory and comes back; a page that was changed stays as it is`() throws {
        let page = sysconf(Int32(_SC_PAGESIZE))
        let directory = try TemporaryDirectory()
        let path = try directory.write(String(repeating: "a", count: 64 * page), to: "code")
        let file = open(path, O_RDONLY)
        defer { close(file) }
        let code = try #require(mmap(nil, 64 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0))
        try #require(code != MAP_FAILED)
        defer { munmap(code, 64 * page) }
        code.storeBytes(of: UInt8(ascii: "b"), toByteOffset: 5 * page, as: UInt8.self)
        // One mapping again once it is code.
        mprotect(code, 64 * page, PROT_READ | PROT_EXEC)
        for i in 0..<64 { #expect(code.load(fromByteOffset: i * page + 1, as: UInt8.self) == UInt8(ascii: "a")) }
        let before = try resident(code)
        #expect(before == 64 * page >> 10)
        #expect(ThisProcess.unmapIdleCode() >= 63 * page)
        let after = try resident(code)
        #expect(after == page >> 10)
        #expect(code.load(fromByteOffset: 5 * page, as: UInt8.self) == UInt8(ascii: "b"))
        #expect(code.load(fromByteOffset: 6 * page, as: UInt8.self) == UInt8(ascii: "a"))
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
