/// Events seen together: those that differ in nothing but their time become one with their number, at the time of the first.
struct EventBatch {
    private var events: [ProbeEvent] = []
    private var places: [HostEvent: Int] = [:]

    mutating func add(_ event: ProbeEvent) {
        guard case .host(let new) = event else {
            events.append(event)
            return
        }
        var like = new
        like.seen = Sighting(monotonicNanoseconds: 0, atMilliseconds: 0, via: new.seen.via)
        like.count = 1
        guard let place = places[like], case .host(var first) = events[place] else {
            places[like] = events.count
            events.append(event)
            return
        }
        first.count = first.count.saturatingAdd(new.count)
        events[place] = .host(first)
    }

    /// All since the last call, in the order of their first.
    mutating func take() -> [ProbeEvent] {
        defer { self = EventBatch() }
        return events
    }
}

extension ProbeEvent {
    /// How many it stands for.
    var count: UInt64 {
        switch self {
        case .kernelLog: 1
        case .host(let event): event.count
        }
    }
}
