internal import Glibc

/// Names of the running system.
package enum Kernel {
    /// uname(2): release and machine, such as `6.1.0-30-amd64` and `x86_64`.
    package static func identity() -> (release: String, machine: String, node: String) {
        var name = utsname()
        let result = uname(&name)
        precondition(result == 0, "uname can only fail for a bad pointer")
        return (string(of: name.release), string(of: name.machine), string(of: name.nodename))
    }

    /// A C string in a fixed array, which imports as a tuple.
    private static func string<Tuple>(of tuple: Tuple) -> String {
        withUnsafeBytes(of: tuple) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// Identity of this boot: sequence numbers of the kernel log and start times of processes mean something within it only.
package enum BootID {
    /// A UUID in lower case; nil where /proc does not tell.
    package static func read(root: HostRoot = .real) -> String? {
        guard let text = try? SmallFile.text(root.path("/proc/sys/kernel/random/boot_id"), limit: 4096) else {
            return nil
        }
        let id = Substring(text).trimmed
        return id.utf8.count == 36 ? String(id) : nil
    }
}

/// The host's own name.
package enum Hostname {
    package static func current() -> String {
        let node = Kernel.identity().node
        return node.isEmpty ? "localhost" : node
    }
}
