import ArgumentParser
import Glibc
import HCSAgent
import HCSModel
import HCSSimulation
import HCSSystem

extension SimulateCommand {
    struct WriteKernelLog: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "kernel-log",
            abstract: "Add a line to a simulated kernel log; prints the time, milliseconds since 1970.")
        @Argument var line: String
        @Option(help: ArgumentHelp("The simulated log.", valueName: "file")) var log: String

        func run() throws { try Output.standardOutput("\(try SimulatedLog.append(line, to: log))\n") }
    }

    struct InjectXid: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "xid",
            abstract: "Inject an NVIDIA Xid of a simulated device; prints the time, milliseconds since 1970.")
        @Argument var device: String
        @Argument(help: "Xid code, such as 79.") var code: UInt32
        @OptionGroup var state: StateOption
        @Option(help: ArgumentHelp("Into this simulated log.", valueName: "file")) var log: String?
        @Flag(help: "Into the real /dev/kmsg: only where no vendor's driver is loaded.") var kmsg = false

        func validate() throws {
            guard kmsg != (log != nil) else { throw ValidationError("say where: either --kmsg or --log FILE") }
        }

        func run() throws {
            let host = try state.open()
            guard
                let found = host.devices.first(where: {
                    $0.selector == device || $0.id.uuid == device || $0.uuid.description == device
                })
            else { throw AgentError(.unavailable, "\(host.path) has no device '\(device.prefix(80))'") }
            guard found.vendor == .nvidia else {
                throw AgentError(
                    .usage, "\(device) is of \(found.vendor.displayName): only NVIDIA's driver writes Xids")
            }
            // nvidia.ko writes the address without its function.
            let address = found.pci.description.dropLast(2)
            let what = code == 79 ? "GPU has fallen off the bus." : "injected."
            let line = "NVRM: Xid (PCI:\(address)): \(code), pid='<unknown>', name=<unknown>, \(what) [hcs simulated]"
            if let log {
                try Output.standardOutput("\(try SimulatedLog.append(line, to: log))\n")
                return
            }
            try Self.permitKernelLog(domain: found.pci.domain)
            let now = RealtimeClock.nowMilliseconds()
            try KernelLog.write(line)
            try Output.standardOutput("\(now)\n")
        }

        /// Modules of the four makers. Where one is loaded, other agents on the host act on such lines.
        private static let drivers = [
            "nvidia", "nouveau", "amdgpu", "hydcu", "hycu", "cambricon", "cndrv", "drv_davinci", "drv_devdrv",
            "drv_pcie_host",
        ]

        private static func permitKernelLog(domain: UInt32) throws(AgentError) {
            let modules: String
            do { modules = try SmallFile.text("/proc/modules", limit: 4 << 20) } catch  where error.code == .notFound {
                modules = ""  // a kernel without modules
            } catch { throw AgentError(.permission, "cannot tell which drivers are loaded: \(error)") }
            let loaded = modules.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) }
            if let driver = loaded.first(where: { name in
                drivers.contains { name == $0 || name.hasPrefix("\($0)_") || name.hasPrefix("\($0)-") }
            }) {
                throw AgentError(
                    .refused,
                    "the driver \(driver) is loaded: nothing fake is written into its kernel log; use --log FILE")
            }
            guard !PCIBus().hasDomain(domain) else {
                throw AgentError(
                    .refused,
                    "this host has the PCI domain \(String(domain, radix: 16)): nothing fake is written about it; use --log FILE"
                )
            }
        }
    }

    private enum SimulatedLog {
        /// One line, appended in one write; returns the time just before it.
        static func append(_ line: String, to path: String) throws(SystemError) -> Int64 {
            let plain = line.utf8.prefix(900).map { $0 < 0x20 ? UInt8(ascii: " ") : $0 }
            let file = try Descriptor.open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, mode: 0o644)
            let now = RealtimeClock.nowMilliseconds()
            try file.writeAll(plain + [UInt8(ascii: "\n")], to: path)
            return now
        }
    }
}
