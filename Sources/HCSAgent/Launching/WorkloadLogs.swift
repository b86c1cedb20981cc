import Foundation
import Glibc
import HCSSystem

/// The output files of an attempt: `NAME` and, after a rotation, the older `NAME.1`.
enum WorkloadLogs {
    /// Most that one answer carries.
    static let maximumTail = 4 << 20

    /// The last `tail` bytes of the output so far; empty when there is none. A rotation between the two reads may repeat or
    /// lose some bytes: it is a look at a moving thing.
    static func tail(directory: String, stream: String, bytes tail: Int) throws(AgentError) -> Data {
        let limit = min(max(0, tail), maximumTail)
        var newest = try end(of: "\(directory)/\(stream)", limit: limit)
        if newest.count < limit {
            newest = try end(of: "\(directory)/\(stream).1", limit: limit - newest.count) + newest
        }
        return newest
    }

    private static func end(of path: String, limit: Int) throws(AgentError) -> Data {
        do {
            let file = try Descriptor.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
            let size = max(0, Int(lseek(file.number, 0, SEEK_END)))
            var data = Data(count: min(size, limit))
            let start = size - data.count
            var done = 0
            while done < data.count {
                let count = data.withUnsafeMutableBytes { raw in
                    retrying {
                        pread(file.number, raw.baseAddress.map { $0 + done }, raw.count - done, off_t(start + done))
                    }
                }
                if count <= 0 { break }
                done += count
            }
            return data.prefix(done)
        } catch {
            if error.code == .notFound { return Data() }
            throw AgentError(.io, error.message)
        }
    }
}
