import HCSModel

/// What a request asks of one device.
package struct DeviceAsk: Hashable, Sendable {
    package var vram: UInt64
    /// Thousandths of the device; 0 = none is asked for.
    package var compute: Int32
    package var whole: Bool

    /// Of a device that has less, or of which nobody knows what it has.
    static let impossible = Int32.max

    init(_ request: PlacementRequest, on device: Device, _ exchange: ExchangeTable) {
        vram = request.vram.bytes
        whole = request.placement.wholeDevices
        compute = 0
        guard let amount = request.placement.compute else { return }
        switch exchange.share(of: amount, class: request.placement.workloadClass, on: device) {
        case .success(let share): compute = Int32(clamping: share)
        case .failure: compute = Self.impossible
        }
    }

    /// Thousandths of the device that are gone for others: the larger of memory and compute.
    func share(of memory: UInt64) -> Int {
        guard !whole, memory > 0 else { return DeviceState.wholeCompute }
        let part = Self.thousandths(min(vram, memory), of: memory)
        let milli = part.quotient + (part.isExact ? 0 : 1)
        return min(max(milli, Int(min(compute, 1000)), 1), DeviceState.wholeCompute)
    }

    /// Whole thousandths that `part` is of `all`, which is more than 0 and not less.
    static func thousandths(_ part: UInt64, of all: UInt64) -> (quotient: Int, isExact: Bool) {
        let (short, overflow) = part.multipliedReportingOverflow(by: 1000)
        if !overflow {
            let quotient = short / all
            return (Int(quotient), quotient &* all == short)
        }
        let product = part.multipliedFullWidth(by: 1000)
        let (quotient, rest) = all.dividingFullWidth((product.high, product.low))
        return (Int(quotient), rest == 0)
    }
}

/// What is free of a device: the figures that decide again and again, those that follow from others reckoned once.
package struct DeviceRoom: Equatable, Sendable {
    package private(set) var memory: UInt64
    private var margin: UInt64
    private var granted: UInt64
    /// The larger of what the driver and the segments count.
    private var seen: UInt64
    package private(set) var free: UInt64
    package private(set) var grantedCompute: Int32
    package private(set) var holders: Int32
    package private(set) var isHeldWhole: Bool
    /// Free thousandths as packing counts them: the smaller of memory and compute, rounded down.
    private(set) var milli: UInt16

    /// What a driver counts in use of a device that nobody uses is not worth a share of it.
    private static let idleUse: UInt64 = 1 << 30

    init(_ state: DeviceState) {
        memory = state.device.memory.bytes
        margin = state.margin.bytes
        granted = state.granted.bytes
        seen = max(state.driverUsed ?? .zero, state.segmentUsed).bytes
        grantedCompute = Int32(clamping: state.grantedCompute)
        holders = Int32(clamping: state.holders)
        isHeldWhole = state.isHeldWhole
        free = 0
        milli = 0
        reckon()
    }

    private mutating func reckon() {
        let (taken, overflow) = max(granted, seen).addingReportingOverflow(margin)
        free = overflow || taken >= memory ? 0 : memory - taken
        milli = reckonedMilli
    }

    package var freeCompute: Int32 { isHeldWhole ? 0 : max(0, Int32(DeviceState.wholeCompute) - grantedCompute) }

    /// Nobody has a share of it, and no stranger uses it.
    package var isIdle: Bool { holders == 0 && seen <= max(margin, Self.idleUse) }

    private var reckonedMilli: UInt16 {
        if holders == 0 && granted == 0 && isIdle { return PackingShape.wholeDevice }
        guard holders < DeviceState.holderLimit, memory > margin else { return 0 }
        let share = Int32(DeviceAsk.thousandths(free, of: memory - margin).quotient)
        return UInt16(max(0, min(share, freeCompute, Int32(PackingShape.wholeDevice))))
    }

    /// How often the device can be asked for this, one beside the other.
    func times(_ ask: DeviceAsk) -> UInt64 {
        guard !ask.whole else { return isIdle ? 1 : 0 }
        let byMemory = ask.vram > 0 ? free / ask.vram : .max
        let byCompute = ask.compute > 0 ? UInt64(freeCompute / ask.compute) : .max
        return min(byMemory, byCompute, UInt64(max(0, DeviceState.holderLimit - Int(holders))))
    }

    func taking(_ ask: DeviceAsk) -> DeviceRoom {
        var room = self
        let (sum, overflow) = granted.addingReportingOverflow(ask.whole ? memory : ask.vram)
        room.granted = overflow ? .max : sum
        room.grantedCompute += ask.whole ? Int32(DeviceState.wholeCompute) : min(ask.compute, 1000)
        room.holders += 1
        if ask.whole { room.isHeldWhole = true }
        room.reckon()
        return room
    }
}

/// What a request asks of the host.
package struct HostAsk: Hashable, Sendable {
    package var cpuMilli: Int
    package var memory: UInt64

    init(_ request: PlacementRequest) {
        cpuMilli = request.placement.cpuMilli
        memory = request.placement.memory.bytes
    }
}

/// What is free of a host.
package struct NodeRoom: Equatable, Sendable {
    /// Thousandths of a core; as much as there can be where nobody tells.
    package var cpu: Int32
    package var memory: UInt64
    /// Asked for by the member.
    static let unknownCPU: Int32 = 1 << 24

    init(_ state: NodeState) {
        cpu = state.freeCPUMilli.map { Int32(clamping: $0) } ?? Self.unknownCPU
        memory = state.freeMemory?.bytes ?? .max
    }
}
