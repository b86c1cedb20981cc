import ArgumentParser
import Foundation
import HCSAPI
import HCSModel

struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Say where a request would go and why not elsewhere; nothing is submitted.",
        discussion: """
            Takes what `hcs submit` takes. Exits with 0 where the request fits now, with 75 where it does not.

            Where it fits nowhere, single changes are listed with which it would, the smallest first.

            Examples:
              hcs plan --name train-a --runtime cuda --vram 8Gi -- /opt/train
              hcs plan --name train-a --runtime cuda --vram 8Gi --json -- /opt/train
            """)

    @OptionGroup var submit: SubmitCommand

    func run() async throws {
        let spec = try submit.spec(
            directory: FileManager.default.currentDirectoryPath, environment: ProcessInfo.processInfo.environment)
        let plan = try await submit.connection.withClient { try await $0.plan(spec) }
        try submit.format.show(plan) { plan, style in
            PlanText.text("\(plan.name): \(plan.summary)", plan.devices, plan.changes, style)
        }
        if !plan.fits { throw ExitCode(CommandFailure.Code.tryAgain.rawValue) }
    }
}
