import Foundation
import HCSModel
import HCSSystem
import HCSTestSupport

/// The executables of this build: they lie beside the test bundle.
enum Programs {
    static func path(_ name: String) throws -> String {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let beside = URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent(name).path
        guard access(beside, X_OK) == 0 else { throw Cluster.Failure("\(beside) is not built") }
        return beside
    }

    /// The caller's variables without any that would steer HCS or a preload.
    static var environment: [String: String] {
        ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("HCS_") && !$0.key.hasPrefix("LD_") }
    }

    /// Runs one to its end. The wait blocks a thread of its own, not one of the pool that every test shares.
    static func run(
        _ program: String, _ arguments: [String], environment: [String: String] = [:]
    ) async throws -> (code: Int32, output: String, error: String) {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try runBlocking(program, arguments, environment) })
            }
        }
    }

    private static func runBlocking(
        _ program: String, _ arguments: [String], _ environment: [String: String]
    ) throws -> (code: Int32, output: String, error: String) {
        let scratch = try TemporaryDirectory()
        func file(_ name: String) throws -> Int32 {
            let number = open(scratch.file(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
            guard number >= 0 else { throw Cluster.Failure("cannot write \(scratch.file(name))") }
            return number
        }
        let output = try file("output")
        defer { close(output) }
        let error = try file("error")
        defer { close(error) }
        let child = try ProcessSpawner(
            path: try path(program), arguments: arguments, environment: Self.environment.merging(environment) { $1 }
        ).spawn(output: output, error: error)
        guard let status = try child.wait(milliseconds: 30_000) else {
            try child.signal(SIGKILL)
            _ = try child.wait(milliseconds: 5000)
            throw Cluster.Failure("\(program) \(arguments) did not end within 30 s")
        }
        func text(_ name: String) -> String { (try? String(contentsOfFile: scratch.file(name), encoding: .utf8)) ?? "" }
        return (status.code ?? 128 + (status.signal ?? 0), text("output"), text("error"))
    }
}
