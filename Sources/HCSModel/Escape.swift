/// Device memory, or a limit, that got past the quotas: what preloading cannot catch (a static binary, a raw ioctl, a
/// process started without it) shows in the driver's own count.
package struct Escape: Hashable, Sendable, Codable {
    package enum Kind: String, CaseIterable, Codable, Hashable, Sendable {
        /// A process on a device that HCS manages and in no segment.
        case unmanaged
        /// A process that uses more than its segment and its context explain.
        case overSegment = "over-segment"
        /// A limit in a segment that somebody other than the agent wrote; it was put back.
        case limitChanged = "limit-changed"
    }

    package var kind: Kind
    package var device: DeviceID
    /// What the driver counts beyond what is explained; for a changed limit how far it was raised.
    package var bytes: ByteCount
    /// By the agent's pid namespace; with the start time it names a process for all time. nil where nobody knows who it was.
    package var pid: Int32?
    package var startTime: UInt64?
    package var uid: UInt32?
    /// The beginning of it, for people.
    package var commandLine: String?
    /// The workload or lease whose process it is.
    package var workload: WorkloadID?
    package var sinceMilliseconds: Int64

    package init(
        kind: Kind, device: DeviceID, bytes: ByteCount, pid: Int32? = nil, startTime: UInt64? = nil, uid: UInt32? = nil,
        commandLine: String? = nil, workload: WorkloadID? = nil, sinceMilliseconds: Int64
    ) {
        self.kind = kind
        self.device = device
        self.bytes = bytes
        self.pid = pid
        self.startTime = startTime
        self.uid = uid
        self.commandLine = commandLine
        self.workload = workload
        self.sinceMilliseconds = sinceMilliseconds
    }
}

/// Escapes that began since the agent started.
package struct EscapeCount: Hashable, Sendable, Codable {
    package var device: DeviceID
    package var kind: Escape.Kind
    package var count: UInt64

    package init(device: DeviceID, kind: Escape.Kind, count: UInt64) {
        self.device = device
        self.kind = kind
        self.count = count
    }
}
