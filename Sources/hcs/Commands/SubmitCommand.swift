import ArgumentParser
import Foundation
import HCSAPI
import HCSModel

struct SubmitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit", abstract: "Ask for a program to be run on a device of the pool.",
        discussion: """
            The program and its arguments follow `--` and are run as they are, without a shell. A program without a \
            slash is looked up in your PATH; the result and the working directory must exist on the host that runs it.

            Sizes are exact: 8Gi is 8 GiB, 8G is 8 000 000 000 bytes.

            Examples:
              hcs submit --name train-a --runtime cuda --vram 8Gi -- /opt/train --epochs 3
              hcs submit --name probe --runtime acl --vram 512Mi --restart never --wait -- ./probe
            """)

    @Option(name: .long, help: "Name of the workload: 1 to 63 of a-z 0-9 - and dot.")
    var name: String

    @Option(name: .long, help: "The runtime the program is written for: cuda, acl, hip or cnrt.")
    var runtime: Runtime

    @Option(
        name: .long, help: ArgumentHelp("Device memory it may use, such as 8Gi.", valueName: "size"),
        transform: Self.size)
    var vram: ByteCount

    @Option(name: .long, help: ArgumentHelp("Environment variable; may be repeated.", valueName: "key=value"))
    var env: [String] = []

    @Option(name: .long, help: ArgumentHelp("Working directory.", valueName: "directory"))
    var cwd: String?

    @Option(name: .long, help: "Start again when: never, on-failure or on-device-fault.")
    var restart: RestartPolicy = .onDeviceFault

    @Option(name: .long, help: ArgumentHelp("Signal that asks it to end, by name or number.", valueName: "signal"))
    var stopSignal: StopSignal = .terminate

    @Option(
        name: .long, help: ArgumentHelp("Time between that signal and SIGKILL: 10, 10s, 5m, 1h.", valueName: "time"))
    var grace = Seconds(count: 10)

    @Option(name: .long, help: ArgumentHelp("Longest time it may run; no limit when left out.", valueName: "time"))
    var maxRun: Seconds?

    @Flag(name: .long, help: "Wait until it has ended and exit as it did.")
    var wait = false

    @Argument(parsing: .postTerminator, help: ArgumentHelp("-- program and its arguments.", valueName: "command"))
    var command: [String] = []

    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func validate() throws {
        guard !command.isEmpty else {
            throw ValidationError("Say what to run after '--': hcs submit … -- program args")
        }
    }

    /// With the reason in words, which a failing conversion would not give.
    private static func size(_ text: String) throws -> ByteCount {
        do { return try ByteCount.parse(text) } catch { throw ValidationError(error.message) }
    }

    func run() async throws {
        let spec = try self.spec(
            directory: FileManager.default.currentDirectoryPath, environment: ProcessInfo.processInfo.environment)
        let waits = wait
        let view = try await connection.withClient { client in
            let submitted = try await client.submit(spec)
            return waits ? try await Self.waitForEnd(submitted, client) : submitted
        }
        try format.show(view) { view, _ in "\(view.spec.name)  \(view.id)  \(view.phase.rawValue)  \(view.message)" }
        if wait { throw ExitCode(Self.exitCode(view)) }
    }

    /// The request; made here so that it is checked before anything is sent.
    func spec(directory: String, environment: [String: String]) throws -> WorkloadSpec {
        var variables: [String: String] = [:]
        for pair in env {
            guard let mark = pair.firstIndex(of: "="), mark != pair.startIndex else {
                throw CommandFailure(.usage, "--env '\(pair)' is not understood: write it as NAME=value")
            }
            variables[String(pair[..<mark])] = String(pair[pair.index(after: mark)...])
        }
        var argv = command
        argv[0] = Self.locate(argv[0], directory: directory, path: environment["PATH"] ?? "/usr/bin:/bin")
        let spec = WorkloadSpec(
            name: name, command: argv, environment: variables,
            workingDirectory: cwd.map { Self.absolute($0, directory) },
            runtime: runtime, vram: vram, restart: restart, stopSignal: stopSignal.number, graceSeconds: grace.count,
            maximumRunSeconds: maxRun?.count)
        try spec.validate()
        return spec
    }

    private static func absolute(_ path: String, _ directory: String) -> String {
        URL(fileURLWithPath: path, relativeTo: URL(fileURLWithPath: directory, isDirectory: true)).standardizedFileURL
            .path
    }

    /// An absolute path where this host knows one: the agent has no business with the submitter's PATH.
    private static func locate(_ program: String, directory: String, path: String) -> String {
        if program.hasPrefix("/") { return program }
        if program.contains("/") { return absolute(program, directory) }
        return path.split(separator: ":").lazy.map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 } ?? program
    }

    private static func waitForEnd(_ submitted: WorkloadView, _ client: SchedulerClient) async throws -> WorkloadView {
        var view = submitted
        while !view.phase.hasEnded {
            try await Task.sleep(for: .milliseconds(300))
            view = try await client.workload(submitted.id.text)
        }
        return view
    }

    /// As a shell gives it: the program's own code, 128 + signal, 126 where it could not be run.
    private static func exitCode(_ view: WorkloadView) -> Int32 {
        if view.phase == .succeeded { return 0 }
        if let signal = view.exit?.signal { return 128 + signal }
        if let code = view.exit?.code { return code }
        return view.exit?.error == nil ? CommandFailure.Code.unavailable.rawValue : 126
    }
}

extension Runtime: ExpressibleByArgument {}
extension RestartPolicy: ExpressibleByArgument {}

/// A signal by name (`TERM`, `SIGTERM`) or number.
struct StopSignal: ExpressibleByArgument, CustomStringConvertible {
    private static let names: [(String, Int32)] = [
        ("HUP", SIGHUP), ("INT", SIGINT), ("QUIT", SIGQUIT), ("KILL", SIGKILL), ("USR1", SIGUSR1), ("USR2", SIGUSR2),
        ("TERM", SIGTERM), ("CONT", SIGCONT), ("STOP", SIGSTOP), ("WINCH", SIGWINCH),
    ]
    static let terminate = StopSignal(number: SIGTERM)

    let number: Int32

    init(number: Int32) { self.number = number }

    init?(argument: String) {
        if let number = Int32(argument), (1...64).contains(number) {
            self.init(number: number)
            return
        }
        let name = argument.hasPrefix("SIG") ? String(argument.dropFirst(3)) : argument
        guard let known = Self.names.first(where: { $0.0 == name }) else { return nil }
        self.init(number: known.1)
    }

    var description: String { Self.names.first { $0.1 == number }?.0 ?? "\(number)" }
    var defaultValueDescription: String { description }
}

/// A length of time in whole seconds: `10`, `10s`, `5m`, `1h`.
struct Seconds: ExpressibleByArgument, CustomStringConvertible {
    let count: Int

    init(count: Int) { self.count = count }

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        let factors: [Substring: Int] = ["": 1, "s": 1, "m": 60, "h": 3600]
        guard let number = Int(digits), let factor = factors[argument.dropFirst(digits.count)] else { return nil }
        let (seconds, overflow) = number.multipliedReportingOverflow(by: factor)
        guard !overflow else { return nil }
        self.init(count: seconds)
    }

    var description: String { "\(count)s" }
    var defaultValueDescription: String { description }
}
