internal import Glibc

/// What some paths looked like at one moment, by stat(2): another trace of the same paths that differs tells that files
/// came, went or were replaced there. A file that is written over in place leaves its directory's trace as it is.
package struct DirectoryTrace: Equatable, Sendable {
    private struct Entry: Equatable {
        var device: UInt
        var inode: UInt
        var changedSeconds: Int
        var changedNanoseconds: Int
    }

    /// nil for a path that is not there.
    private let entries: [Entry?]

    package init(of paths: [String]) {
        entries = paths.map { path in
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            return Entry(
                device: UInt(status.st_dev), inode: UInt(status.st_ino), changedSeconds: status.st_ctim.tv_sec,
                changedNanoseconds: status.st_ctim.tv_nsec)
        }
    }
}
