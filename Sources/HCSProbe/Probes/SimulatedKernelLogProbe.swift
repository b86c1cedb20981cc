package import HCSModel
internal import HCSSystem
internal import Synchronization

/// Tails a plain file of lines that stands for a kernel log: one line, one record, without a sequence number and marked
/// simulated. The file may come later, be cut or be replaced.
package final class SimulatedKernelLogProbe: Probe {
    package static let probeName = "simulated-kernel-log"

    package let name: String = SimulatedKernelLogProbe.probeName
    private let path: String
    private let options: ProbeOptions
    private let current: Mutex<ProbeStatus>

    /// nil when the options name no simulated log.
    package init?(options: ProbeOptions) {
        guard let path = options.simulatedLogPath else { return nil }
        self.path = path
        self.options = options
        current = Mutex(ProbeStatus(name: Self.probeName, state: .unavailable, detail: "not started"))
    }

    package func status() -> ProbeStatus { current.withLock { $0 } }

    package func run(_ context: ProbeContext) {
        let slash = path.lastIndex(of: "/")
        let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        var tail = FileTail(path: path)
        if options.start == .now { tail.skipToEnd() }
        do {
            try follow(&tail, DirectoryWatch(directory), context)
        } catch {
            // No such directory yet, or no inotify watch left: look by hand.
            setDetail("tails \(path) every 20 ms; \(error)")
            context.ready()
            while !Readiness.wait([context.stop.number], milliseconds: 20)[0] { deliver(&tail, context) }
        }
    }

    private func follow(_ tail: inout FileTail, _ watch: consuming DirectoryWatch, _ context: ProbeContext)
        throws(SystemError)
    {
        setDetail("tails \(path) by inotify")
        deliver(&tail, context, isHistory: true)
        context.ready()
        // Once a second without a sign: some file systems give none.
        while !Readiness.wait([context.stop.number, watch.number], milliseconds: 1000)[0] {
            watch.drain()
            if deliver(&tail, context), Readiness.wait([context.stop.number], milliseconds: ProbeContext.pause)[0] {
                return
            }
        }
    }

    /// Whether there were lines.
    @discardableResult
    private func deliver(_ tail: inout FileTail, _ context: ProbeContext, isHistory: Bool = false) -> Bool {
        let lines = tail.readLines()
        guard !lines.isEmpty else { return false }
        let now = MonotonicClock.nowNanoseconds()
        let wall = RealtimeClock.nowMilliseconds()
        var events: [ProbeEvent] = []
        for line in lines {
            let record = KernelLogRecord(
                sequence: nil, monotonicMicroseconds: now / 1000, facility: 0, level: 3, text: line)
            guard options.wants(record) else { continue }
            let event = KernelLogEvent(
                record: record, seenMonotonicNanoseconds: now, atMilliseconds: wall, via: .polling,
                isHistory: isHistory,
                simulated: true)
            events.append(.kernelLog(event))
        }
        let lost = UInt64(context.emit(events).count)
        current.withLock {
            $0.events += UInt64(lines.count)
            $0.dropped += lost
        }
        return true
    }

    private func setDetail(_ detail: String) {
        current.withLock {
            $0.state = .polling
            $0.detail = detail
        }
    }
}
