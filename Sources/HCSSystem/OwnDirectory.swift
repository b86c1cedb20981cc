internal import Glibc

/// A directory for a program's own files: state, tokens, its socket.
package enum OwnDirectory {
    /// Makes `path` and what is missing above it, each with exactly `mode`. What is there is taken as it is, with one
    /// exception: in a directory where anybody may write (/tmp) anybody could have made it first, and would then hold
    /// our tokens and answer for us. There it must be ours or root's, and nobody else may write in it.
    package static func make(_ path: String, mode: UInt32 = 0o700) throws(SystemError) {
        var made = ""
        var isOpen = false
        for component in path.split(separator: "/") {
            made += "/\(component)"
            if mkdir(made, mode) == 0 {
                guard chmod(made, mode) == 0 else { throw .failed("set the mode of \(made)", errno: errno) }
                isOpen = false
                continue
            }
            guard errno == EEXIST else { throw .failed("make the directory \(made)", errno: errno) }
            if isOpen { try check(made) }
            var status = stat()
            guard stat(made, &status) == 0 else { throw .failed("look at \(made)", errno: errno) }
            guard status.st_mode & S_IFMT == S_IFDIR else { throw SystemError(.invalid, "\(made) is no directory") }
            isOpen = status.st_mode & S_IWOTH != 0
        }
    }

    /// The name itself, not where it leads: a symbolic link is its maker's too.
    private static func check(_ path: String) throws(SystemError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw .failed("look at \(path)", errno: errno) }
        let isLink = status.st_mode & S_IFMT == S_IFLNK
        let isClosed = isLink || status.st_mode & 0o022 == 0 || status.st_mode & S_ISVTX != 0
        guard status.st_uid == geteuid() || status.st_uid == 0, isClosed else {
            throw SystemError(
                .permission,
                "\(path) lies where anybody may write and is not ours alone (user \(status.st_uid), mode "
                    + "\(String(status.st_mode & 0o7777, radix: 8))): remove it or choose another directory")
        }
    }
}
