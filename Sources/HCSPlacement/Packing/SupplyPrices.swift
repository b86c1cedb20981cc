/// What room for scarce work is worth: work that needs several devices of one node, or certain models, or no device but
/// much CPU. The price of a shape rises with the square of its scarcity (all that is free over what is free where the
/// shape fits); taking such room costs price times amount. Without scarce work in the mix all prices are zero.
struct SupplyPrices {
    private struct Good {
        var shape: PackingShape
        /// Part of the demand for devices; for work without devices its popularity in the same unit.
        var demand: Double
        /// Thousandths of devices (without devices: of cores) that are free where the shape fits.
        var supply = 0
        /// Per thousandth, a whole number of `scale` parts; 0 = no price.
        var price = 0.0
    }

    private var goods: [Good]
    private var freeDevices = 0
    private var freeCPU = 0

    /// Devices that a device's worth of scarce room costs at full demand and scarcity 1.
    static let weight = 0.04
    static let scarcityLimit = 15.0
    /// What a piece of work without devices is worth, in devices: so much that work with devices does not crowd it out
    /// where CPU is short. Where CPU is plentiful its price is the same everywhere and decides nothing.
    static let worthWithoutDevices = 45.0
    static let scale = Double(1 << 16)
    private static let worthLimit = 1e18

    init(mix: WorkloadMix) {
        let mean = mix.meanDevices
        guard mean > 0 else {
            goods = []
            return
        }
        goods = mix.entries.compactMap { entry in
            let shape = entry.shape
            let popularity = Double(entry.count) / Double(mix.total)
            if shape.devices == 0 {
                return Good(shape: shape, demand: popularity * Self.worthWithoutDevices / mean)
            }
            guard shape.devices > 1 || shape.models != PackingShape.anyModel else { return nil }
            return Good(shape: shape, demand: popularity * Double(shape.deviceMilli) / 1000 / mean)
        }
    }

    var isEmpty: Bool { goods.isEmpty }

    /// Counts a node in (sign 1) or out (-1).
    mutating func add(_ state: PackingState, sign: Int) {
        freeDevices += sign * state.freeMilli
        freeCPU += sign * Int(state.cpu)
        for i in goods.indices { goods[i].supply += sign * Self.usable(state, goods[i].shape) }
    }

    /// Sets the prices by what is free now.
    mutating func update() {
        for i in goods.indices {
            goods[i].price = 0
            let good = goods[i]
            guard good.supply > 0 else { continue }
            let all = good.shape.devices > 0 ? freeDevices : freeCPU
            let scarcity = min(Self.scarcityLimit, Double(all) / Double(good.supply))
            let perUnit = good.shape.devices > 0 ? scarcity : Double(freeDevices) / Double(good.supply)
            let price = Self.weight * good.demand * scarcity * perUnit * Double(StrandedValue.sequences) * Self.scale
            goods[i].price = price.rounded()
        }
    }

    /// What the node's room is worth at these prices.
    func worth(_ state: PackingState) -> Int64 {
        // Exact for what clusters have, and no overflow for what a file may say.
        var sum = 0.0
        for good in goods where good.price > 0 { sum += good.price * Double(Self.usable(state, good.shape)) }
        return Int64(min(sum, Self.worthLimit))
    }

    /// Thousandths of devices (without devices: of cores) that `shape` could use.
    private static func usable(_ state: PackingState, _ shape: PackingShape) -> Int {
        guard state.cpu >= shape.cpu else { return 0 }
        guard shape.devices > 0 else { return Int(state.cpu) }
        guard shape.allows(model: state.model) else { return 0 }
        let fitting = state.fitting(shape.share)
        guard fitting >= Int(shape.devices) else { return 0 }
        var sum = 0
        for i in 0..<fitting { sum += Int(state.free[i]) }
        return sum
    }
}
