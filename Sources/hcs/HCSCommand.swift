import ArgumentParser
import HCSModel

/// The root of the command line; a new verb is one file in `Commands/` and one line here.
struct HCSCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hcs",
        abstract: "Run work on accelerators of several vendors, each with its own share of device memory.",
        discussion: """
            Examples:
              hcs devices
              hcs submit --name train-a --runtime cuda --vram 8Gi -- /opt/train --epochs 3
              hcs workloads
              hcs explain train-a

            The scheduler is found by --scheduler, else HCS_SCHEDULER, else the address that a scheduler on this \
            host wrote, else \(SchedulerOptions.defaultURL). The token is read from --token-file, else HCS_TOKEN_FILE, \
            else the local scheduler's admin.token.

            Exit codes: 64 usage, 65 bad request, 66 no such workload, 69 unavailable, 70 failure of the server, \
            75 try again later, 76 unexpected answer, 77 no permission, 78 bad configuration.
            """,
        version: HCSVersion.current,
        subcommands: [
            NodesCommand.self,
            DevicesCommand.self,
            TopologyCommand.self,
            HealthCommand.self,
            EventsCommand.self,
            CordonCommand.self,
            UncordonCommand.self,
            DrainCommand.self,
            NodeCommand.self,
            SubmitCommand.self,
            RunCommand.self,
            WorkloadsCommand.self,
            WorkloadCommand.self,
            LogsCommand.self,
            PlanCommand.self,
            QueueCommand.self,
            ExplainCommand.self,
            DefragCommand.self,
            DeleteCommand.self,
            ExchangeCommand.self,
            ReplayCommand.self,
            SimulateCommand.self,
            InspectCommand.self,
            DoctorCommand.self,
            FingerprintCommand.self,
            VersionCommand.self,
        ])
}
