import ArgumentParser
import Foundation
import HCSAPI
import HCSModel
import HCSTestSupport
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
        let spec = try command.request.spec(
            command: command.command, directory: "/tmp/here", environment: [:])
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
            ["--restart", "always"], ["--devices", "0"], ["--devices", "two"], ["--share", "0"], ["--share", "1.5"],
            ["--share", "101%"], ["--share", "0.0001"], ["--share", "-0.5"], ["--share", "1e-1"], ["--share", ".5"],
            ["--share", ""], ["--share", "%"], ["--tflops", "-1"], ["--tflops", "nan"], ["--tflops", "inf"],
            ["--precision", "fp16"], ["--precision", "fp12"], ["--cpu", "-1"], ["--cpu", "99999999999999"],
            ["--cpu", "0.0001"], ["--memory", "16GB"], ["--require", "model"], ["--avoid", "colour=red"],
            ["--prefer", "model>=3"], ["--interconnect", "ring"], ["--interconnect", "nvlink"],
            ["--strategy", "random"], ["--class", "chat"], ["--priority", "9999"], ["--gang", "g"],
            ["--gang-size", "2"], ["--gang-timeout", "10m"], ["--pool", "A"], ["--tenant", ""],
            ["--file", "/nonexistent/job.yaml"], ["--file", "/dev/null/x"],
        ])
    func refused(change: [String]) {
        var options = ["--name": "a", "--runtime": "cuda", "--vram": "1Gi"]
        options[change[0]] = change[1]
        let arguments =
            ["submit"] + options.sorted { $0.key < $1.key }.flatMap { [$0.key + "=" + $0.value] } + ["--", "/bin/true"]
        #expect(throws: (any Error).self) {
            let command = try HCSCommand.parseAsRoot(arguments) as? SubmitCommand
            _ = try command?.request.spec(command: command?.command ?? [], directory: "/", environment: [:])
        }
    }

    private func spec(_ arguments: [String]) throws -> WorkloadSpec {
        let command = try #require(try HCSCommand.parseAsRoot(["submit"] + arguments) as? SubmitCommand)
        return try command.request.spec(command: command.command, directory: "/d", environment: [:])
    }

    private static let required = ["--name", "a", "--runtime", "cuda", "--vram", "1Gi"]

    @Test("submit takes all that a placement asks for as flags")
    func placementFlags() throws {
        let flags = [
            "--devices", "4", "--tflops", "20.5", "--precision", "bf16", "--whole", "--cpu", "4.5", "--memory", "16Gi",
            "--require", "vendor=nvidia", "--require", "driver>=535", "--prefer", "model=*H100*", "--avoid",
            "node!=host-a", "--interconnect", "nvlink", "--strategy", "spread", "--class", "decode", "--priority",
            "-5", "--gang", "g", "--gang-size", "8", "--gang-timeout", "10m", "--pool", "p", "--tenant", "t",
        ]
        let placement = try spec(Self.required + flags + ["--", "/x"]).placement
        #expect(
            placement
                == PlacementSpec(
                    devices: 4, compute: .teraflops(20.5, .bf16), wholeDevices: true, cpuMilli: 4500,
                    memory: .gibibytes(16),
                    require: [
                        PlacementTerm(.vendor, .equal, "nvidia"), PlacementTerm(.driver, .atLeast, "535"),
                    ], prefer: [PlacementTerm(.model, .equal, "*H100*")],
                    avoid: [PlacementTerm(.node, .notEqual, "host-a")], interconnect: .link, strategy: .spread,
                    workloadClass: .decode, priority: -5, gang: Gang(name: "g", size: 8, timeoutSeconds: 600),
                    pool: "p", tenant: "t"))
        #expect(try spec(Self.required + ["--", "/x"]).placement == PlacementSpec())
        #expect(try spec(Self.required + ["--tflops", "5", "--", "/x"]).placement.compute == .teraflops(5, .fp16))
        // A whole device needs no size.
        #expect(try spec(["--name", "a", "--runtime", "cuda", "--whole", "--", "/x"]).vram == .zero)
    }

    @Test(
        "a share is written as a fraction or in percent",
        arguments: [("0.25", 250), ("25%", 250), ("1", 1000), ("100%", 1000), ("0.001", 1), ("12.5%", 125)])
    func share(text: String, thousandths: Int) throws {
        #expect(try spec(Self.required + ["--share", text, "--", "/x"]).placement.compute == .share(thousandths))
    }

    @Test("both --share and --tflops, or what contradicts itself, is refused")
    func contradictions() {
        for flags in [
            ["--share", "1", "--tflops", "5"], ["--whole", "--share", "0.5"],
            ["--require", "model=*A100*", "--avoid", "model=*a100*"],
            ["--require", "model=A100", "--require", "model=H100"],
        ] { #expect(throws: (any Error).self) { try spec(Self.required + flags + ["--", "/x"]) } }
    }

    @Test("of a request only what is not as usual is shown")
    func placementText() {
        #expect(PlacementText.lines(PlacementSpec()).isEmpty)
        let lines = PlacementText.lines(
            PlacementSpec(
                devices: 2, compute: .teraflops(20.5, .bf16), wholeDevices: true, cpuMilli: 4500,
                memory: .gibibytes(16), avoid: [PlacementTerm(.model, .equal, "*A100*")], interconnect: .link,
                strategy: .spread, workloadClass: .decode, priority: -5, gang: Gang(name: "g", size: 8), pool: "p",
                tenant: "t"))
        #expect(
            lines.map { "\($0): \($1)" } == [
                "devices: 2 whole, 20.5 TFLOPS bf16 of each, joined by nvlink", "host: 4.500 cores, 16Gi of memory",
                "avoid: model=*A100*", "class: decode", "strategy: spread", "priority: -5",
                "gang: g, 8 members, waits 600 s", "pool: p", "tenant: t",
            ])
        #expect(
            PlacementText.lines(PlacementSpec(compute: .share(125))).map(\.1) == ["12.5 % of the compute of each"])
    }

    @Test("a rate is written with its terms, its confidence and its sources")
    func rateText() {
        let rate = ExchangeRate(
            from: "a", to: "b\u{1B}[2J", workloadClass: .decode, precision: .bf16, rate: 0.0512, low: 0.04,
            high: 0.061, confidence: .medium,
            terms: [
                .init(kind: .compute, detail: "1 to 2 TFLOPS", factor: 0.933),
                .init(kind: .bandwidth, detail: "10 to 200 GB/s", factor: 0.0549),
            ], sources: [.init(card: "a", text: "sheet")])
        #expect(
            ShowExchangeCommand.text(rate, .plain).split(separator: "\n", omittingEmptySubsequences: false) == [
                "1 a = 0.0512 b?[2J  (decode, bf16)", "", "made of", "  x 0.933   compute: 1 to 2 TFLOPS",
                "  x 0.0549  memory bandwidth: 10 to 200 GB/s", "",
                "confidence  medium: 0.0400 to 0.0610 for two thirds of such work", "source      a: sheet",
            ])
        #expect(
            [0, 1.8349, 12.34, 1234.5, 0.00005, .nan].map(Format.figure) == [
                "0", "1.83", "12.3", "1234", "5.00e-05", "-",
            ])
    }

    @Test("a baseline is a card and its throughput", arguments: ["A100", "=5", "A100=", "A100=x"])
    func badBaseline(text: String) throws {
        #expect(try ReportThroughputCommand.baseline("A100-80G=1800.5").throughput == 1800.5)
        #expect(throws: CommandFailure.self) { try ReportThroughputCommand.baseline(text) }
    }

    @Test("a file is a request, flags go over it")
    func file() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write(
            """
            # a comment
            name: night
            runtime: acl
            vram: 8Gi
            command: [/opt/train, --epochs, "3"]
            environment: {A: b, C: d}
            placement:
              devices: 2
              compute: {share: 250}
              memory: 16Gi
              require: ["model=*910B*"]
              gang: {name: g, size: 4}
            """, to: "job.yaml")
        let plain = try spec(["--file", file])
        #expect(plain.name == "night" && plain.runtime == .acl && plain.vram == .gibibytes(8))
        #expect(plain.command == ["/opt/train", "--epochs", "3"] && plain.environment == ["A": "b", "C": "d"])
        #expect(plain.placement.devices == 2 && plain.placement.memory == .gibibytes(16))
        let over = try spec([
            "--file", file, "--name", "day", "--vram", "1Gi", "--env", "A=x", "--tflops", "5", "--require",
            "vendor=ascend", "--gang-size", "8", "--max-run", "1h", "--", "/bin/other",
        ])
        #expect(over.name == "day" && over.vram == .gibibytes(1) && over.command == ["/bin/other"])
        #expect(over.environment == ["A": "x", "C": "d"] && over.maximumRunSeconds == 3600)
        #expect(over.placement.compute == .teraflops(5, .fp16) && over.placement.devices == 2)
        #expect(over.placement.require == [PlacementTerm(.vendor, .equal, "ascend")])
        #expect(over.placement.gang == Gang(name: "g", size: 8))
        // What is shown of a workload as JSON is a file too.
        let shown = try directory.write(
            String(decoding: try HCSJSON.encode(over, pretty: true), as: UTF8.self), to: "spec.json")
        #expect(try spec(["--file", shown]) == over)
    }

    @Test(
        "a file that is not understood is refused with its line",
        arguments: [
            ("name: a\nvrma: 8Gi\n", "line 2: unknown field 'vrma'"),
            ("name: a\nruntime: cuda\nvram: 8GB\ncommand: [x]\n", "line 3: vram: size '8GB'"),
            ("name: a\nruntime: opencl\nvram: 8Gi\ncommand: [x]\n", "line 2: runtime"),
            ("name: a\nruntime: cuda\nvram: 1\ncommand: x\n", "line 4: command"),
            (
                "name: a\nruntime: cuda\nvram: 1\ncommand: [x]\nplacement:\n  gang:\n    name: g\n    sise: 3\n",
                "line 8: placement.gang: unknown field 'sise'"
            ),
            (
                "name: a\nruntime: cuda\nvram: 1\ncommand: [x]\nplacement:\n  require:\n  - model=a\n  - modell=b\n",
                "line 8: placement.require[1]: 'modell=b'"
            ),
            ("runtime: cuda\nvram: 1\ncommand: [x]\n", "field 'name' is missing"),
            ("name: a\n name: b\n", "line 2"), ("- a\n", "line 1"),
            (
                "name: a\nruntime: cuda\nvram: 1\ncommand: [x]\nplacement: {require: [model=a], avoid: [model=A]}\n",
                "'model=a' is required"
            ),
        ])
    func badFile(text: String, words: String) throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write(text, to: "job.yaml")
        do {
            _ = try spec(["--file", file])
            Issue.record("it was taken")
        } catch {
            let failure = try #require(CommandFailure(error))
            #expect(failure.code == .badData && failure.message.contains("job.yaml"), "\(failure)")
            #expect(failure.message.contains(words), "\(failure.message)")
        }
    }

    @Test(
        "global options may stand before the verb",
        arguments: [
            (["--scheduler", "http://a:1", "nodes"], ["nodes", "--scheduler", "http://a:1"]),
            (
                ["-o", "json", "--token-file=t", "submit", "--", "x", "-o"],
                ["submit", "-o", "json", "--token-file=t", "--", "x", "-o"]
            ),
            (["nodes", "--output", "json"], ["nodes", "--output", "json"]), (["--help"], ["--help"]),
            (["--scheduler", "x"], ["--scheduler", "x"]), (["--scheduler"], ["--scheduler"]), ([], []),
            (["--scheduler", "x", "--help"], ["--scheduler", "x", "--help"]),
        ] as [([String], [String])])
    func globalOptions(given: [String], expected: [String]) throws {
        #expect(GlobalOptions.moved(given) == expected)
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
