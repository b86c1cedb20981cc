import Foundation
import Testing

/// The preload library is C that runs inside other programs, so its tests are C programs too; they bring their own fake
/// drivers and print one line for each case. Here they only run, and a failure shows what they printed.
@Suite(.serialized)
struct InterceptorNativeTests {
    private static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "native")

    @Test(arguments: ["test", "check"])
    func `the native tests of the preload library pass`(target: String) async throws {
        let scratch = FileManager.default.temporaryDirectory.appending(path: "hcs-interceptor-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: scratch) }
        let (status, output) = try await Self.make(target, into: scratch)
        #expect(status == 0, "make \(target) ended with \(status):\n\(output)")
    }

    private static func make(_ target: String, into scratch: URL) async throws -> (status: Int32, output: String) {
        let log = scratch.appending(path: "make.log")
        try Data().write(to: log)
        let handle = try FileHandle(forWritingTo: log)
        defer { try? handle.close() }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["make", "-s", "-C", directory.path, "OUT=\(scratch.path)", target]
        // A quota or another preload library around this test run must not reach the library under test.
        process.environment = ProcessInfo.processInfo.environment.filter { name, _ in
            name != "LD_PRELOAD" && name != "MAKEFLAGS" && !name.hasPrefix("HCS_")
        }
        process.standardOutput = handle
        process.standardError = handle
        // It takes most of a minute, in which the thread would be missing to the other tests.
        try await withCheckedThrowingContinuation { ended in
            process.terminationHandler = { _ in ended.resume() }
            do { try process.run() } catch {
                process.terminationHandler = nil
                ended.resume(throwing: error)
            }
        }
        return (process.terminationStatus, try String(contentsOf: log, encoding: .utf8))
    }
}
