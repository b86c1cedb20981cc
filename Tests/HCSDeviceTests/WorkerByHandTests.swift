import Foundation
import HCSDevice
import HCSModel
import HCSSimulation
import NativeArtifacts
import Testing

/// The worker as a person runs it, and what it is made of.
@Suite(.timeLimit(.minutes(3))) struct WorkerByHandTests {
    private func run(_ arguments: [String], environment: [String: String] = [:], input: String = "") throws -> (
        Int32, String
    ) {
        let process = Process()
        process.executableURL = URL(filePath: try workerExecutable())
        process.arguments = arguments
        process.environment = environment.merging(["PATH": "/usr/bin:/bin", "SWIFT_BACKTRACE": "enable=no"]) { $1 }
        let output = Pipe()
        let requests = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = requests
        try process.run()
        try requests.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try requests.fileHandleForWriting.close()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    @Test func `it answers requests from standard input, and says what it knows to one it does not`() throws {
        let host = try TestHost()
        let (code, text) = try run(
            ["--vendor", "hygon", "--library-directory", NativeArtifacts.simulatedLibraries],
            environment: ["HCS_SIM_STATE": host.host.path],
            input: "1 hello\n2 inventory\nwhat?\n3 sample\n4 symbols\n5 quit\n6 hello\n")
        #expect(code == 0)
        let lines = text.split(separator: "\n").map { try? JSONValue(parsing: Array($0.utf8)) }
        #expect(lines.compactMap { $0?["id"]?.integer(Int.self) } == [1, 2, 0, 3, 4, 5])
        #expect(lines[2]?["error"]?["code"]?.string == "badRequest")
        #expect(lines[1]?["ok"]?["devices"]?.array?.count == 1)
    }

    @Test func `--describe shows everything once`() throws {
        let host = try TestHost()
        let (code, text) = try run(
            ["--vendor", "nvidia", "--describe", "--library-directory", NativeArtifacts.simulatedLibraries],
            environment: ["HCS_SIM_STATE": host.host.path])
        #expect(code == 0 && text.split(separator: "\n").count == 3 && text.contains("NVIDIA H100 80GB HBM3"))
    }

    @Test(arguments: [
        [], ["--vendor"], ["--vendor", "amd"], ["--vendor", "nvidia", "--what"],
        ["--vendor", "nvidia", "--library-directory", "relative"],
    ])
    func `arguments that are not understood are refused with the usage`(arguments: [String]) throws {
        let (code, text) = try run(arguments)
        #expect(code == 64 && text.contains("usage: hcs-vendor-worker"))
    }

    @Test func `it is made without Foundation and without NIO`() throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["readelf", "-d", try workerExecutable()]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        try #require(text.contains("libswiftCore.so") || text.contains("libc.so.6"), "readelf: \(text)")
        #expect(!text.contains("Foundation") && !text.contains("libicu"))
        let program = try Data(contentsOf: URL(filePath: try workerExecutable()))
        #expect(program.range(of: Data("NIOPosix".utf8)) == nil)
    }
}
