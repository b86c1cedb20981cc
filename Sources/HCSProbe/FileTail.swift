internal import Glibc
internal import HCSSystem

/// Reads the whole lines that were added to a file.
struct FileTail {
    /// A longer line is cut here: the kernel's own limit is about 1 KiB.
    static let lineLimit = 8192
    /// Bytes read in one pass at most.
    static let passLimit = 1 << 20

    let path: String
    private var offset: Int64 = 0
    private var inode: UInt64 = 0
    private var partial: [UInt8] = []

    init(path: String) { self.path = path }

    mutating func skipToEnd() {
        var status = stat()
        guard stat(path, &status) == 0 else { return }
        offset = Int64(status.st_size)
        inode = UInt64(status.st_ino)
    }

    /// Lines since the last call, without their newline; empty when there is nothing, or no file.
    mutating func readLines() -> [String] {
        guard let file = try? Descriptor.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY) else { return [] }
        var status = stat()
        guard fstat(file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return [] }
        if inode != UInt64(status.st_ino) || Int64(status.st_size) < offset {
            // Another file, or the same cut: from its beginning.
            inode = UInt64(status.st_ino)
            offset = 0
            partial = []
        }
        var lines: [String] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        var done = 0
        while done < Self.passLimit {
            let count = buffer.withUnsafeMutableBytes { raw in
                retrying { pread(file.number, raw.baseAddress, raw.count, off_t(offset)) }
            }
            guard count > 0 else { break }
            offset += Int64(count)
            done += count
            for byte in buffer[..<count] { append(byte, to: &lines) }
        }
        return lines
    }

    private mutating func append(_ byte: UInt8, to lines: inout [String]) {
        guard byte == UInt8(ascii: "\n") else {
            if partial.count < Self.lineLimit { partial.append(byte) }
            return
        }
        if !partial.isEmpty { lines.append(String(decoding: partial, as: UTF8.self)) }
        partial = []
    }
}
