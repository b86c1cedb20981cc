internal import CHCSSystem
internal import Glibc

/// Tells that something in a directory changed (inotify); not what.
package struct DirectoryWatch: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// The directory must exist.
    package init(_ directory: String) throws(SystemError) {
        let number = hcs_watch_directory(directory)
        guard number >= 0 else { throw .failed("watch \(directory)", errno: -number) }
        descriptor = Descriptor(owning: number)
    }

    /// For poll(2): readable after a change.
    package var number: Int32 { descriptor.number }

    /// Forgets the changes so far.
    package func drain() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while buffer.withUnsafeMutableBytes({ raw in retrying { read(descriptor.number, raw.baseAddress, raw.count) } })
            > 0
        {}
    }
}
