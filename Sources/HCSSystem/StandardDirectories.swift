import Glibc

/// Where configuration, state and runtime files lie when no flag says otherwise (conventions, "Ports, paths, auth"):
/// `HCS_CONFIG_DIR`, `HCS_STATE_DIR`, `HCS_RUNTIME_DIR`; else for root the system's places; else the XDG directories.
package enum StandardDirectories {
    /// `program` is `hcs-agent` or `hcs-scheduler`: each has its own state.
    package static func state(of program: String, environment: [String: String] = current(), uid: UInt32 = getuid())
        -> String
    {
        if let set = absolute(environment["HCS_STATE_DIR"]) { return set }
        if uid == 0 { return "/var/lib/\(program)" }
        return (absolute(environment["XDG_STATE_HOME"]) ?? home(environment, uid) + "/.local/state") + "/hcs/\(program)"
    }

    package static func configuration(environment: [String: String] = current(), uid: UInt32 = getuid()) -> String {
        if let set = absolute(environment["HCS_CONFIG_DIR"]) { return set }
        if uid == 0 { return "/etc/hcs" }
        return (absolute(environment["XDG_CONFIG_HOME"]) ?? home(environment, uid) + "/.config") + "/hcs"
    }

    package static func runtime(environment: [String: String] = current(), uid: UInt32 = getuid()) -> String {
        if let set = absolute(environment["HCS_RUNTIME_DIR"]) { return set }
        if uid == 0 { return "/run/hcs" }
        return (absolute(environment["XDG_RUNTIME_DIR"]) ?? "/tmp/hcs-\(uid)") + "/hcs"
    }

    /// The process environment; of a name that occurs twice the first counts, as for getenv.
    package static func current() -> [String: String] {
        var result: [String: String] = [:]
        var index = 0
        while let pointer = environ[index] {
            index += 1
            let text = String(cString: pointer)
            if let equals = text.firstIndex(of: "="), result[String(text[..<equals])] == nil {
                result[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
        }
        return result
    }

    /// The XDG specification: a relative path is to be ignored.
    private static func absolute(_ path: String?) -> String? {
        guard let path, path.hasPrefix("/") else { return nil }
        return path
    }

    private static func home(_ environment: [String: String], _ uid: UInt32) -> String {
        absolute(environment["HOME"]) ?? "/tmp/hcs-\(uid)"
    }
}
