import ArgumentParser
import HCSAPI
import HCSModel

struct ShowDeviceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show everything that is known of one device.",
        discussion: """
            The ledger is the scheduler's; the agent of a host tells what it leased itself.

            Examples:
              hcs devices show GPU-2f1c
              hcs devices show GPU-2f1c --local --output json
            """)

    @Argument(help: ArgumentHelp("UUID of the device, or its beginning where no other has the same.", valueName: "id"))
    var id: String

    @Option(name: .long, help: ArgumentHelp("Only the devices of this host.", valueName: "name"))
    var node: String?

    @OptionGroup var source: HostSource
    @OptionGroup var format: OutputOptions

    func run() async throws {
        let known = try await source.ask(
            scheduler: { try await $0.devices().items.map(DeviceDescription.init) },
            agent: { status in status.devices.map { DeviceDescription($0, node: status.node) } })
        let device = try Self.find(id, among: known.filter { node == nil || $0.node == node })
        try format.show(device) { $0.text($1) }
    }

    static func find(_ id: String, among devices: [DeviceDescription]) throws -> DeviceDescription {
        let names = devices.map { DeviceName(node: $0.node, id: $0.device.id) }
        let found = try DeviceName.find(id, among: names)
        guard let index = names.firstIndex(of: found) else { preconditionFailure("what was found is one of them") }
        return devices[index]
    }
}
