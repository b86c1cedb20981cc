import HCSModel

/// What is alike on many devices and fixed for a cycle: filters of basis `kind` answer the same for all of one kind.
struct DeviceKind: Hashable {
    var vendor: Vendor
    var model: String
    var maker: String?
    var memory: ByteCount
    var driver: String?
    var runtime: String?
    var pool: String?
    var software: [HostFacts.Software]

    init(_ state: DeviceState, of node: NodeState) {
        vendor = state.device.vendor
        model = state.device.modelName
        maker = state.device.details.maker
        memory = state.device.memory
        driver = state.device.driverVersion
        runtime = state.device.details.runtimeVersion
        pool = state.pool
        software = node.software
    }

    func isKind(of state: DeviceState, of node: NodeState) -> Bool { self == DeviceKind(state, of: node) }
}

/// Devices of one kind on one node, as packing sees them: at most 16.
struct Cell {
    var node: Int
    /// Index into `CycleLayout.kinds`.
    var kind: Int
    /// As packing numbers models, below 64.
    var model: UInt8
    /// Indices of the node's devices.
    var devices: [Int]
    /// Bit i: `devices[i]` takes work, for all that does not depend on who asks.
    var open: UInt16 = 0
    /// Bit i: the i-th condition closes one of them.
    var closing: UInt64 = 0
    /// Of the first device among the flat arrays of all devices.
    var first = 0
}

/// The cluster in the order in which a cycle looks at it; fixed for the cycle, but for which devices are open.
struct CycleLayout {
    private(set) var cells: [Cell] = []
    /// Cells of each node.
    private(set) var cellsOfNode: [Range<Int>] = []
    private(set) var kinds: [DeviceKind] = []
    /// A device of each kind with its node, to ask filters and scores of.
    private(set) var examples: [(node: Int, device: Int)] = []
    /// How many devices there are of each kind.
    private(set) var counts: [Int] = []
    /// Index of the kind's model, below `PackingNode.modelLimit`; the last one is for all further models.
    private(set) var models: [UInt8] = []
    private(set) var deviceCount = 0

    /// Whoever asks: a condition looks at no request.
    static let anyone = PlacementRequest(runtime: .cuda, vram: .zero)

    init(_ snapshot: ClusterSnapshot, conditions: [any FilterPlugin]) {
        var numbers: [DeviceKind: Int] = [:]
        var modelNumbers: [ModelName: UInt8] = [:]
        for (n, node) in snapshot.nodes.enumerated() {
            let start = cells.count
            var last: (kind: Int, cell: Int)?
            for (d, device) in node.devices.enumerated() {
                let kind: Int
                if let last, kinds[last.kind].isKind(of: device, of: node) {
                    kind = last.kind
                } else {
                    kind = number(of: DeviceKind(device, of: node), n, d, &numbers, &modelNumbers)
                }
                let found = last?.kind == kind ? last?.cell : cells.indices[start...].last { cells[$0].kind == kind }
                let cell: Int
                if let found, cells[found].devices.count < PackingNode.deviceLimit {
                    cell = found
                } else {
                    cell = cells.count
                    cells.append(Cell(node: n, kind: kind, model: models[kind], devices: []))
                }
                cells[cell].devices.append(d)
                counts[kind] += 1
                last = (kind, cell)
            }
            cellsOfNode.append(start..<cells.count)
            setConditions(of: n, snapshot, conditions)
            for cell in start..<cells.count {
                cells[cell].first = deviceCount
                deviceCount += cells[cell].devices.count
            }
        }
    }

    /// Opens and closes the node's devices.
    mutating func setConditions(of n: Int, _ snapshot: ClusterSnapshot, _ conditions: [any FilterPlugin]) {
        let node = snapshot.nodes[n]
        for cell in cellsOfNode[n] {
            cells[cell].open = 0
            cells[cell].closing = 0
            for (i, d) in cells[cell].devices.enumerated() {
                var closing: UInt64 = 0
                for (i, condition) in conditions.enumerated()
                where !condition.admits(Self.anyone, on: node.devices[d], of: node) { closing |= 1 << UInt64(i) }
                cells[cell].closing |= closing
                if closing == 0 { cells[cell].open |= 1 << i }
            }
        }
    }

    private struct ModelName: Hashable {
        var vendor: Vendor
        var name: String
        var memory: ByteCount
    }

    private mutating func number(
        of kind: DeviceKind, _ node: Int, _ device: Int, _ numbers: inout [DeviceKind: Int],
        _ modelNumbers: inout [ModelName: UInt8]
    ) -> Int {
        if let number = numbers[kind] { return number }
        let number = kinds.count
        numbers[kind] = number
        kinds.append(kind)
        examples.append((node, device))
        counts.append(0)
        let name = ModelName(vendor: kind.vendor, name: kind.model, memory: kind.memory)
        let next = UInt8(min(modelNumbers.count, PackingNode.modelLimit - 1))
        let model = modelNumbers[name] ?? next
        modelNumbers[name] = model
        models.append(model)
        return number
    }
}
