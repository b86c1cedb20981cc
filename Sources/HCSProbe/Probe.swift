package import HCSModel
package import HCSSystem

/// Something that watches the host and tells what it sees. It has a thread of its own.
package protocol Probe: Sendable {
    /// Stable, for status and metrics: `kernel-log`.
    var name: String { get }

    /// Sets itself up, calls `ready` once (also when it cannot work: `status` tells why), and tells events until
    /// `context.stop` is readable. Runs on a thread that may block.
    func run(_ context: ProbeContext)

    func status() -> ProbeStatus
}

/// What a running probe is given.
package struct ProbeContext: Sendable {
    /// Readable when the probe must return, at once.
    package let stop: WakeUp
    package let ready: @Sendable () -> Void
    /// Hands over what was seen together, in order; returns those that were dropped since the reader is too slow: count
    /// them.
    package let emit: @Sendable ([ProbeEvent]) -> ArraySlice<ProbeEvent>

    /// A probe that was just told something waits so long before it looks again, in milliseconds: a storm wakes it some
    /// fifty times a second at most. Ring buffers and the kernel log hold what comes meanwhile.
    static let pause: Int32 = 20
    /// The same in a storm, when it was told this many things at once.
    static let stormPause: Int32 = 50
    static let stormCount = 16

    /// Hands over as `emit` does, and waits for a reader that is behind: what comes meanwhile stays in the kernel's own
    /// buffer, which counts what it overwrites. Returns what nobody took within `patience` pauses.
    func deliver(_ events: [ProbeEvent], patience: Int = .max) -> ArraySlice<ProbeEvent> {
        var left = emit(events)
        var pauses = 0
        while !left.isEmpty, pauses < patience,
            !Readiness.wait([stop.number], milliseconds: Self.pause)[0]
        {
            pauses += 1
            left = emit(Array(left))
        }
        return left
    }

    package init(
        stop: WakeUp, ready: @escaping @Sendable () -> Void,
        emit: @escaping @Sendable ([ProbeEvent]) -> ArraySlice<ProbeEvent>
    ) {
        self.stop = stop
        self.ready = ready
        self.emit = emit
    }
}

/// How the probes of a host are to run.
package struct ProbeOptions: Sendable {
    package var root: HostRoot
    /// The kernel log; nil = do not look at it.
    package var kernelLogPath: String?
    /// false forces the polling form.
    package var useBPF: Bool
    /// Where to begin in the kernel log.
    package var start: KernelLog.Start
    /// A file of lines that stands for a kernel log, for simulation; nil = none.
    package var simulatedLogPath: String?
    /// Whether only lines are handed on that may tell of a fault: a full log of chatter must not push one out of the buffer.
    package var faultLinesOnly: Bool
    /// Whether to watch what is not in a log: PCIe, memory, processes.
    package var watchesHost: Bool
    /// Device nodes to watch beside those of the vendors' accelerators.
    package var deviceNodes: [String]
    /// From when on a call that cannot be interrupted is told of, in seconds.
    package var stuckAfterSeconds: Double
    /// Whether every system call on a device is timed: that taxes every system call of the host.
    package var timesDeviceCalls: Bool
    /// nil: calls into vendors' libraries are not timed. Each call costs about a microsecond, on some processors ten.
    package var vendorCalls: VendorCallOptions?
    /// Events that wait for the reader at most; later ones are dropped and counted, since the first of a storm tell most.
    package var bufferLimit: Int
    /// Shared by the probes of one host.
    let holders = HolderTable()

    package init(
        root: HostRoot = .real, kernelLogPath: String? = KernelLog.devicePath, useBPF: Bool = true,
        start: KernelLog.Start = .now, simulatedLogPath: String? = nil, faultLinesOnly: Bool = false,
        watchesHost: Bool = true, deviceNodes: [String] = [], stuckAfterSeconds: Double = 10,
        timesDeviceCalls: Bool = false, vendorCalls: VendorCallOptions? = nil, bufferLimit: Int = 4096
    ) {
        self.root = root
        self.kernelLogPath = kernelLogPath
        self.useBPF = useBPF
        self.start = start
        self.simulatedLogPath = simulatedLogPath
        self.faultLinesOnly = faultLinesOnly
        self.watchesHost = watchesHost
        self.deviceNodes = deviceNodes
        self.stuckAfterSeconds = stuckAfterSeconds
        self.timesDeviceCalls = timesDeviceCalls
        self.vendorCalls = vendorCalls
        self.bufferLimit = bufferLimit
    }

    func wants(_ line: KernelLogRecord) -> Bool {
        !faultLinesOnly || FaultParser.mayBeFault(line.text) || HostLine(line.text) != nil
    }
}
