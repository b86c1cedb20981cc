internal import Glibc
package import HCSModel

/// What is mounted, as /proc/self/mountinfo tells (proc_pid_mountinfo(5)).
package struct MountTable: Sendable {
    package let root: HostRoot

    package init(root: HostRoot = .real) { self.root = root }

    struct Mount: Hashable {
        /// `259:3`.
        var number: String
        var mountPoint: String
        var fileSystem: String
        var source: String
    }

    /// The file system that holds the path, or that would when the path is made. nil for a path that is not absolute, and
    /// where the mount table does not tell.
    package func disk(of path: String) -> HostFacts.Disk? {
        guard path.hasPrefix("/"), let existing = nearestExisting(path) else { return nil }
        let text = (try? SmallFile.text(root.path("/proc/self/mountinfo"), limit: 4 << 20)) ?? ""
        guard let mount = Self.mount(of: existing, in: Self.parse(text)) else { return nil }
        var disk = HostFacts.Disk(
            path: path, mountPoint: mount.mountPoint, fileSystem: mount.fileSystem, source: mount.source)
        disk.device = device(of: mount)
        disk.rotational = disk.device.flatMap { isRotational($0) }
        var status = statvfs()
        if statvfs(root.path(existing), &status) == 0 {
            disk.size = Self.bytes(UInt64(status.f_blocks), UInt64(status.f_frsize))
            disk.free = Self.bytes(UInt64(status.f_bavail), UInt64(status.f_frsize))
        }
        return disk
    }

    static func parse(_ text: String) -> [Mount] {
        text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", omittingEmptySubsequences: false)
            guard fields.count >= 10, let dash = fields[6...].firstIndex(of: "-"), fields.count > dash + 2 else {
                return nil
            }
            return Mount(
                number: String(fields[2]), mountPoint: printable(CgroupReport.unescape(fields[4])),
                fileSystem: printable(String(fields[dash + 1])),
                source: printable(CgroupReport.unescape(fields[dash + 2]))
            )
        }
    }

    /// The innermost mount point above the path; of several mounts on one place the last hides the others.
    static func mount(of path: String, in mounts: [Mount]) -> Mount? {
        var best: Mount?
        for mount in mounts {
            let point = mount.mountPoint
            guard point == "/" || path == point || path.hasPrefix(point + "/") else { continue }
            if point.utf8.count >= best?.mountPoint.utf8.count ?? 0 { best = mount }
        }
        return best
    }

    /// The path without symbolic links, cut back to what exists. Below a recorded tree links are not followed.
    private func nearestExisting(_ path: String) -> String? {
        var parts = path.split(separator: "/")
        while true {
            let candidate = "/" + parts.joined(separator: "/")
            if let resolved = realpath(root.path(candidate), nil) {
                defer { free(resolved) }
                return root == .real ? String(cString: resolved) : candidate
            }
            if parts.popLast() == nil { return nil }
        }
    }

    /// By number; a file system of several devices (btrfs) has one of its own and tells its device as the source.
    private func device(of mount: Mount) -> String? {
        if let link = try? SmallFile.link(root.path("/sys/dev/block/\(mount.number)")),
            let name = link.split(separator: "/").last
        {
            return Self.printable(String(name))
        }
        guard mount.source.hasPrefix("/dev/"), let name = mount.source.split(separator: "/").last,
            (try? SmallFile.link(root.path("/sys/class/block/\(name)"))) != nil
        else { return nil }
        return String(name)
    }

    /// A partition has its disk's queue.
    private func isRotational(_ device: String) -> Bool? {
        let directory = root.path("/sys/class/block/\(device)")
        for file in ["queue/rotational", "../queue/rotational"] {
            switch (try? SmallFile.text("\(directory)/\(file)", limit: 4096)).map({ Substring($0).trimmed }) {
            case "0": return false
            case "1": return true
            default: continue
            }
        }
        return nil
    }

    private static func bytes(_ blocks: UInt64, _ size: UInt64) -> ByteCount? {
        let (bytes, overflow) = blocks.multipliedReportingOverflow(by: size)
        return overflow ? nil : ByteCount(bytes)
    }

    private static func printable(_ text: String) -> String {
        String(text.unicodeScalars.prefix(256).map { $0.value < 32 || $0.value == 127 ? "?" : Character($0) })
    }
}
