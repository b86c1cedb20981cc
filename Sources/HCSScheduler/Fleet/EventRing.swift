import HCSAPI
import HCSModel

/// The newest events by number, for readers.
struct EventRing: Sendable {
    private var items: [FleetEvent]

    init(_ stored: [FleetEvent] = []) { items = stored.suffix(FleetEvent.kept) }

    mutating func append(_ fresh: [FleetEvent]) {
        items += fresh
        // Cut seldom, so that an append costs what it appends.
        if items.count > FleetEvent.kept + FleetEvent.kept / 4 { items.removeFirst(items.count - FleetEvent.kept) }
    }

    /// Reads on behind `after`; 0 is from the beginning, or from the first that is not too old. A page ends before a jump in the numbers, so that a reader
    /// learns where something may be missing whatever it filters.
    func page(after: UInt64, limit: Int, filter: EventFilter) -> EventPage {
        var index = firstIndex(behind: after)
        if after == 0, let notBefore = filter.notBefore {
            index = items.firstIndex { $0.atMilliseconds >= notBefore } ?? items.count
        }
        guard index < items.count else {
            // A number that was never given: the reader's is of another scheduler's store.
            let last = items.last?.sequence ?? 0
            return EventPage(items: [], next: last, gap: after > last, atEnd: true)
        }
        var page = EventPage(
            items: [], next: after, gap: after != 0 && items[index].sequence != after &+ 1, atEnd: false)
        let first = index
        while index < items.count, page.items.count < limit {
            if index > first, items[index].sequence != page.next &+ 1 { return page }
            page.next = items[index].sequence
            if filter.matches(items[index]) { page.items.append(items[index]) }
            index += 1
        }
        page.atEnd = index == items.count
        return page
    }

    private func firstIndex(behind number: UInt64) -> Int {
        var low = 0
        var high = items.count
        while low < high {
            let middle = (low + high) / 2
            if items[middle].sequence <= number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
