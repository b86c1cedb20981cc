import HCSModel
import HCSSystem
import HCSTestSupport
import Synchronization
import Testing

@testable import HCSProbe

@Suite struct EventQueueTests {
    private func event(_ number: Int32) -> ProbeEvent {
        .host(HostEvent(.holderExit, seen: .polling(), severity: .info, pid: number, message: ""))
    }

    private func numbers(_ events: [ProbeEvent]) -> [Int32?] {
        events.map { if case .host(let event) = $0 { event.pid } else { nil } }
    }

    @Test func `the reader gets all that wait at once, in order, and what comes later after that`() async {
        let queue = EventQueue(limit: 100)
        #expect(queue.add([event(1), event(2)]).isEmpty && queue.add([event(3)]).isEmpty && queue.add([]).isEmpty)
        var signs = queue.signs.makeAsyncIterator()
        #expect(await signs.next() != nil)
        #expect(numbers(queue.take()) == [1, 2, 3])
        #expect(queue.take().isEmpty)
        #expect(queue.add([event(4)]).isEmpty)
        queue.close()
        #expect(await signs.next() != nil)
        #expect(numbers(queue.take()) == [4])
        #expect(await signs.next() == nil)
    }

    @Test func `a full queue refuses the newest until it was read`() {
        let queue = EventQueue(limit: 2)
        #expect(numbers(Array(queue.add([event(1), event(2), event(3)]))) == [3])
        #expect(numbers(Array(queue.add([event(4)]))) == [4])
        #expect(numbers(queue.take()) == [1, 2])
        #expect(queue.add([event(5)]).isEmpty)
    }

    @Test func `a reader that is behind is waited for, until it is told to stop or patience ends`() throws {
        let stop = try WakeUp()
        let taken = Mutex<[ProbeEvent]>([])
        // Has room for one at a time.
        let context = ProbeContext(stop: stop, ready: {}) { events in
            taken.withLock { $0 += events.prefix(1) }
            return events.dropFirst(1)
        }
        #expect(context.deliver((1...4).map { event($0) }).isEmpty)
        #expect(numbers(taken.withLock { $0 }) == [1, 2, 3, 4])
        #expect(numbers(Array(context.deliver((5...9).map { event($0) }, patience: 2))) == [8, 9])
        stop.signal()
        #expect(numbers(Array(context.deliver([event(10), event(11)]))) == [11])
    }

    /// Tells three things at its first look and none later.
    private struct OnceOnly: EventSource {
        static let name = "once-only"
        static let tracepoint: String? = nil
        static let program: StaticString? = nil
        static let interval: Int32 = 5
        private var events: [ProbeEvent]

        init(options: ProbeOptions) {
            events = (1...3).map {
                .host(HostEvent(.holderExit, seen: .polling(), severity: .info, pid: $0, message: ""))
            }
        }

        mutating func event(from bytes: UnsafeRawBufferPointer) -> ProbeEvent? { nil }

        mutating func look() -> FileLook {
            defer { events = [] }
            return FileLook(events: events, coverage: .reads("a list"))
        }
    }

    @Test func `what a polling probe saw is not lost to a reader that is behind`() async throws {
        let stop = try WakeUp()
        let taken = Mutex<[ProbeEvent]>([])
        let refusals = Mutex(0)
        let context = ProbeContext(stop: stop, ready: {}) { events in
            // The first two tries find no room.
            let tries = refusals.withLock {
                $0 += 1
                return $0
            }
            guard tries > 2 else { return events[...] }
            taken.withLock { $0 += events }
            return []
        }
        let probe = try #require(EventProbe<OnceOnly>(options: ProbeOptions(useBPF: false)))
        let thread = try WorkerThread(name: "once-only") { probe.run(context) }
        #expect(await eventually { taken.withLock { $0.count } == 3 })
        stop.signal()
        thread.join()
        #expect(numbers(taken.withLock { $0 }) == [1, 2, 3] && probe.status().dropped == 0)
    }
}
