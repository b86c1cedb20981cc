internal import HCSModel
internal import HCSSystem
internal import Synchronization

/// Runs an `EventSource`: its program where the kernel takes it, else a reading of the files at an interval, with the
/// reason in the status.
final class EventProbe<Source: EventSource>: Probe {
    let name: String = Source.name
    private let options: ProbeOptions
    private let current = Mutex(ProbeStatus(name: Source.name, state: .unavailable, detail: "not started"))

    /// nil when the options do not ask for the host's events.
    init?(options: ProbeOptions) {
        guard options.watchesHost else { return nil }
        self.options = options
    }

    func status() -> ProbeStatus { current.withLock { $0 } }

    func run(_ context: ProbeContext) {
        let inbox = Inbox(Source(options: options))
        let reason: String?
        switch attach(inbox) {
        case .success(let object):
            set(.attached, "eBPF on \(Source.tracepoint ?? Source.name)")
            watch(object, inbox, context)
            return
        case .failure(let error): reason = error.message
        case nil: reason = nil
        }
        var found = take(inbox.source.look(), reason, context)
        context.ready()
        while !Readiness.wait([context.stop.number], milliseconds: Self.interval(found))[0] {
            found = take(inbox.source.look(), reason, context)
        }
    }

    /// Milliseconds until the next reading. Where there is nothing to read, what may come is hardware or a driver.
    private static func interval(_ found: FileLook.Coverage) -> Int32 {
        if case .nothing = found { max(Source.interval, 30_000) } else { Source.interval }
    }

    /// The source, and what its program told within `consume`; a reference, since the handler adds to it on this thread.
    private final class Inbox {
        var source: Source
        private var batch = EventBatch()

        init(_ source: Source) { self.source = source }

        func add(_ bytes: UnsafeRawBufferPointer) {
            if let event = source.event(from: bytes) { batch.add(event) }
        }

        func take() -> [ProbeEvent] { batch.take() }
    }

    /// nil for a source without a program on a tracepoint.
    private func attach(_ inbox: Inbox) -> Result<BPFObject, ProbeError>? {
        guard let program = Source.program, let tracepoint = Source.tracepoint else { return nil }
        guard options.useBPF else { return .failure(ProbeError(.noProgram, "eBPF switched off")) }
        return Result { () throws(ProbeError) in
            let object = try BPFObject(
                hexadecimal: program, tracepoint: tracepoint, root: options.root, handler: { inbox.add($0) })
            try inbox.source.attach(object)
            return object
        }
    }

    private func watch(_ object: BPFObject, _ inbox: Inbox, _ context: ProbeContext) {
        _ = inbox.source.refresh(object)
        context.ready()
        while !Readiness.wait([context.stop.number, object.number], milliseconds: Source.refreshInterval)[0] {
            let kept = inbox.source.refresh(object)
            object.consume()
            tell(kept + inbox.take(), context)
            let drops = object.newDrops()
            current.withLock { $0.dropped += drops }
            // What comes meanwhile is read together, so that like events become one.
            if Readiness.wait([context.stop.number], milliseconds: ProbeContext.pause)[0] { return }
        }
    }

    private func take(_ look: FileLook, _ reason: String?, _ context: ProbeContext) -> FileLook.Coverage {
        let every = Source.interval / 1000
        let why = (reason ?? look.reason).map { "; \($0)" } ?? ""
        switch look.coverage {
        case .iterates(let what): set(.attached, "eBPF iterator over \(what) every \(every) s")
        case .reads(let what): set(.polling, "reads \(what) every \(every) s\(why)")
        case .nothing(let what): set(.unavailable, "\(what)\(why)")
        }
        tell(look.events, context)
        return look.coverage
    }

    /// A reader that is behind is waited for: a counter's growth is told once, and a ring buffer holds what comes meanwhile.
    private func tell(_ events: [ProbeEvent], _ context: ProbeContext) {
        guard !events.isEmpty else { return }
        let lost = context.deliver(events)
        current.withLock {
            $0.events = events.reduce($0.events) { $0.saturatingAdd($1.count) }
            $0.dropped = lost.reduce($0.dropped) { $0.saturatingAdd($1.count) }
        }
    }

    private func set(_ state: ProbeStatus.State, _ detail: String) {
        current.withLock { ($0.state, $0.detail) = (state, detail) }
    }
}
