internal import Glibc

/// A file that is replaced whole: a reader, or the next start after a power cut, sees the old or the new, never a half.
package enum AtomicFile {
    /// Writes beside the target, syncs, renames over it, syncs the directory. `mode` is set exactly, whatever the umask.
    package static func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o600) throws(SystemError) {
        let slash = path.lastIndex(of: "/")
        let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        var generator = SystemRandomNumberGenerator()
        let temporary = "\(path).tmp-\(String(generator.next(), radix: 16))"
        do throws(SystemError) {
            try writeNew(bytes, to: temporary, mode: mode)
            guard rename(temporary, path) == 0 else {
                throw SystemError.failed("rename \(temporary) to \(path)", errno: errno)
            }
        } catch {
            unlink(temporary)
            throw error
        }
        let handle = try Descriptor.open(directory, O_RDONLY | O_DIRECTORY)
        // Some file systems cannot sync a directory and say EINVAL: the rename itself has happened.
        guard fsync(handle.number) == 0 || errno == EINVAL else { throw .failed("sync \(directory)", errno: errno) }
    }

    package static func write(_ text: String, to path: String, mode: UInt32 = 0o600) throws(SystemError) {
        try write(Array(text.utf8), to: path, mode: mode)
    }

    private static func writeNew(_ bytes: [UInt8], to path: String, mode: UInt32) throws(SystemError) {
        let file = try Descriptor.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
        guard fchmod(file.number, mode) == 0 else { throw .failed("set the mode of \(path)", errno: errno) }
        try file.writeAll(bytes, to: path)
        guard fsync(file.number) == 0 else { throw .failed("sync \(path)", errno: errno) }
    }
}
