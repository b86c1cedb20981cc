import ArgumentParser
import HCSAPI
import HCSModel

/// `hcs devices` lists; `hcs devices show ID` tells all of one.
struct DevicesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "devices", abstract: "List the devices of the pool with their memory and health, or show one.",
        subcommands: [ListDevicesCommand.self, ShowDeviceCommand.self], defaultSubcommand: ListDevicesCommand.self)
}

struct ListDevicesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the devices of the pool with their memory and health.",
        discussion: """
            FP16 and FP32 are the peak dense TFLOPS of the catalogue. FREE is what the scheduler can still give out: \
            the largest of the granted quotas, the driver's own count and the workloads' is taken off the total, and a \
            margin.

            Examples:
              hcs devices
              hcs devices --output json | jq '.items[].device.id'
              hcs devices show GPU-2f1c
            """)

    @OptionGroup var connection: SchedulerOptions
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let devices = try await connection.withClient { try await $0.devices() }
        try format.show(devices) { Self.table($0.items, $1) }
    }

    static func table(_ devices: [DeviceView], _ style: Style) -> String {
        guard !devices.isEmpty else { return "No devices. `hcs doctor` on a host says what is missing there." }
        var table = TextTable([
            .init("NODE"), .init("VENDOR"), .init("MODEL"), .init("UUID"), .init("FREE", .right), .init("VRAM", .right),
            .init("FP16", .right), .init("FP32", .right), .init("PCI"), .init("NUMA", .right), .init("HEALTH"),
            .init("KIND"),
        ])
        for view in devices {
            let device = view.device
            table.add([
                .init(view.node), .init(device.makerName), .init(device.modelName), .init(device.id.uuid),
                .init(Format.bytes(view.ledger.free)), .init(Format.bytes(device.memory)),
                .init(Format.tflops(device.fingerprint.tflops[.fp16])),
                .init(Format.tflops(device.fingerprint.tflops[.fp32])),
                .init(device.pci?.description ?? Format.none), .init(device.numaNode.map(String.init) ?? Format.none),
                .init(Format.health(view.health)) { style.band(view.health.band, $0) },
                .init(device.simulated ? "simulated" : "real"),
            ])
        }
        let notes = devices.flatMap(Self.notes)
        return ([table.render(style)] + (notes.isEmpty ? [] : [""]) + notes).joined(separator: "\n")
    }

    /// Why a device is not at its best, below the table: sentences do not fit a column.
    private static func notes(_ view: DeviceView) -> [String] {
        var notes = view.health.reasons.map { "\(view.device.id): \($0.detail) (\($0.factor), seen in \($0.source))" }
        if let blocked = view.blocked { notes.append("\(view.device.id): gets no work: \(blocked)") }
        if let cordon = view.cordon {
            let whose = cordon.target.device == nil ? "its node is " : ""
            notes.append("\(view.device.id): \(whose)\(Cordons.sentence(cordon))")
        }
        return notes
    }
}
