import ArgumentParser
import HCSAgent
import HCSModel
import HCSSimulation
import HCSSystem

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Make, show and change a simulated host while it is in use.",
        discussion: "DEVICE is its UUID or vendor:index, such as nvidia:0.",
        subcommands: [
            Create.self, Show.self, SetValues.self, ChangeFault.self, Library.self, WriteKernelLog.self, InjectXid.self,
        ])

    /// Where the simulated host's state is.
    struct StateOption: ParsableArguments {
        @Option(
            name: .customLong("state"),
            help: ArgumentHelp("The state file (HCS_SIM_STATE; else the agent's).", valueName: "file"))
        var file: String?

        var path: String {
            let environment = StandardDirectories.current()
            return file ?? environment[SimulatedHost.environmentVariable]
                ?? StandardDirectories.runtime(environment: environment) + "/simulation.state"
        }

        func open() throws -> SimulatedHost { try SimulatedHost.open(path: path) }
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a state file of a scenario.")
        @Argument(help: "The scenario, JSON.") var scenario: String
        @OptionGroup var state: StateOption
        @Option(help: "Mode of the file, octal.") var mode = "0600"

        func run() throws {
            guard let bits = UInt32(mode, radix: 8), bits <= 0o777 else {
                throw ValidationError("--mode '\(mode.prefix(20))' must be an octal mode such as 0666")
            }
            let host = try SimulatedHost.create(
                path: state.path, scenario: try Scenario.load(path: scenario), mode: bits)
            try Output.standardOutput("\(host.path)\n")
        }
    }

    struct SetValues: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Change what a device measures.",
            discussion: """
                Figures: temperature (C), power (W), utilization (%), used-elsewhere (bytes, 4Gi), and as whole numbers, or \
                unset where the library is not to support it: \(SimulatedHost.figureNames.joined(separator: ", ")).
                """)
        @Argument var device: String
        @Argument(help: ArgumentHelp("key=value", valueName: "key=value")) var values: [String]
        @OptionGroup var state: StateOption

        private enum Change {
            case field(SimulatedDevice.Field, UInt64)
            case figure(String, UInt64?)
        }

        private static let fields: [String: SimulatedDevice.Field] = [
            "temperature": .temperature, "power": .power, "utilization": .utilization, "used-elsewhere": .usedElsewhere,
        ]

        func run() throws {
            guard !values.isEmpty else { throw ValidationError("give at least one key=value") }
            let changes = try values.map(parse)
            let host = try state.open()
            for change in changes {
                switch change {
                case .field(let field, let value): try host.set(device, field, to: value)
                case .figure(let name, let value): try host.set(device, figure: name, to: value)
                }
            }
        }

        private func parse(_ text: String) throws -> Change {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let key = String(parts[0])
            guard parts.count == 2, Self.fields[key] != nil || SimulatedHost.figureNames.contains(key) else {
                let known = (Array(Self.fields.keys) + SimulatedHost.figureNames).sorted().joined(separator: ", ")
                throw ValidationError("'\(text.prefix(60))' must be key=value with one of \(known)")
            }
            if key == "used-elsewhere" { return .field(.usedElsewhere, try ByteCount.parse(parts[1]).bytes) }
            let field = Self.fields[key]
            if field == nil, parts[1] == "unset" { return .figure(key, nil) }
            guard let value = UInt64(parts[1]) else {
                throw ValidationError("'\(parts[1].prefix(40))' is no whole number")
            }
            return field.map { .field($0, value) } ?? .figure(key, value)
        }
    }

    struct ChangeFault: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "fault", abstract: "Give a device a fault or take it away.")
        enum Action: String, ExpressibleByArgument, CaseIterable { case add, clear }
        @Argument var device: String
        @Argument(help: "add or clear") var action: Action
        @Argument(help: "lost (fallen off the bus) or critical (the vendor's own health call)") var fault: String
        @OptionGroup var state: StateOption

        func run() throws {
            guard let fault = SimulatedDevice.Fault(rawValue: fault) else {
                let known = SimulatedDevice.Fault.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("fault '\(fault.prefix(40))' is none of \(known)")
            }
            let host = try state.open()
            switch action {
            case .add: try host.addFault(fault, to: device)
            case .clear: try host.removeFault(fault, from: device)
            }
        }
    }

    struct Library: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a vendor's management library misbehave.")
        static let faults: [String: Set<LibraryFault>] = [
            "none": [], "init-fails": [.initFails], "hangs": [.hangs], "crashes": [.crashes],
        ]
        @Argument(help: "nvidia, ascend, hygon or cambricon") var vendor: String
        @Argument(help: "none, init-fails, hangs or crashes") var fault: String
        @OptionGroup var state: StateOption

        func run() throws {
            guard let vendor = Vendor(rawValue: vendor) else {
                throw ValidationError(
                    "vendor '\(vendor.prefix(40))' is none of \(Vendor.allCases.map(\.rawValue).joined(separator: ", "))"
                )
            }
            guard let faults = Self.faults[fault] else {
                throw ValidationError(
                    "'\(fault.prefix(40))' is none of \(Self.faults.keys.sorted().joined(separator: ", "))")
            }
            try state.open().setLibraryFaults(faults, of: vendor)
        }
    }
}
