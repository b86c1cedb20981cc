import Glibc
import HCSSystem

/// One agent for each state and runtime directory. The kernel gives the lock back when the agent ends, however it ends.
package struct AgentLock: ~Copyable {
    private let file: Descriptor

    /// Takes the lock at `path`, or throws `unavailable` naming who holds it.
    package init(path: String) throws(AgentError) {
        let opened = try Self.open(path)
        guard flock(opened.number, LOCK_EX | LOCK_NB) == 0 else {
            let holder = (try? SmallFile.text(path, limit: 64)).map { $0.filter(\.isNumber) } ?? ""
            throw AgentError(
                .unavailable,
                "another hcs-agent\(holder.isEmpty ? "" : " (process \(holder))") holds \(path): one agent per host; "
                    + "stop it, or give this one its own --state-dir and --runtime-dir")
        }
        _ = ftruncate(opened.number, 0)
        try? opened.writeAll(Array("\(getpid())\n".utf8), to: path)
        file = opened
    }

    private static func open(_ path: String) throws(AgentError) -> Descriptor {
        do { return try Descriptor.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600) } catch {
            throw AgentError(error.code == .permission ? .permission : .io, error.message)
        }
    }
}
