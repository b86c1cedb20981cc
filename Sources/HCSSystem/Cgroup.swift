internal import Glibc

/// A cgroup hierarchy that is mounted here.
package struct CgroupHierarchy: Hashable, Sendable {
    package enum Version: Int, Sendable { case v1 = 1, v2 = 2 }
    package var version: Version
    package var mountPoint: String
    /// v1: the controllers or the `name=` of the mount; v2: those in cgroup.controllers, often none beside v1.
    package var controllers: [String]
    /// This process may make a cgroup below its own (or below the mount point).
    package var writable: Bool
}

/// What `hcs doctor` says about cgroups.
package struct CgroupReport: Hashable, Sendable {
    package var hierarchies: [CgroupHierarchy]

    /// Reads /proc/self/mountinfo. Empty where cgroups are not mounted.
    package static func read(root: HostRoot = .real) -> CgroupReport {
        let text = (try? SmallFile.text(root.path("/proc/self/mountinfo"), limit: 4 << 20)) ?? ""
        var report = CgroupReport(hierarchies: parse(text))
        for index in report.hierarchies.indices {
            let mountPoint = root.path(report.hierarchies[index].mountPoint)
            if report.hierarchies[index].version == .v2,
                let list = try? SmallFile.text("\(mountPoint)/cgroup.controllers")
            {
                report.hierarchies[index].controllers = list.split(whereSeparator: \.isWhitespace).map(String.init)
            }
            report.hierarchies[index].writable = access(mountPoint, W_OK) == 0
        }
        return report
    }

    /// Lines of proc_pid_mountinfo(5): optional fields end at " - ". Two mounts of one place count once.
    static func parse(_ text: String) -> [CgroupHierarchy] {
        var found: [CgroupHierarchy] = []
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ", omittingEmptySubsequences: false)
            guard fields.count >= 10, let dash = fields[6...].firstIndex(of: "-"), fields.count > dash + 3 else {
                continue
            }
            let version: CgroupHierarchy.Version
            switch fields[dash + 1] {
            case "cgroup": version = .v1
            case "cgroup2": version = .v2
            default: continue
            }
            let mountPoint = unescape(fields[4])
            guard !found.contains(where: { $0.mountPoint == mountPoint }) else { continue }
            let options = fields[dash + 3].split(separator: ",").map(String.init)
            let controllers = version == .v1 ? options.filter { !genericOptions.contains($0) } : []
            found.append(
                CgroupHierarchy(version: version, mountPoint: mountPoint, controllers: controllers, writable: false))
        }
        return found
    }

    private static let genericOptions: Set<String> = [
        "rw", "ro", "xattr", "nsdelegate", "memory_recursiveprot", "noprefix", "clone_children",
    ]

    /// Blanks, tabs, newlines and backslashes stand as \ooo.
    static func unescape(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
