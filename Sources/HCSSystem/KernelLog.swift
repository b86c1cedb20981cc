internal import Glibc

/// The kernel's log device. Reading needs CAP_SYSLOG where kernel.dmesg_restrict is 1.
package struct KernelLog: ~Copyable, Sendable {
    package enum Start: Hashable, Sendable {
        /// Only records written from now on.
        case now
        /// All that the kernel still has.
        case beginning
        /// Those after this sequence number of the same boot: what happened while nobody looked.
        case after(UInt64)
    }

    /// What one pass found.
    package struct Batch: Sendable {
        package var records: [KernelLogRecord] = []
        /// Records that the kernel overwrote before they were read, as the sequence numbers tell.
        package var dropped: UInt64 = 0
        /// Reads that gave something that is no record.
        package var malformed: UInt64 = 0
        /// More may wait: the pass stopped at its limit.
        package var more = false
    }

    package static let devicePath = "/dev/kmsg"
    /// The kernel's CONSOLE_EXT_LOG_MAX is 8 KiB; a smaller buffer gives EINVAL.
    private static let recordBytes = 16 << 10

    private let file: Descriptor
    private let path: String
    private var last: UInt64?
    private let skipThrough: UInt64?

    package init(path: String = devicePath, start: Start = .now) throws(SystemError) {
        let file = try Descriptor.open(
            path, O_RDONLY | O_NONBLOCK, hint: "reading the kernel log needs root, or CAP_SYSLOG and read permission")
        if start == .now {
            // SEEK_END of the device: after the last record.
            guard lseek(file.number, 0, SEEK_END) >= 0 else { throw .failed("seek in \(path)", errno: errno) }
        }
        if case .after(let sequence) = start { skipThrough = sequence } else { skipThrough = nil }
        self.file = file
        self.path = path
    }

    /// For poll(2): readable when records wait.
    package var number: Int32 { file.number }

    /// Reads what waits, at most `limit` records, and never blocks.
    package mutating func readAvailable(limit: Int = 256) throws(SystemError) -> Batch {
        var batch = Batch()
        var buffer = [UInt8](repeating: 0, count: Self.recordBytes)
        var rounds = 0
        while true {
            guard rounds < limit else {
                batch.more = true
                return batch
            }
            rounds += 1
            let count = buffer.withUnsafeMutableBytes { raw in
                retrying { Glibc.read(file.number, raw.baseAddress, raw.count) }
            }
            if count < 0 {
                switch errno {
                case EAGAIN: return batch
                // Overrun: the position moved to the oldest record there is. The gap shows in the sequence numbers.
                case EPIPE: continue
                case EINVAL:
                    batch.malformed += 1
                    return batch
                default: throw .failed("read \(path)", errno: errno)
                }
            }
            if count == 0 { return batch }
            guard let record = KernelLogRecord(parsing: buffer[..<count]), let sequence = record.sequence else {
                batch.malformed += 1
                continue
            }
            batch.dropped += Self.gap(after: last ?? skipThrough, to: sequence)
            last = sequence
            if let skipThrough, sequence <= skipThrough { continue }
            batch.records.append(record)
        }
    }

    /// Records missing between two sequence numbers; 0 where the numbers do not grow.
    static func gap(after last: UInt64?, to next: UInt64) -> UInt64 {
        guard let last, next > last else { return 0 }
        return next - last - 1
    }

    /// Writes a line as `<3>` (error); the kernel gives it facility 1, user. For tests and fault injection only.
    package static func write(_ line: String, path: String = devicePath) throws(SystemError) {
        let file = try Descriptor.open(path, O_WRONLY | O_NONBLOCK, hint: "writing to the kernel log needs root")
        // One write is one record, and a newline in it would not start another; keep it one line.
        let text = line.utf8.prefix(900).map { $0 < 0x20 ? UInt8(ascii: " ") : $0 }
        let bytes = Array("<3>".utf8) + text + [UInt8(ascii: "\n")]
        let count = bytes.withUnsafeBytes { raw in retrying { Glibc.write(file.number, raw.baseAddress, raw.count) } }
        guard count == bytes.count else { throw .failed("write to \(path)", errno: count < 0 ? errno : EIO) }
    }
}
