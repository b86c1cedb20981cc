import ArgumentParser
import Glibc
import HCSAgent
import HCSModel
import HCSSimulation
import HCSSystem

@main struct HCSAgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hcs-agent",
        abstract:
            "The node agent: finds this host's accelerators, watches their health, runs workloads with a memory quota.",
        version: HCSVersion.current,
        subcommands: [RunCommand.self, DoctorCommand.self, FingerprintCommand.self, SimulateCommand.self],
        defaultSubcommand: RunCommand.self)

    /// Our own errors are one line and a sysexits code; the parser's keep their usage text and 64.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let error as AgentError {
            fail(error.message, error.exitCode)
        } catch let error as SimulationError {
            fail(error.message, error.exitCode)
        } catch let error as SystemError {
            fail(error.message, error.code == .permission ? 77 : 70)
        } catch {
            let code = exitCode(for: error)
            if code == .success || code == .validationFailure || error is ExitCode { exit(withError: error) }
            fail("\(error)", 70)
        }
    }

    private static func fail(_ message: String, _ code: Int32) -> Never {
        try? Output.standardError("hcs-agent: \(message)\n")
        Glibc.exit(code)
    }
}

extension SimulationError {
    var exitCode: Int32 {
        switch code {
        case .badScenario, .badState: 78
        case .notFound: 69
        case .invalidValue: 64
        case .io: 70
        }
    }
}
