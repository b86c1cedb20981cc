package import HCSModel

/// Something a probe saw on the host that is no vendor's code: of devices by their PCI address, of a process, or of the node.
package struct HostFault: Hashable, Sendable {
    package enum Kind: String, CaseIterable, Hashable, Sendable {
        /// AER. `devices` are concerned: the function itself or those behind the port.
        case pcieError = "pcie-error"
        case machineCheck = "machine-check"
        case memoryError = "memory-error"
        case firmwareRecord = "firmware-record"
        case outOfMemoryKill = "out-of-memory-kill"
        /// The kernel failed in a task and went on without it.
        case kernelOops = "kernel-oops"
        /// A task that did not run for minutes.
        case hungTask = "hung-task"
        case diskError = "disk-error"
        /// NVSwitches without their fabric manager; `corrected`: it runs again.
        case fabricManager = "fabric-manager"
        /// The InfiniBand or RoCE port `subject` was active and is not; `corrected`: it is again.
        case fabricPort = "fabric-port"
        /// `devices` where it is a device's sensor; the node's otherwise.
        case thermalTrip = "thermal-trip"
        /// Process `pid` sits in one call for `seconds`. Told again when that has doubled.
        case stuckCall = "stuck-call"
        /// Process `pid` holds `devices`: no fault.
        case holderFound = "holder-found"
        /// Process `pid` let go of `devices`, or is gone.
        case holderGone = "holder-gone"
    }

    package enum Severity: String, CaseIterable, Hashable, Sendable { case corrected, uncorrected, fatal }

    package var kind: Kind
    package var severity: Severity
    package var count: UInt64
    package var devices: [PCIAddress]
    package var pid: Int32?
    package var seconds: Double?
    /// Which of its kind.
    package var subject: String?
    package var message: String
    /// The probe's name, and how it saw it.
    package var source: String
    package var atMilliseconds: Int64
    package var simulated: Bool
    /// Of a line of the kernel log: its number, by which it counts once.
    package var sequence: UInt64?

    package init(
        kind: Kind, severity: Severity, count: UInt64 = 1, devices: [PCIAddress] = [], pid: Int32? = nil,
        seconds: Double? = nil, subject: String? = nil, message: String, source: String, atMilliseconds: Int64,
        simulated: Bool = false,
        sequence: UInt64? = nil
    ) {
        self.kind = kind
        self.severity = severity
        self.count = count
        self.devices = devices
        self.pid = pid
        self.seconds = seconds
        self.subject = subject
        self.message = message
        self.source = source
        self.atMilliseconds = atMilliseconds
        self.simulated = simulated
        self.sequence = sequence
    }

    var code: FaultCode { FaultCode(vendor: FaultCode.host, family: kind.rawValue, code: severity.rawValue) }
}
