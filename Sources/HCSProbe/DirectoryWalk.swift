internal import Glibc

/// A bounded walk over a tree of directories that somebody else fills, such as a cgroup hierarchy.
enum DirectoryWalk {
    /// `top` and the directories below it, at most `limit` of them and `depth` levels; symbolic links are not followed.
    static func directories(below top: String, limit: Int, depth: Int = 16) -> [String] {
        var found: [String] = []
        var waiting = [(path: top, depth: 0)]
        while let next = waiting.popLast(), found.count < limit {
            found.append(next.path)
            guard next.depth < depth else { continue }
            for name in children(of: next.path, limit: limit) where waiting.count < limit {
                waiting.append(("\(next.path)/\(name)", next.depth + 1))
            }
        }
        return found
    }

    /// Names in a directory, at most `limit` of them, in no order; none where it cannot be read.
    static func names(in directory: String, limit: Int) -> [String] {
        entries(of: directory, limit: limit) { _ in true }
    }

    /// It is there and a permission is missing.
    static func isHidden(_ directory: String) -> Bool {
        access(directory, R_OK | X_OK) != 0 && (errno == EACCES || errno == EPERM)
    }

    private static func children(of directory: String, limit: Int) -> [String] {
        entries(of: directory, limit: limit) { $0 == Int32(DT_DIR) }
    }

    private static func entries(of directory: String, limit: Int, where isWanted: (Int32) -> Bool) -> [String] {
        guard let handle = opendir(directory) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while names.count < limit, let entry = readdir(handle) {
            guard isWanted(Int32(entry.pointee.d_type)), let offset = MemoryLayout<dirent>.offset(of: \.d_name)
            else { continue }
            let name = String(cString: UnsafeRawPointer(entry).advanced(by: offset).assumingMemoryBound(to: CChar.self))
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
