import Foundation
import Glibc
import HCSModel
package import HCSSystem
import Synchronization

/// Starts each attempt below its own `hcs-shim`, which has its own session, pumps the output into bounded files and writes
/// how the program ended. The shim's files in the attempt's directory are all that is needed to find it again.
package struct ShimLauncher: Launcher {
    /// stdout and stderr are rotated once at this size (conventions, "Users and commands").
    package static let logLimit = 16 << 20

    private let shim: String
    private let logLimit: Int
    private let procfs: Procfs
    /// Shims that this agent started: its children, reaped when they end.
    private let children = Children()

    package init(shim: String, logLimit: Int = ShimLauncher.logLimit, procfs: Procfs = Procfs()) {
        self.shim = shim
        self.logLimit = logLimit
        self.procfs = procfs
    }

    package func start(_ launch: WorkloadLaunch) throws(AgentError) {
        var environment: [UInt8] = []
        for (name, value) in launch.environment.sorted(by: { $0.key < $1.key }) {
            environment += Array("\(name)=\(value)".utf8) + [0]
        }
        do {
            try AtomicFile.write(environment, to: "\(launch.directory)/env")
            var arguments = [
                "--dir", launch.directory, "--log-limit", String(logLimit), "--cwd", launch.workingDirectory,
            ]
            if let user = launch.user {
                let groups = user.groups.prefix(256).map { String($0) }.joined(separator: ",")
                arguments += ["--uid", String(user.uid), "--gid", String(user.gid)]
                if !groups.isEmpty { arguments += ["--groups", groups] }
            }
            let child = try ProcessSpawner(path: shim, arguments: arguments + ["--"] + launch.command).spawn()
            children.add(child, launch.directory)
        } catch {
            throw AgentError(
                error.code == .permission ? .permission : .io, "the workload's shim does not start: \(error)")
        }
    }

    package func state(of directory: String) -> LaunchState {
        do { return try read(directory) } catch { return .unknown }
    }

    private func read(_ directory: String) throws(SystemError) -> LaunchState {
        // The order matters: the shim writes `exit` before it ends, so a shim found dead has written all it ever will.
        let shim = try Self.identity(directory, "shim")
        let shimLives = lives(shim) || children.contains(directory)
        if let exit = try Self.exit(of: directory) { return .ended(exit.status, atMilliseconds: exit.at) }
        let child = try Self.identity(directory, "child")
        if let child, lives(child) { return .running(pid: child.pid) }
        if shimLives { return child == nil ? .starting : .finishing }
        if let exit = try Self.exit(of: directory) { return .ended(exit.status, atMilliseconds: exit.at) }
        return Self.hasShimFile(directory) ? .lost : .absent
    }

    package func reap() { children.reap() }

    /// A shim writes its file before it reads the environment: one that has not written it yet finds no environment and ends.
    package func revoke(directory: String) -> Bool {
        guard unlink("\(directory)/env") == 0 || errno == ENOENT else { return false }
        return !Self.hasShimFile(directory)
    }

    package func signal(_ number: Int32, directory: String) throws(AgentError) {
        guard let child = try? Self.identity(directory, "child") else {
            // Not started yet: its shim would only forward SIGTERM, and there is nobody to forward it to.
            return
        }
        // Checked right before each signal: a pid that was reused belongs to a stranger. While the shim lives it keeps the
        // ended child as a zombie, so the number of its group cannot be reused either.
        guard procfs.isAlive(pid: child.pid, startTime: child.startTime) else { return }
        guard kill(-child.pid, number) == 0 || errno == ESRCH else {
            throw AgentError(.io, "could not signal process group \(child.pid): \(SystemError.text(of: errno))")
        }
        guard number == SIGKILL else { return }
        // Descendants that left the group are the shim's to end; without a shim they are ours.
        guard !lives(try? Self.identity(directory, "shim")) else { return }
        for pid in (try? procfs.pids()) ?? [] where contains(pid, directory: directory) {
            guard let stat = try? procfs.stat(of: pid),
                let process = try? ProcessHandle.open(pid: pid, startTime: stat.startTime)
            else { continue }
            try? process.signal(SIGKILL)
        }
    }

    package func contains(_ pid: Int32, directory: String) -> Bool {
        guard let leader = groupLeader(of: directory) else { return false }
        return getpgid(pid) == leader || getsid(pid) == leader
    }

    /// The number of the attempt's process group and session; nil once it may have passed to a stranger.
    private func groupLeader(of directory: String) -> Int32? {
        guard let child = try? Self.identity(directory, "child") else { return nil }
        // No process of that pid: then the number is free, or still the name of what is left of our group.
        guard let stat = try? procfs.stat(of: child.pid) else { return child.pid }
        return stat.startTime == child.startTime ? child.pid : nil
    }

    // MARK: The shim's files

    private struct Identity {
        var pid: Int32
        var startTime: UInt64
    }

    private static func hasShimFile(_ directory: String) -> Bool { access("\(directory)/shim", F_OK) == 0 }

    private func lives(_ identity: Identity?) -> Bool {
        guard let identity else { return false }
        return procfs.isAlive(pid: identity.pid, startTime: identity.startTime)
    }

    /// nil when there is no such file.
    private static func content(_ path: String, limit: Int) throws(SystemError) -> [UInt8]? {
        do { return try SmallFile.read(path, limit: limit) } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    /// `pid starttime`; nil when the file is not there or not of that form. A start time of 0 (not readable when written)
    /// names nobody for sure.
    private static func identity(_ directory: String, _ name: String) throws(SystemError) -> Identity? {
        guard let bytes = try content("\(directory)/\(name)", limit: 256) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard words.count == 2, let pid = Int32(words[0]), pid > 1, let start = UInt64(words[1]), start > 0 else {
            return nil
        }
        return Identity(pid: pid, startTime: start)
    }

    private struct ExitLine: Decodable {
        var code: Int32?
        var signal: Int32?
        var error: String?
        var at: Int64?
    }

    private static func exit(of directory: String) throws(SystemError) -> (status: ExitStatus, at: Int64?)? {
        guard let bytes = try content("\(directory)/exit", limit: 64 << 10) else { return nil }
        guard let line = try? JSONDecoder().decode(ExitLine.self, from: Data(bytes)) else {
            return (ExitStatus(error: "the shim's record of its end is damaged"), nil)
        }
        return (ExitStatus(code: line.code, signal: line.signal, error: line.error), line.at)
    }

    /// Children to reap. A shim's file may be some milliseconds late; until then the child itself says that it lives.
    private final class Children: Sendable {
        private let all = Mutex<[String: ChildProcess]>([:])

        func add(_ child: ChildProcess, _ directory: String) { all.withLock { $0[directory] = child } }

        func reap() { all.withLock { all in all = all.filter { !Self.hasEnded($0.value) } } }

        func contains(_ directory: String) -> Bool {
            all.withLock { all in
                guard let child = all[directory] else { return false }
                if Self.hasEnded(child) { all[directory] = nil }
                return all[directory] != nil
            }
        }

        private static func hasEnded(_ child: ChildProcess) -> Bool { ((try? child.poll()) ?? nil) != nil }
    }
}
