package import HCSModel

/// Something that happened to the host, a device or a process that holds one. Every kind uses the same fields; one that
/// does not apply is nil or empty. All text is printable ASCII and bounded: it comes from hardware and from processes.
package struct HostEvent: Hashable, Sendable {
    package enum Kind: String, CaseIterable, Hashable, Sendable {
        /// PCI Express Advanced Error Reporting. `pci` told of it (an accelerator or a port above one), `accelerators`
        /// are concerned, `codes` are the kernel's names (`BadTLP`; none where the function could not be read any more).
        case pcieError = "pcie-error"
        /// A machine check of a processor: of the node. `codes` is the status register in hexadecimal where it is known.
        case machineCheck = "machine-check"
        /// An error of a memory controller (EDAC): of the node. The message names controller and module.
        case memoryError = "memory-error"
        /// A hardware error that the firmware reported (ACPI APEI) and that is none of the kinds above: of the node.
        case firmwareRecord = "firmware-record"
        /// The kernel killed a process for want of memory. By program `pid` and `processName`; by polling only `count`
        /// and, where it was the limit of a cgroup, the cgroup in the message.
        case outOfMemoryKill = "out-of-memory-kill"
        /// A process that held `devicePaths` ended. `signal` where one ended it, `exitCode` otherwise, neither where
        /// polling cannot tell.
        case holderExit = "holder-exit"
        /// A signal that ends a process went to one that holds `devicePaths`: SIGKILL, SIGSEGV, SIGBUS and the like.
        case holderSignal = "holder-signal"
        /// A process that holds `devicePaths` cannot be interrupted (state D), or (info) is in one system call on the
        /// device for `amount` seconds. Told when it begins to be too long, and again each time it has doubled.
        /// `codes` is the kernel's function that it waits in, where that may be read.
        case stuckCall = "stuck-call"
        /// A process was found to hold `devicePaths`: who uses the devices, with or without HCS. No fault.
        case holderFound = "holder-found"
        /// That process let go of `devicePaths`, or ended. No fault.
        case holderGone = "holder-gone"
        /// A thermal zone or an accelerator's sensor passed a limit, at `amount` degrees Celsius. `codes` is which one
        /// (`critical`; of a sensor `crit`), `pci` the sensor's accelerator.
        case thermalTrip = "thermal-trip"
        /// All tasks stood still for want of memory or I/O (PSI): `amount` is the share of the last ten seconds in percent,
        /// `codes` the resource (`memory`, `io`).
        case pressure
        /// NVSwitches whose fabric manager does not run (error), or does again (info).
        case fabricManager = "fabric-manager"
        /// An InfiniBand or RoCE port that was active is not (error), or is again, perhaps unseen between two readings
        /// (info). `codes` is the port: `mlx5_0/1`.
        case fabricPort = "fabric-port"
        /// A call into a vendor's library took `amount` seconds; `codes` is the function. Only where it was asked for.
        case vendorCall = "vendor-call"
    }

    /// How bad, in words common to all kinds.
    package enum Severity: String, CaseIterable, Hashable, Sendable, Comparable {
        /// No fault: what a reader may want to know.
        case info
        /// Repaired or survived: correctable errors, a passive trip, pressure.
        case warning
        /// Something was lost: an uncorrected error, a killed process, a call that does not return.
        case error
        /// The device or the node cannot be trusted any more.
        case fatal

        package static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }

        private var rank: Int {
            switch self {
            case .info: 0
            case .warning: 1
            case .error: 2
            case .fatal: 3
            }
        }
    }

    package var kind: Kind
    package var seen: Sighting
    package var severity: Severity
    /// How often since the probe last told of it, at least 1: a counter of the host, so any number.
    package var count: UInt64
    /// The PCI function that is concerned.
    package var pci: PCIAddress?
    /// Accelerator functions that are concerned: `pci` itself or those below that port, ascending.
    package var accelerators: [PCIAddress]
    /// Nodes of vendors' devices, such as `/dev/nvidia0`, ascending.
    package var devicePaths: [String]
    /// In the agent's pid namespace.
    package var pid: Int32?
    /// What the process calls itself: anybody chooses it.
    package var processName: String?
    package var signal: Int32?
    package var exitCode: Int32?
    /// In the unit that the kind names.
    package var amount: Double?
    package var codes: [String]
    /// For people, one line, at most `messageLimit` bytes.
    package var message: String

    package static let messageLimit = 256

    package init(
        _ kind: Kind, seen: Sighting, severity: Severity, count: UInt64 = 1, pci: PCIAddress? = nil,
        accelerators: [PCIAddress] = [], devicePaths: [String] = [], pid: Int32? = nil, processName: String? = nil,
        signal: Int32? = nil, exitCode: Int32? = nil, amount: Double? = nil, codes: [String] = [], message: String
    ) {
        self.kind = kind
        self.seen = seen
        self.severity = severity
        self.count = max(1, count)
        self.pci = pci
        self.accelerators = accelerators
        self.devicePaths = devicePaths
        self.pid = pid
        self.processName = processName
        self.signal = signal
        self.exitCode = exitCode
        self.amount = amount
        self.codes = codes
        self.message = PrintableText.of(message.utf8, limit: Self.messageLimit)
    }
}
