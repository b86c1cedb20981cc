/// Lines that the eBPF program saw and whose records have not been read yet: a record gets its time from here.
struct PendingSightings {
    private struct Sighting { var text: [UInt8], nanoseconds: UInt64 }
    private var sightings: [Sighting] = []

    /// More than a full ring buffer holds.
    static let limit = 512
    /// A sighting whose record does not come (it was continued by a later print, or overrun) is forgotten after this.
    static let maximumAge: UInt64 = 5_000_000_000

    mutating func add(text: [UInt8], nanoseconds: UInt64) {
        if sightings.count == Self.limit { sightings.removeFirst() }
        sightings.append(Sighting(text: text, nanoseconds: nanoseconds))
    }

    /// The time of the oldest sighting of this line, which is used up. The kernel gives the program at most the first
    /// 511 bytes, and of a line printed in pieces the first piece.
    mutating func take(_ text: String) -> UInt64? {
        guard let index = sightings.firstIndex(where: { text.utf8.starts(with: $0.text) }) else { return nil }
        return sightings.remove(at: index).nanoseconds
    }

    mutating func forget(before now: UInt64) {
        sightings.removeAll { $0.nanoseconds + Self.maximumAge < now }
    }

    /// A line was seen a moment ago and its record not read: it comes at any time now.
    func isFresh(at now: UInt64) -> Bool {
        sightings.last.map { $0.nanoseconds + Self.freshNanoseconds > now } ?? false
    }

    private static let freshNanoseconds: UInt64 = 50_000_000

    var isEmpty: Bool { sightings.isEmpty }
}
