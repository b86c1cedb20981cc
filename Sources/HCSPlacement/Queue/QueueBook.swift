package import HCSModel

/// What the queue remembers from one cycle to the next: room that is kept, and who must not ask again yet. It is made
/// anew when a scheduler starts; nothing in it is needed for a decision to be safe.
package struct QueueBook: Equatable, Sendable {
    /// Room that is kept for a unit.
    package struct Claim: Equatable, Sendable {
        package enum Kind: String, Hashable, Sendable { case preemption, reservation }

        package var kind: Kind
        package var tenant: String
        package var placements: [PlacementCycle.Placement]
        /// Workloads whose attempt is to end; for a reservation nobody is asked to.
        package var waitsFor: Set<WorkloadID>
        package var sinceMilliseconds: Int64
        /// When it is given up.
        package var untilMilliseconds: Int64
        package var reason: String
    }

    package internal(set) var claims: [UnitKey: Claim] = [:]
    /// Units that may not preempt before this time.
    var restsUntil: [UnitKey: Int64] = [:]
    /// Units whose last search for victims ended before all was tried.
    var cutOff: Set<UnitKey> = []
    /// When a unit's reservation ended in vain: it goes to the back of the line.
    var gaveUp: [UnitKey: Int64] = [:]
    /// Units for which no room would be enough, looked at again then.
    var hopelessUntil: [UnitKey: Int64] = [:]
    /// Units that a cycle had no time for: the next ones look at them first.
    var passedOver: Set<UnitKey> = []

    package init() {}

    /// Forgets everything about units that no longer wait.
    mutating func keep(_ units: Set<UnitKey>) {
        claims = claims.filter { units.contains($0.key) }
        restsUntil = restsUntil.filter { units.contains($0.key) }
        gaveUp = gaveUp.filter { units.contains($0.key) }
        hopelessUntil = hopelessUntil.filter { units.contains($0.key) }
        passedOver.formIntersection(units)
        cutOff.formIntersection(units)
    }

    /// All room that is kept.
    package var held: [PlacementCycle.Placement] { claims.sorted { $0.key < $1.key }.flatMap(\.value.placements) }

    /// Keeps the room that moves make.
    package mutating func keepRoom(
        _ placements: [PlacementCycle.Placement], for key: UnitKey, of tenant: String, while works: [PlacedWork],
        reason: String, now: Int64
    ) {
        let grace = works.reduce(0) { max($0, $1.graceSeconds) }
        claims[key] = Claim(
            kind: .preemption, tenant: tenant, placements: placements, waitsFor: Set(works.map(\.id)),
            sinceMilliseconds: now,
            untilMilliseconds: now + Int64(grace) * 1000 + QueueCycle.victimSlackMilliseconds, reason: reason)
    }
}
