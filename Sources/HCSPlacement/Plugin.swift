import HCSModel

/// Says why a device cannot take a request.
package protocol FilterPlugin: Sendable {
    var name: String { get }
    var basis: FilterBasis { get }
    /// nil = no objection; else one sentence for the submitter, with the figures that decided.
    func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String?
}

/// What a filter's answer depends on: it is asked again only when that changes.
package enum FilterBasis: Sendable, CaseIterable {
    /// The condition of device and node, whoever asks: once for each device and cycle.
    case condition
    /// The request and what is alike on all devices of a `DeviceKind`: once for each such pair.
    case kind
    /// As `kind`, and the node's name: once for each request and node.
    case node
    /// Whoever asks, and the device's pool: once for each placement and pool.
    case quota
    /// What is free now: after each change of the node. The filter is a `RoomFilter`.
    case room
}

/// A filter whose answer changes as work is placed.
package protocol RoomFilter: FilterPlugin {
    func admits(_ ask: DeviceAsk, on device: DeviceRoom) -> Bool
    func admits(_ request: PlacementRequest, on node: NodeRoom) -> Bool
}

extension RoomFilter {
    package var basis: FilterBasis { .room }
    package func admits(_ ask: DeviceAsk, on device: DeviceRoom) -> Bool { true }
    package func admits(_ request: PlacementRequest, on node: NodeRoom) -> Bool { true }
}

extension FilterPlugin {
    func admits(_ request: PlacementRequest, on device: DeviceState, of node: NodeState) -> Bool {
        objection(to: request, on: device, of: node) == nil
    }
}

/// Ranks the devices that all filters accept, in thousandths of a device's worth: what another device must be worth less
/// to be taken.
package protocol ScorePlugin: Sendable {
    var name: String { get }
    var basis: ScoreBasis { get }
    func score(_ request: PlacementRequest, on device: DeviceState, of node: NodeState) -> Int
}

/// What a score depends on.
package enum ScoreBasis: Sendable {
    /// The device alone.
    case condition
    /// Request and `DeviceKind`.
    case kind
    /// As `kind`, and the node's name. Not added to the others: it comes before them.
    case wish
}

/// Whether a tenant may have more. What it answers may change at any time; it is asked once for each placement and pool.
package protocol QuotaCheck: Sendable {
    /// nil = it may; else why not, with the figures.
    func objection(to request: PlacementRequest, inPool pool: String?) -> String?
}
