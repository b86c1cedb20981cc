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
