internal import Glibc

/// An open file descriptor, closed once, when its owner goes.
package struct Descriptor: ~Copyable, Sendable {
    package let number: Int32

    /// Takes over an open descriptor: nobody else may close it.
    package init(owning number: Int32) { self.number = number }

    deinit { _ = close(number) }

    /// Gives the number away; the caller closes it.
    package consuming func release() -> Int32 {
        let number = self.number
        discard self
        return number
    }

    /// Opens a path; close-on-exec always.
    package static func open(
        _ path: String, _ flags: Int32, mode: UInt32 = 0, hint: String? = nil
    ) throws(SystemError) -> Descriptor {
        let number = retrying { Glibc.open(path, flags | O_CLOEXEC, mode) }
        guard number >= 0 else { throw .failed("open \(path)", errno: errno, hint: hint) }
        return Descriptor(owning: number)
    }

    func status(of path: String) throws(SystemError) -> stat {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw .failed("stat \(path)", errno: errno) }
        return status
    }

    /// Reads to the end of the file, at most `limit` bytes.
    package func readAll(of path: String, limit: Int) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: min(limit + 1, 16 << 10))
        while true {
            let count = chunk.withUnsafeMutableBytes { buffer in
                retrying { read(number, buffer.baseAddress, buffer.count) }
            }
            guard count >= 0 else { throw .failed("read \(path)", errno: errno) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= limit else {
                throw SystemError(.tooLarge, "could not read \(path): it has more than \(limit) bytes")
            }
        }
    }

    package func writeAll(_ bytes: [UInt8], to path: String) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                retrying { write(number, buffer.baseAddress.map { $0 + done }, bytes.count - done) }
            }
            guard count > 0 else { throw .failed("write \(path)", errno: count < 0 ? errno : EIO) }
            done += count
        }
    }
}

/// Repeats a system call that a signal interrupted.
package func retrying<Result: FixedWidthInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
