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
    /// The condition of device and node, whoever asks: when something of the node has changed.
    case condition
    /// The request and what is alike on all devices of a `DeviceKind`: once for each such pair.
    case kind
    /// As `kind`, and the node's name: once for each request and node.
    case node
    /// Whoever asks, and the device's pool: once for each placement and pool.
    case quota
    /// What is free now: after each change of the node. The filter is a `DeviceRoomFilter` or a `HostRoomFilter`.
    case room
}

/// A filter whose answer changes as work is placed. What such filters together refuse they refuse also when less is
/// free: a node that was full is not asked again before it got room.
package protocol RoomFilter: FilterPlugin {}

extension RoomFilter {
    package var basis: FilterBasis { .room }
}

/// Looks at what is free of one device.
package protocol DeviceRoomFilter: RoomFilter {
    func admits(_ ask: DeviceAsk, on device: DeviceRoom) -> Bool
    /// A bit for each of `devices` that `admits` admits, out of `among`: all of a cell in one call.
    func admitted(_ ask: DeviceAsk, on devices: Span<DeviceRoom>, among: UInt16) -> UInt16
}

extension DeviceRoomFilter {
    package func admitted(_ ask: DeviceAsk, on devices: Span<DeviceRoom>, among: UInt16) -> UInt16 {
        var admitted = among
        var bits = among
        while bits != 0 {
            let i = bits.trailingZeroBitCount
            bits &= bits &- 1
            if !admits(ask, on: devices[i]) { admitted &= ~(1 << i) }
        }
        return admitted
    }
}

/// Looks at what is free of the host.
package protocol HostRoomFilter: RoomFilter {
    func admits(_ ask: HostAsk, on host: NodeRoom) -> Bool
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
