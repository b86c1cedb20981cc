internal import CHCSProbe
package import HCSModel
internal import HCSSystem
internal import Synchronization

/// Watches the kernel log. Records always come from /dev/kmsg, with their sequence numbers; where eBPF may be used, the
/// program on printk:console (bpf/kernel_log.bpf.c) wakes the thread and gives the kernel's time. The polling form waits
/// for the device itself.
package final class KernelLogProbe: Probe {
    package static let probeName = "kernel-log"

    package let name: String = KernelLogProbe.probeName
    private let options: ProbeOptions
    private let path: String
    private let current: Mutex<ProbeStatus>

    /// nil when the options name no kernel log.
    package init?(options: ProbeOptions) {
        guard let path = options.kernelLogPath else { return nil }
        self.options = options
        self.path = path
        current = Mutex(ProbeStatus(name: Self.probeName, state: .unavailable, detail: "not started"))
    }

    package func status() -> ProbeStatus { current.withLock { $0 } }

    package func run(_ context: ProbeContext) {
        var pass = Pass(context: context, options: options)
        // The program first: nothing may fall between it and the start of the reading.
        let object = attach { [pending = pass.pending] in pending.add($0) }
        let log: KernelLog
        do { log = try KernelLog(path: path, start: options.start) } catch {
            fail("\(error)")
            return
        }
        watch(log, object, &pass)
    }

    private func watch(_ log: consuming KernelLog, _ object: BPFObject?, _ pass: inout Pass) {
        var descriptors = [pass.context.stop.number, log.number]
        if let object { descriptors.append(object.number) }
        var isHistory = true
        while true {
            object?.consume()
            let seen: Int
            do {
                let batch = try log.readAvailable()
                seen = batch.records.count
                let lost = pass.deliver(batch, isHistory: isHistory)
                count(
                    events: UInt64(batch.records.count), dropped: batch.dropped + lost, programDrops: object?.drops ?? 0
                )
                if batch.more {
                    // A storm must not keep the thread from stopping.
                    if Readiness.wait([pass.context.stop.number], milliseconds: 0)[0] { return }
                    continue
                }
            } catch {
                fail("\(error)")
                return
            }
            if isHistory {
                isHistory = false
                pass.context.ready()
            } else if seen > 0 {
                let pause = seen < ProbeContext.stormCount ? ProbeContext.pause : ProbeContext.stormPause
                if Readiness.wait([pass.context.stop.number], milliseconds: pause)[0] { return }
            }
            // The program sees a line just before it can be read, and the device's own sign comes milliseconds later
            // (it waits for a timer tick): so look again soon while a sighting has no record yet.
            if Readiness.wait(descriptors, milliseconds: pass.pending.isFresh ? 1 : -1)[0] { return }
        }
    }

    private func attach(_ handler: @escaping BPFObject.Handler) -> BPFObject? {
        func set(_ state: ProbeStatus.State, _ detail: String) {
            current.withLock { ($0.state, $0.detail) = (state, detail) }
        }
        guard options.useBPF else {
            set(.polling, "reads \(path); eBPF switched off")
            return nil
        }
        do {
            let object = try BPFObject(
                hexadecimal: EmbeddedPrograms.kernelLog, tracepoint: "printk:console", root: options.root,
                handler: handler)
            try object.attach(to: "printk:console")
            set(.attached, "eBPF on printk:console, records from \(path)")
            return object
        } catch {
            set(.polling, "reads \(path); \(error)")
            return nil
        }
    }

    private func fail(_ reason: String) {
        let missing = Capabilities.effective(root: options.root).has("CAP_SYSLOG") ? "" : " (CAP_SYSLOG missing)"
        current.withLock {
            $0.state = .unavailable
            $0.detail = reason + missing
        }
    }

    private func count(events: UInt64, dropped: UInt64, programDrops: UInt64) {
        current.withLock {
            $0.events += events
            $0.dropped += dropped
            // A sighting that did not fit costs the kernel's time, not the record: told, not counted as dropped.
            if programDrops > 0, $0.state == .attached {
                $0.detail =
                    "eBPF on printk:console, records from \(path); \(programDrops) sightings did not fit the ring buffer"
            }
        }
    }
}

/// What the thread keeps while it runs.
private struct Pass {
    let context: ProbeContext
    let options: ProbeOptions
    let pending = Sightings()

    /// Hands the records over; returns how many the reader was too slow for.
    func deliver(_ batch: KernelLog.Batch, isHistory: Bool) -> UInt64 {
        let now = MonotonicClock.nowNanoseconds()
        let wall = RealtimeClock.nowMilliseconds()
        var events: [ProbeEvent] = []
        for record in batch.records {
            let sighting = isHistory ? nil : pending.take(record)
            guard options.wants(record) else { continue }
            // The log's clock is not CLOCK_MONOTONIC, but near: good enough for the wall time of history.
            let seen = sighting ?? (isHistory ? min(record.monotonicMicroseconds &* 1000, now) : now)
            let age = Int64(clamping: (now - min(seen, now)) / 1_000_000)
            let event = KernelLogEvent(
                record: record, seenMonotonicNanoseconds: seen, atMilliseconds: wall - age,
                via: sighting == nil ? .polling : .bpf, isHistory: isHistory,
                simulated: FaultParser.isMarkedSimulated(record.text))
            events.append(.kernelLog(event))
        }
        pending.forget(before: now)
        // While the log is read from its beginning perhaps nobody reads yet.
        return UInt64(context.deliver(events, patience: isHistory ? 50 : .max).count)
    }

    /// A reference, since the program's handler adds to it within `consume`, on this thread.
    final class Sightings {
        private var pending = PendingSightings()

        func add(_ bytes: UnsafeRawBufferPointer) {
            var nanoseconds: UInt64 = 0
            var text: UnsafePointer<CChar>?
            var length: UInt32 = 0
            guard hcs_probe_log_event(bytes.baseAddress, bytes.count, &nanoseconds, &text, &length) == 0, let text
            else { return }
            let copy = UnsafeRawBufferPointer(start: text, count: Int(length))
            pending.add(text: Array(copy), nanoseconds: nanoseconds)
        }

        func take(_ record: KernelLogRecord) -> UInt64? { pending.take(record.text) }

        var isFresh: Bool { pending.isFresh(at: MonotonicClock.nowNanoseconds()) }

        func forget(before now: UInt64) {
            if !pending.isEmpty { pending.forget(before: now) }
        }
    }
}
