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

            A file has the fields of the API's request (docs/reference/placement.md); a flag goes over the file's \
            field, a list over the whole list. What `hcs workloads NAME --json` shows as spec is such a file.

            Examples:
              hcs submit --name train-a --runtime cuda --vram 8Gi -- /opt/train --epochs 3
              hcs submit --name probe --runtime acl --vram 512Mi --restart never --wait -- ./probe
              hcs submit --name chat --runtime cuda --vram 20Gi --tflops 80 --class decode --prefer 'model=*H20*' -- /opt/serve
              hcs submit --name big-0 --runtime cuda --vram 60Gi --whole --devices 8 --interconnect nvlink --gang big --gang-size 2 -- /opt/train
              hcs submit --file job.yaml --name night-2
            """)

    @OptionGroup var request: RequestOptions

    @Flag(name: .long, help: "Wait until it has ended and exit as it did.")
    var wait = false

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp("-- program and its arguments; the file's when left out.", valueName: "command"))
    var command: [String] = []

    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let spec = try request.spec(
            command: command, directory: FileManager.default.currentDirectoryPath,
            environment: ProcessInfo.processInfo.environment)
        let waits = wait
        let view = try await connection.withClient { client in
            let submitted = try await client.submit(spec)
            return waits ? try await Self.waitForEnd(submitted, client) : submitted
        }
        try format.show(view) { view, _ in "\(view.spec.name)  \(view.id)  \(view.phase.rawValue)  \(view.message)" }
        if wait { throw ExitCode(Self.exitCode(view)) }
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
