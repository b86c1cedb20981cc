import Foundation
import HCSModel
import HCSSystem
import NativeArtifacts
import Synchronization

/// Everything the demo puts on the machine: one directory, one segment directory, some processes. `close()` takes all of
/// it away again, from any thread, once.
final class Workbench: Sendable {
    /// Holds a random name: whatever process names it in its command line, environment or program is ours.
    let path: String
    let segments: String
    /// Directory of hcs, hcs-agent, hcs-scheduler, hcs-vendor-worker.
    let programs: String
    /// User of the workloads; nil = our own, because only root can become another.
    let workloadUser: String?

    private struct State {
        var children: [(name: String, process: ChildProcess)] = []
        var closed = false
        var leftovers: [String] = []
    }
    private let state = Mutex(State())
    private let ending = Atomic(false)

    /// Whether `close()` was called: what fails from then on is no news.
    var isEnding: Bool { ending.load(ordering: .acquiring) }

    init() throws {
        let parent = ProcessInfo.processInfo.environment["TMPDIR"].flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "/tmp"
        var template = Array("\(parent)/hcs-demo-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw DemoError("cannot make a directory in \(parent): \(String(cString: strerror(errno)))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        segments = "/dev/shm/" + URL(fileURLWithPath: path).lastPathComponent
        // Workloads run as another user and must get through.
        chmod(path, 0o755)
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        programs = URL(fileURLWithPath: own).deletingLastPathComponent().path
        workloadUser = geteuid() == 0 ? "nobody" : nil
        do { try copyNativeArtifacts() } catch {
            _ = close()
            throw error
        }
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }
    func client(_ runtime: String) -> String { file("clients/hcs-client-\(runtime)") }

    /// The checkout may lie where another user cannot read, so what workloads touch is copied.
    private func copyNativeArtifacts() throws {
        try copy(NativeArtifacts.interceptor, to: file("libhcs_interceptor.so"))
        try copy(NativeArtifacts.shim, to: file("hcs-shim"))
        for (directory, name) in [
            (NativeArtifacts.simulatedLibraries, "simulated"), (NativeArtifacts.clients, "clients"),
        ] {
            mkdir(file(name), 0o755)
            guard let entries = try? FileManager.default.contentsOfDirectory(atPath: directory) else {
                throw DemoError("there is no \(directory): build it with `make build`")
            }
            // Older and newer generations of a runtime lie in folders of their own; the demo uses today's.
            for entry in entries where !isDirectory("\(directory)/\(entry)") {
                try copy("\(directory)/\(entry)", to: file("\(name)/\(entry)"))
            }
        }
    }

    /// The contents only: an owner cannot be copied by whoever is not root.
    private func isDirectory(_ path: String) -> Bool {
        var result: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &result) && result.boolValue
    }

    private func copy(_ from: String, to path: String) throws {
        guard let data = FileManager.default.contents(atPath: from),
            FileManager.default.createFile(atPath: path, contents: data), chmod(path, 0o755) == 0
        else { throw DemoError("cannot copy \(from) to \(path): is it built (`make build`), is there room?") }
    }

    // MARK: Processes

    /// Starts a daemon whose output goes to `<name>.log`.
    func start(_ name: String, _ arguments: [String]) throws {
        let log = open(file("\(name).log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard log >= 0 else {
            throw DemoError("cannot write \(file("\(name).log")): \(String(cString: strerror(errno)))")
        }
        defer { Foundation.close(log) }
        try state.withLock { state in
            guard !state.closed else { throw DemoError("the demo is ending") }
            let spawner = ProcessSpawner(
                path: "\(programs)/\(name)", arguments: arguments, environment: Self.environment)
            state.children.append((name, try spawner.spawn(output: log, error: log)))
        }
    }

    /// Runs a program of ours to its end and gives what it wrote.
    func run(_ name: String, _ arguments: [String], environment: [String: String] = [:]) throws -> (
        code: Int32, output: String
    ) {
        let scratch = file("output.\(UInt32.random(in: 0 ... .max))")
        let output = open(scratch, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard output >= 0 else { throw DemoError("cannot write \(scratch): \(String(cString: strerror(errno)))") }
        defer {
            Foundation.close(output)
            unlink(scratch)
        }
        let spawner = ProcessSpawner(
            path: "\(programs)/\(name)", arguments: arguments, environment: Self.environment.merging(environment) { $1 }
        )
        let child = try state.withLock { state in
            guard !state.closed else { throw DemoError("the demo is ending") }
            return try spawner.spawn(output: output, error: output)
        }
        guard let status = try child.wait(milliseconds: 15_000) else {
            try? child.signal(SIGKILL)
            _ = try? child.wait(milliseconds: 1000)
            throw DemoError("\(name) \(arguments.joined(separator: " ")) did not end within 15 s")
        }
        let text = String(decoding: (try? Data(contentsOf: URL(fileURLWithPath: scratch))) ?? Data(), as: UTF8.self)
        return (status.code ?? 128 + (status.signal ?? 0), text)
    }

    /// Name of a daemon that has ended although it should run.
    func endedDaemon() -> String? {
        state.withLock { state in
            state.children.first { (try? $0.process.poll()) != .some(nil) }?.name
        }
    }

    func logTail(_ name: String, lines: Int = 15) -> String {
        let text = String(
            decoding: (try? Data(contentsOf: URL(fileURLWithPath: file("\(name).log")))) ?? Data(), as: UTF8.self)
        return text.split(separator: "\n").suffix(lines).joined(separator: "\n")
    }

    /// The caller's variables without any that would steer HCS or a preload.
    static var environment: [String: String] {
        ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("HCS_") && !$0.key.hasPrefix("LD_") }
    }

    // MARK: The end

    /// Ends every process and removes every file; gives what could not be removed.
    func close() -> [String] {
        ending.store(true, ordering: .releasing)
        return state.withLock { state in
            guard !state.closed else { return state.leftovers }
            state.closed = true
            // The agent first: it must not start again what is being ended.
            for (_, child) in state.children.reversed() { try? child.signal(SIGTERM) }
            for (_, child) in state.children.reversed() where (try? child.wait(milliseconds: 3000)) == .some(nil) {
                try? child.signal(SIGKILL)
                _ = try? child.wait(milliseconds: 1000)
            }
            state.leftovers = Leftovers(path: path, segments: segments, programs: programs).remove()
            return state.leftovers
        }
    }
}
