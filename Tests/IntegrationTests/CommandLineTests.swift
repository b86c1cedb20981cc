import ArgumentParser
import Foundation
import HCSAPI
import HCSModel
import Testing

@testable import hcs

@Suite("The command line's own parts")
struct CommandLineTests {
    @Test("a table lines up, pads no last column and shows control characters as a question mark")
    func table() {
        var table = TextTable([.init("NAME"), .init("FREE", .right), .init("WHY")])
        table.add(["a", "8Gi", "x"])
        table.add([.init("longer\u{1B}[31m"), "79.6Gi", ""])
        let lines = table.render(.plain).split(separator: "\n")
        #expect(lines == ["NAME           FREE  WHY", "a               8Gi  x", "longer?[31m  79.6Gi"])
    }

    @Test("colour takes no room in a table")
    func coloredTable() {
        var table = TextTable([.init("A"), .init("B")])
        let style = Style(colored: true)
        table.add([.init("x") { style.bold($0) }, "y"])
        let row = table.render(style).split(separator: "\n").last ?? ""
        #expect(row == "\u{1B}[1mx\u{1B}[0m  y")
    }

    @Test(
        "a length of time has two units at most",
        arguments: [
            (0, "0.0s"), (1250, "1.2s"), (42_000, "42s"), (185_000, "3m 05s"), (7_800_000, "2h 10m"), (-5, "0.0s"),
        ]
            as [(Int64, String)])
    func duration(milliseconds: Int64, text: String) {
        #expect(Format.duration(milliseconds: milliseconds) == text)
    }

    @Test("TFLOPS are written with one decimal at most, and nonsense is a dash")
    func tflops() {
        #expect(Format.tflops(312) == "312")
        #expect(Format.tflops(19.5) == "19.5")
        #expect(Format.tflops(nil) == "-")
        #expect(Format.tflops(.infinity) == "-")
        #expect(Format.tflops(-1) == "-")
    }

    @Test(
        "the last lines of an output are whole lines",
        arguments: [(1, "c\n"), (2, "b\nc\n"), (9, "a\nb\nc\n"), (0, "")])
    func lastLines(count: Int, expected: String) {
        #expect(LogsCommand.lastLines(count, of: Data("a\nb\nc\n".utf8)) == Data(expected.utf8))
    }

    @Test("the end of an output without a final newline is a line too")
    func lastLineOpen() {
        #expect(LogsCommand.lastLines(1, of: Data("a\nb".utf8)) == Data("b".utf8))
        #expect(LogsCommand.lastLines(1, of: Data()) == Data())
    }

    @Test("submit makes an absolute program and directory of what it is given")
    func submit() throws {
        let arguments = [
            "submit", "--name", "a", "--runtime", "acl", "--vram", "512Mi", "--env", "A=b=c", "--cwd", "data",
            "--grace", "1m",
            "--max-run", "2h", "--stop-signal", "SIGINT", "--restart", "on-failure", "--", "./x", "--flag",
        ]
        let command = try #require(try HCSCommand.parseAsRoot(arguments) as? SubmitCommand)
        let spec = try command.spec(directory: "/tmp/here", environment: [:])
        #expect(
            spec
                == WorkloadSpec(
                    name: "a", command: ["/tmp/here/x", "--flag"], environment: ["A": "b=c"],
                    workingDirectory: "/tmp/here/data",
                    runtime: .acl, vram: .mebibytes(512), restart: .onFailure, stopSignal: 2, graceSeconds: 60,
                    maximumRunSeconds: 7200))
    }

    @Test(
        "what submit does not understand is refused before anything is sent",
        arguments: [
            ["--vram", "8GB"], ["--vram", "-1"], ["--vram", "99999999999Ti"], ["--vram", "0"], ["--runtime", "opencl"],
            ["--stop-signal", "SIGWHAT"], ["--stop-signal", "0"], ["--grace", "1d"],
            ["--grace", "9999999999999999999h"],
            ["--env", "novalue"], ["--env", "=x"], ["--env", "CUDA_VISIBLE_DEVICES=0"], ["--name", "UPPER"],
            ["--restart", "always"],
        ])
    func refused(change: [String]) {
        var options = ["--name": "a", "--runtime": "cuda", "--vram": "1Gi"]
        options[change[0]] = change[1]
        let arguments =
            ["submit"] + options.sorted { $0.key < $1.key }.flatMap { [$0.key + "=" + $0.value] } + ["--", "/bin/true"]
        #expect(throws: (any Error).self) {
            let command = try HCSCommand.parseAsRoot(arguments) as? SubmitCommand
            _ = try command?.spec(directory: "/", environment: [:])
        }
    }

    @Test("run asks for this very process, and hints at a quota in the grammar's own words")
    func lease() throws {
        let arguments = [
            "run", "--vram", "1536Mi", "--runtime", "hip", "--device", "D", "--job", "j", "--", "x", "--vram",
        ]
        let command = try #require(try HCSCommand.parseAsRoot(arguments) as? RunCommand)
        #expect(command.command == ["x", "--vram"])
        let request = try command.request()
        #expect(request.pid == getpid() && request.startTime > 0)
        #expect(request.vendors == [.hygon] && request.device == DeviceID("D") && request.name == "j")
        #expect(RunCommand.exact(.mebibytes(1536)) == "1536Mi")
        #expect(RunCommand.exact(.gibibytes(4)) == "4Gi")
        #expect(RunCommand.exact(ByteCount(1000)) == "1000")
    }

    @Test("the scheduler is found by flag, then variable, then the local file, then the default")
    func scheduler() throws {
        func resolve(_ arguments: [String], _ environment: [String: String]) throws -> String {
            let paths = LocalPaths(environment: environment, uid: 1000)
            return try SchedulerOptions.parse(arguments).resolveURL(paths)
        }
        let nowhere = ["HCS_STATE_DIR": "/nonexistent"]
        #expect(try resolve([], nowhere) == "http://127.0.0.1:8470")
        #expect(try resolve([], nowhere.merging(["HCS_SCHEDULER": "http://a:1"]) { $1 }) == "http://a:1")
        #expect(try resolve(["--scheduler", "https://b:2"], ["HCS_SCHEDULER": "http://a:1"]) == "https://b:2")
        #expect(throws: CommandFailure.self) { try resolve(["--scheduler", "b:2"], [:]) }
        #expect(throws: CommandFailure.self) { try resolve(["--scheduler", "ftp://b"], [:]) }
    }

    @Test(
        "a problem of the server has its own exit code",
        arguments: [(400, 65), (401, 77), (403, 77), (404, 66), (409, 65), (429, 75), (500, 70)] as [(Int, Int32)])
    func exitCodes(status: Int, code: Int32) {
        let problem = APIProblem(status: status, code: "x", title: "Title", detail: "detail")
        #expect(CommandFailure(problem).code.rawValue == code)
    }
}
