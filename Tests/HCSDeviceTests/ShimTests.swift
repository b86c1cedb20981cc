import Foundation
import HCSTestSupport
import NativeArtifacts
import Testing

@Suite("The workload shim")
struct ShimTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        try directory.write("PATH=/usr/bin:/bin\0GREETING=hello\0", toData: "env")
    }

    private struct Outcome: Decodable {
        var code: Int?
        var signal: Int?
        var error: String?
        var at: Int64
    }

    /// Foundation makes it a group leader, so it forks to start its session: the process that is returned ends at once.
    private func start(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: NativeArtifacts.shim)
        process.arguments = ["--dir", directory.path] + arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
    }

    private func run(_ arguments: [String]) async throws -> Outcome {
        try start(arguments)
        return try await outcome()
    }

    private func outcome() async throws -> Outcome {
        #expect(await exists("exit"))
        return try JSONDecoder().decode(Outcome.self, from: Data(read("exit").utf8))
    }

    private func exists(_ name: String) async -> Bool {
        await eventually { FileManager.default.fileExists(atPath: directory.file(name)) }
    }
    private func read(_ name: String) throws -> String {
        try String(contentsOfFile: directory.file(name), encoding: .utf8)
    }
    private func pid(_ name: String) throws -> Int32 {
        try #require(Int32(read(name).split(separator: " ").first ?? ""))
    }

    @Test func `runs the command with exactly the given environment and writes its code`() async throws {
        let outcome = try await run(["--", "sh", "-c", "echo $GREETING; echo bad >&2; env | grep -c HOME; exit 7"])
        #expect(outcome.code == 7)
        #expect(outcome.signal == nil)
        #expect(outcome.error == nil)
        #expect(try read("stdout") == "hello\n0\n")
        #expect(try read("stderr") == "bad\n")
    }

    @Test(.enabled(if: geteuid() == 0, "needs root: the workload's user is another"))
    func `a preload library that the workload's user cannot read ends the start`() async throws {
        let library = try directory.write("", to: "library.so")
        chmod(library, 0o600)
        try directory.write("LD_PRELOAD=\(library)\0", to: "env")
        let outcome = try await run(["--uid", "65534", "--gid", "65534", "--cwd", "/", "--", "true"])
        #expect(
            outcome.error
                == "cannot read the preload library as the workload's user, and without it no quota holds: Permission denied"
        )
    }

    @Test(arguments: [
        (["--", "no-such-program"], "cannot execute no-such-program: No such file or directory"),
        (["--", "/etc/passwd"], "cannot execute /etc/passwd: Permission denied"),
        (
            ["--cwd", "/nonexistent", "--", "true"],
            "cannot enter working directory /nonexistent: No such file or directory"
        ),
    ])
    func `says why a command could not be started`(arguments: [String], why: String) async throws {
        #expect(try await run(arguments).error == why)
    }

    @Test(arguments: ["NAME", "=value", "A=b\0\0C=d", "A=b\0C"])
    func `refuses a hostile environment`(text: String) async throws {
        try directory.write(text, toData: "env")
        let outcome = try await run(["--", "true"])
        #expect(outcome.code == nil)
        #expect(outcome.error == "the environment file env holds an entry that is not NAME=VALUE")
    }

    @Test(arguments: [
        ("absent", "is missing"), ("link", "cannot be opened"), ("fifo", "is not a regular file"),
        ("directory", "is not a regular file"), ("large", "is larger than 1 MiB"),
        ("many", "holds more than 8192 variables"),
    ])
    func `refuses an environment file that is none, is too large or leads elsewhere`(kind: String, why: String)
        async throws
    {
        let path = directory.file("env")
        try FileManager.default.moveItem(atPath: path, toPath: directory.file("other"))
        switch kind {
        case "link": symlink(directory.file("other"), path)
        case "fifo": mkfifo(path, 0o600)
        case "directory": mkdir(path, 0o700)
        case "large":
            try directory.write(
                String(repeating: "A=\(String(repeating: "x", count: 1021))\0", count: 1025), toData: "env")
        case "many": try directory.write(String(repeating: "A=1\0", count: 8193), toData: "env")
        default: break
        }
        let outcome = try await run(["--", "true"])
        #expect(outcome.code == nil && outcome.error == "the environment file env \(why)")
    }

    @Test func `a writer that is as fast as the reader keeps it from nothing`() async throws {
        // Neither from the end of the command nor from ending what that left behind.
        let script = "setsid dd if=/dev/zero bs=1M 2>&1 & setsid dd if=/dev/zero bs=1M >&2 & sleep 1; exit 5"
        #expect(try await run(["--log-limit", "1000000", "--", "sh", "-c", script]).code == 5)
        for name in ["stdout", "stdout.1", "stderr", "stderr.1"] {
            let size = try FileManager.default.attributesOfItem(atPath: directory.file(name))[.size] as? Int
            #expect(size.map { $0 <= 1_000_000 } == true, "\(name) has \(size ?? -1) bytes")
        }
    }

    @Test func `a log that cannot be rotated stays within its limit`() async throws {
        // A directory stands where the older half should go.
        mkdir(directory.file("stdout.1"), 0o700)
        #expect(try await run(["--log-limit", "1000", "--", "seq", "1", "20000"]).code == 0)
        #expect(try read("stdout").utf8.count <= 1000)
    }

    @Test func `keeps logs within their limit and rotates once`() async throws {
        #expect(try await run(["--log-limit", "1000", "--", "seq", "1", "20000"]).code == 0)
        #expect(try read("stdout.1").utf8.count == 1000)
        #expect(try read("stdout").utf8.count <= 1000)
        #expect(try read("stdout").hasSuffix("20000\n"))
        #expect(!FileManager.default.fileExists(atPath: directory.file("stdout.2")))
    }

    @Test func `ends what the command leaves behind, in its group or not`() async throws {
        let script = "sleep 300 & echo $!; setsid sleep 300 & echo $!; (trap '' TERM; exec sleep 300) & echo $!; exit 0"
        #expect(try await run(["--", "sh", "-c", script]).code == 0)
        for line in try read("stdout").split(separator: "\n") {
            let left = try #require(Int32(line))
            #expect(kill(left, 0) != 0, "process \(left) still runs")
        }
    }

    @Test func `passes SIGTERM on and ignores SIGINT and SIGHUP`() async throws {
        try start(["--", "sleep", "300"])
        #expect(await exists("child"))
        let number = try pid("shim")
        kill(number, SIGINT)
        kill(number, SIGHUP)
        #expect(kill(try pid("child"), 0) == 0)
        kill(number, SIGTERM)
        #expect(try await outcome().signal == Int(SIGTERM))
    }

    @Test func `leaves the workload running when it is killed itself`() async throws {
        try start(["--", "sleep", "300"])
        #expect(await exists("child"))
        let child = try pid("child")
        let shim = try pid("shim")
        kill(shim, SIGKILL)
        #expect(await eventually { kill(shim, 0) != 0 })
        #expect(kill(child, 0) == 0)
        #expect(!FileManager.default.fileExists(atPath: directory.file("exit")))
        kill(child, SIGKILL)
    }
}

extension TemporaryDirectory {
    /// `write` stops at a NUL.
    fileprivate func write(_ text: String, toData name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: file(name)))
    }
}
