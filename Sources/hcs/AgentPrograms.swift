import Foundation

/// Runs the agent's own subcommands in place of this process: only the agent links the device and probe code.
enum AgentPrograms {
    /// Beside this executable first, so that a checkout or a private installation uses its own; then PATH.
    static func find(_ name: String, environment: [String: String] = ProcessInfo.processInfo.environment) -> String? {
        var directories: [String] = []
        if let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") {
            directories.append(URL(fileURLWithPath: own).deletingLastPathComponent().path)
        }
        directories += (environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":").map(String.init)
        return directories.lazy.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    static func exec(_ arguments: [String]) throws -> Never {
        let name = "hcs-agent"
        guard let program = find(name) else {
            throw CommandFailure(
                .unavailable,
                "'hcs \(arguments.first ?? "")' is done by \(name), which is neither beside hcs nor in PATH: install the agent"
            )
        }
        var argv: [UnsafeMutablePointer<CChar>?] = ([name] + arguments).map { strdup($0) }
        argv.append(nil)
        execv(program, argv)
        let why = String(cString: strerror(errno))
        argv.forEach { free($0) }
        throw CommandFailure(.unavailable, "cannot run \(program): \(why)")
    }
}
