import ArgumentParser
import Foundation
import HCSAPI
import HCSModel

struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Say where a request would go and why not elsewhere; nothing is submitted.",
        discussion: """
            Takes what `hcs submit` takes; name and program may be left out. Exits with 0 where the request fits now, \
            with 75 where it does not.

            Where it fits nowhere, single changes are listed with which it would, the smallest first.

            Examples:
              hcs plan --runtime cuda --vram 8Gi
              hcs plan --runtime cuda --vram 60Gi --devices 4 --interconnect nvlink --require 'model=*A100*'
              hcs plan --file job.yaml --json
            """)

    @OptionGroup var request: RequestOptions

    @Argument(parsing: .postTerminator, help: ArgumentHelp("-- program and its arguments.", valueName: "command"))
    var command: [String] = []

    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let spec = try self.spec()
        let plan = try await connection.withClient { try await $0.plan(spec) }
        try format.show(plan) { plan, style in
            PlanText.text("\(plan.name): \(plan.summary)", plan.devices, plan.changes, style)
        }
        if !plan.fits { throw ExitCode(CommandFailure.Code.tryAgain.rawValue) }
    }

    /// Without a file, what decides nothing of the place has a value of its own.
    func spec() throws -> WorkloadSpec {
        var request = request
        var command = command
        if request.file == nil {
            request.name = request.name ?? "plan"
            if command.isEmpty { command = ["/bin/true"] }
        }
        return try request.spec(
            command: command, directory: FileManager.default.currentDirectoryPath,
            environment: ProcessInfo.processInfo.environment)
    }
}
