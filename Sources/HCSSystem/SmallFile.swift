internal import Glibc

/// Files that are read whole: those of /proc and /sys, configuration, state.
package enum SmallFile {
    /// Enough for any file of /proc and /sys that HCS reads.
    package static let defaultLimit = 1 << 20

    /// All bytes of the file. A FIFO at the path does not block; more than `limit` bytes is an error.
    package static func read(_ path: String, limit: Int = defaultLimit) throws(SystemError) -> [UInt8] {
        let file = try Descriptor.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
        return try file.readAll(of: path, limit: limit)
    }

    /// As text; bytes that are no UTF-8 become U+FFFD.
    package static func text(_ path: String, limit: Int = defaultLimit) throws(SystemError) -> String {
        String(decoding: try read(path, limit: limit), as: UTF8.self)
    }

    /// The names in a directory without `.` and `..`, sorted, at most `limit` of them.
    package static func names(in directory: String, limit: Int = 1 << 16) throws(SystemError) -> [String] {
        guard let handle = opendir(directory) else { throw .failed("list \(directory)", errno: errno) }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            // d_name imports as a tuple; the offset leads to the C string in the entry.
            guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else { break }
            let name = String(cString: UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: CChar.self))
            if name == "." || name == ".." { continue }
            guard names.count < limit else {
                throw SystemError(.tooLarge, "could not list \(directory): it has more than \(limit) entries")
            }
            names.append(name)
        }
        return names.sorted()
    }

    /// The group that a file, or what a link leads to, belongs to; nil where it cannot be looked at.
    package static func group(of path: String) -> UInt32? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_gid : nil
    }

    /// Where a symbolic link points, as written.
    package static func link(_ path: String) throws(SystemError) -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { raw in
            raw.baseAddress.map { readlink(path, $0.assumingMemoryBound(to: CChar.self), raw.count) } ?? -1
        }
        guard count >= 0 else { throw .failed("read the link \(path)", errno: errno) }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }
}
