import Foundation
import HCSSystem

/// Where the daemons of this host keep what the command line may read (conventions, "Ports, paths, auth").
struct LocalPaths {
    var environment: [String: String]
    var uid: UInt32

    static var current: LocalPaths {
        LocalPaths(environment: ProcessInfo.processInfo.environment, uid: geteuid())
    }

    /// A file in the state directory of this host's scheduler.
    func schedulerFile(_ name: String) -> String {
        "\(StandardDirectories.state(of: "hcs-scheduler", environment: environment, uid: uid))/\(name)"
    }

    /// Socket of the agent on this host. An ordinary user talks to an agent of their own, else to root's.
    var agentSocket: String {
        let own = "\(StandardDirectories.runtime(environment: environment, uid: uid))/agent.sock"
        let system = "\(StandardDirectories.runtime(environment: [:], uid: 0))/agent.sock"
        let manager = FileManager.default
        return !manager.fileExists(atPath: own) && manager.fileExists(atPath: system) ? system : own
    }

    /// As `read`; an empty file is as good as none.
    func content(_ path: String) -> String? {
        read(path).flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The text of a small file without surrounding blanks; nil (and errno) when it cannot be read.
    func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = Foundation.read(descriptor, &buffer, buffer.count)
        guard count >= 0 else { return nil }
        return String(decoding: buffer[..<count], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
