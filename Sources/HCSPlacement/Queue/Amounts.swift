package import HCSModel

/// What work takes of the pool, in every resource that quotas and fair share count.
package struct Amounts: Hashable, Sendable {
    /// Devices that it has a part of.
    package var devices: Int
    package var vram: ByteCount
    /// Thousandths of devices.
    package var computeMilli: Int
    /// Thousandths of cores.
    package var cpuMilli: Int
    /// Of the hosts.
    package var memory: ByteCount

    package init(
        devices: Int = 0, vram: ByteCount = .zero, computeMilli: Int = 0, cpuMilli: Int = 0, memory: ByteCount = .zero
    ) {
        self.devices = devices
        self.vram = vram
        self.computeMilli = computeMilli
        self.cpuMilli = cpuMilli
        self.memory = memory
    }

    package static let zero = Amounts()

    /// What a placement takes. A whole device is all of its compute.
    package init(_ placement: PlacementCycle.Placement) {
        self.init(
            devices: placement.grants.count,
            vram: placement.grants.reduce(.zero) { $0.adding($1.quota) },
            computeMilli: placement.grants.reduce(0) { $0 + ($1.whole == true ? 1000 : $1.computeMilli ?? 0) },
            cpuMilli: placement.cpuMilli, memory: placement.memory)
    }

    /// What a request will take at least: a whole device's memory and a share given in TFLOPS are known only where it
    /// is placed.
    package init(asking request: PlacementRequest) {
        let spec = request.placement
        var share = spec.wholeDevices ? 1000 : 0
        if case .share(let thousandths) = spec.compute { share = max(share, thousandths) }
        self.init(
            devices: spec.devices,
            vram: ByteCount(request.vram.bytes.multipliedReportingOverflow(by: UInt64(spec.devices)).partialValue),
            computeMilli: share * spec.devices, cpuMilli: spec.cpuMilli, memory: spec.memory)
    }

    package static func + (a: Amounts, b: Amounts) -> Amounts {
        Amounts(
            devices: a.devices + b.devices, vram: a.vram.adding(b.vram), computeMilli: a.computeMilli + b.computeMilli,
            cpuMilli: a.cpuMilli + b.cpuMilli, memory: a.memory.adding(b.memory))
    }

    /// Nothing falls below zero.
    package static func - (a: Amounts, b: Amounts) -> Amounts {
        Amounts(
            devices: max(0, a.devices - b.devices), vram: a.vram.subtracting(b.vram),
            computeMilli: max(0, a.computeMilli - b.computeMilli), cpuMilli: max(0, a.cpuMilli - b.cpuMilli),
            memory: a.memory.subtracting(b.memory))
    }

    package static func += (a: inout Amounts, b: Amounts) { a = a + b }

    /// The largest part that this is of any resource of `capacity`; a resource that the pool has none of counts for
    /// nothing. Dominant resource fairness (Ghodsi et al., NSDI 2011) orders tenants by it.
    package func dominantShare(of capacity: Amounts) -> Double {
        func part(_ amount: Double, _ whole: Double) -> Double { whole > 0 ? amount / whole : 0 }
        return max(
            part(Double(vram.bytes), Double(capacity.vram.bytes)),
            part(Double(computeMilli), Double(capacity.computeMilli)),
            part(Double(cpuMilli), Double(capacity.cpuMilli)),
            part(Double(memory.bytes), Double(capacity.memory.bytes)))
    }
}

/// A bound in some resources; the others are not bounded.
package struct AmountBound: Hashable, Sendable {
    package var devices: Int?
    package var vram: ByteCount?
    package var computeMilli: Int?
    package var cpuMilli: Int?
    package var memory: ByteCount?

    package init(
        devices: Int? = nil, vram: ByteCount? = nil, computeMilli: Int? = nil, cpuMilli: Int? = nil,
        memory: ByteCount? = nil
    ) {
        self.devices = devices
        self.vram = vram
        self.computeMilli = computeMilli
        self.cpuMilli = cpuMilli
        self.memory = memory
    }

    package var isEmpty: Bool { self == AmountBound() }

    package func holds(_ amounts: Amounts) -> Bool { exceeded(by: amounts) == nil }

    /// The first bound that `amounts` pass, in words; nil = none. Without what they are: that changes all the time.
    package func exceeded(by amounts: Amounts) -> String? {
        if let devices, amounts.devices > devices { return "\(devices) device\(devices == 1 ? "" : "s")" }
        if let vram, amounts.vram > vram { return "\(vram) of device memory" }
        if let computeMilli, amounts.computeMilli > computeMilli {
            return "\(Self.decimal(computeMilli)) devices' compute"
        }
        if let cpuMilli, amounts.cpuMilli > cpuMilli { return "\(Self.decimal(cpuMilli)) cores" }
        if let memory, amounts.memory > memory { return "\(memory) of host memory" }
        return nil
    }

    /// Thousandths as a decimal fraction.
    package static func decimal(_ milli: Int) -> String {
        guard milli % 1000 != 0 else { return "\(milli / 1000)" }
        var digits = String(1000 + milli % 1000).dropFirst()
        while digits.last == "0" { digits.removeLast() }
        return "\(milli / 1000).\(digits)"
    }
}
