/// Readings against a limit, again and again: tells when one passes it, once until it has come back far enough.
struct LimitWatch<Key: Hashable> {
    private var above: Set<Key> = []

    /// More than any host has of what is watched here; later keys are left out.
    static var limit: Int { 1 << 16 }

    /// True when the reading was below and is at or above `limit` now; it counts as below again under `limit - back`.
    mutating func passes(_ key: Key, _ reading: Double, limit: Double, back: Double) -> Bool {
        if reading >= limit { return above.count < Self.limit && above.insert(key).inserted }
        if reading < limit - back { above.remove(key) }
        return false
    }

    /// Forgets the readings that are no more.
    mutating func keep(_ isThere: (Key) -> Bool) { above = above.filter(isThere) }
}
