import HCSModel

/// A request as the ranking keeps it: without what decides nothing of where it fits and what that is worth.
struct RequestClass: Hashable {
    var request: PlacementRequest
    /// Pools that are closed to its tenant.
    var closed: [String?]

    init(_ request: PlacementRequest, closed: [String?]) {
        var request = request
        request.placement.priority = 0
        if request.placement.strategy != .spread {
            request.placement.gang = nil
            request.placement.tenant = PlacementSpec.defaultTenant
        }
        self.request = request
        self.closed = closed
    }
}

/// The best that a node offers a request.
struct Candidate {
    /// Higher goes before all else.
    var wish: Int
    /// Workloads of the request's group on the node.
    var others: Int
    /// Thousandths of a device.
    var worth: Int
    /// What packing says of it, in steps of `CycleRanking.quantum`; the rest of `worth` is the scores'.
    var packing: Int
    /// Less goes first.
    var tie: Int64
    /// By cell, a bit for each of its devices.
    var parts: [(cell: Int, devices: UInt16)]

    /// One number that orders nodes as `RankKey` does for the packing core, and names the node where that does; wishes
    /// and spread go first.
    func key(node: Int) -> Int64 {
        let wish = Int64(min(max(self.wish + 16, 0), 31))
        let spread = Int64(31 - min(max(others, 0), 31))
        let quantum = CycleRanking.quantum
        let steps = worth >= 0 ? worth / quantum : -((quantum - 1 - worth) / quantum)
        let worth = Int64(min(max(steps + 2048, 0), 4095))
        let tie = (1 << 21 - 1) - min(max(tie, 0), 1 << 21 - 1)
        return wish << 58 | spread << 53 | worth << 41 | tie << 20 | Int64(RankKey.nodeLimit - 1 - node)
    }
}

/// What the packing core makes of the cluster: the state of each cell and what a change of it is worth, and for each
/// request the best that a node offers. Filters decide in exact figures; thousandths only say what a choice is worth.
struct CycleRanking {
    let layout: CycleLayout
    private let plugins: PluginRegistry
    private let rooms: [any RoomFilter]

    private var devices: [DeviceRoom] = []
    private var health: [Int32] = []
    private var nodes: [NodeRoom] = []
    /// By cell.
    private var states: [PackingState] = []
    private var values: PackingValues

    /// What does not change while a request stays in use.
    struct View {
        var request: PlacementRequest
        var count: Int
        /// By kind, or by cell where something depends on the node's name.
        fileprivate var answers: [Answer]
        fileprivate var byCell: Bool
        fileprivate var cpu: Int32
        fileprivate var spreads: Bool
        fileprivate var group: String

        /// Takes the devices of these pools out.
        mutating func close(_ pools: [String?], _ layout: CycleLayout) {
            guard !pools.isEmpty else { return }
            for i in answers.indices {
                let kind = byCell ? layout.cells[i].kind : i
                if pools.contains(layout.kinds[kind].pool) { answers[i].admits = false }
            }
        }
    }

    fileprivate struct Answer {
        var admits: Bool
        var ask: DeviceAsk
        var wish: Int32
        var worth: Int32
    }

    /// Sets of joined devices by cell, each found once.
    private var links: [Int: [UInt16]] = [:]

    /// What packing weighs of a host's CPU, in thousandths of a core.
    private static let cpuLimit: Int32 = 1 << 20
    /// Thousandths of a device below which two choices count as equal.
    static let quantum = 20

    init(_ snapshot: ClusterSnapshot, plugins: PluginRegistry, policy: PackingPolicy, typical: [PlacementRequest]) {
        precondition(snapshot.nodes.count < RankKey.nodeLimit, "placement knows at most a million nodes")
        self.plugins = plugins
        rooms = plugins.filters.compactMap { $0 as? any RoomFilter }
        // Whoever asks: a condition looks at no request.
        let anyone = PlacementRequest(runtime: .cuda, vram: .zero)
        layout = CycleLayout(
            snapshot, conditions: plugins.filters.filter { $0.basis == .condition }, anyone: anyone)
        values = PackingValues(policy: .bestFit, mix: WorkloadMix([PackingShape]()), nodes: [])
        let conditions = plugins.scores.filter { $0.basis == .condition }
        devices.reserveCapacity(layout.deviceCount)
        for cell in layout.cells {
            let node = snapshot.nodes[cell.node]
            for d in cell.devices {
                devices.append(DeviceRoom(node.devices[d]))
                health.append(
                    Int32(clamping: conditions.reduce(0) { $0 + $1.score(anyone, on: node.devices[d], of: node) }))
            }
        }
        nodes = snapshot.nodes.map { NodeRoom($0) }
        values = PackingValues(policy: policy, mix: mix(of: typical, snapshot), nodes: capacity(of: snapshot))
        states = layout.cells.indices.map { state(of: $0) }
        for state in states { values.supplied(state) }
        values.updatePrices()
    }

    var byteCount: Int {
        devices.count * (MemoryLayout<DeviceRoom>.stride + 4) + nodes.count * MemoryLayout<NodeRoom>.stride
            + states.count * (MemoryLayout<PackingState>.stride + MemoryLayout<Cell>.stride + 32 + 16 * 8)
            + values.byteCount
    }

    // MARK: Requests

    func view(of request: PlacementRequest, _ snapshot: ClusterSnapshot) -> View {
        let byCell = dependsOnNode(request)
        let answers: [Answer] =
            byCell
            ? layout.cells.map { answer(request, $0.node, $0.devices[0], snapshot) }
            : layout.examples.map { answer(request, $0.node, $0.device, snapshot) }
        return View(
            request: request, count: request.placement.devices, answers: answers, byCell: byCell,
            cpu: Int32(clamping: request.placement.cpuMilli), spreads: request.placement.strategy == .spread,
            group: request.spreadGroup)
    }

    private func dependsOnNode(_ request: PlacementRequest) -> Bool {
        let placement = request.placement
        return [placement.require, placement.prefer, placement.avoid].contains { $0.contains { $0.key == .node } }
    }

    private func answer(_ request: PlacementRequest, _ n: Int, _ d: Int, _ snapshot: ClusterSnapshot) -> Answer {
        let node = snapshot.nodes[n]
        let device = node.devices[d]
        var answer = Answer(
            admits: true, ask: DeviceAsk(request, on: device.device, plugins.exchange), wish: 0, worth: 0)
        answer.admits = plugins.filters.allSatisfy {
            ($0.basis != .kind && $0.basis != .node) || $0.admits(request, on: device, of: node)
        }
        for plugin in plugins.scores where answer.admits {
            switch plugin.basis {
            case .wish: answer.wish += Int32(clamping: plugin.score(request, on: device, of: node))
            case .kind: answer.worth += Int32(clamping: plugin.score(request, on: device, of: node))
            case .condition: break
            }
        }
        return answer
    }

    /// The shapes of typical requests, each as on the model that has most devices of those that will do.
    private func mix(of typical: [PlacementRequest], _ snapshot: ClusterSnapshot) -> WorkloadMix {
        var counts: [PlacementRequest: Int] = [:]
        for request in typical { counts[RequestClass(request, closed: []).request, default: 0] += 1 }
        var shapes: [PackingShape] = []
        // In an order of its own: equal input gives equal output.
        for (request, count) in counts.map({ ($0.key, $0.value) }) {
            guard let shape = shape(of: request, snapshot) else { continue }
            shapes += repeatElement(shape, count: count)
        }
        return WorkloadMix(shapes)
    }

    private func shape(of request: PlacementRequest, _ snapshot: ClusterSnapshot) -> PackingShape? {
        let view = view(of: request, snapshot)
        var models: UInt64 = 0
        var all: UInt64 = 0
        var best: (devices: Int, share: Int)?
        for kind in layout.kinds.indices {
            all |= 1 << UInt64(layout.models[kind])
            let answer =
                view.byCell
                ? layout.cells.indices.first { layout.cells[$0].kind == kind && view.answers[$0].admits }
                    .map { view.answers[$0] } : view.answers[kind]
            guard let answer, answer.admits, answer.ask.compute <= Int32(DeviceState.wholeCompute) else { continue }
            models |= 1 << UInt64(layout.models[kind])
            let open = layout.openDevices[kind]
            if best.map({ open > $0.devices }) ?? true {
                best = (open, answer.ask.share(of: layout.kinds[kind].memory.bytes))
            }
        }
        guard let best else { return nil }
        return PackingShape(
            cpu: Int32(clamping: request.placement.cpuMilli), memory: 0, devices: UInt8(request.placement.devices),
            share: UInt16(best.share), models: models == all ? PackingShape.anyModel : models)
    }

    /// What the cells have when nothing is placed; a host's CPU counts with its first cell.
    private func capacity(of snapshot: ClusterSnapshot) -> [PackingNode] {
        layout.cells.enumerated().map { i, cell in
            let isFirst = layout.cellsOfNode[cell.node].lowerBound == i
            let cpu = snapshot.nodes[cell.node].cpuMilli.map { Int32(clamping: $0) } ?? Self.cpuLimit
            return PackingNode(
                model: cell.model, cpu: isFirst ? max(0, min(cpu, Self.cpuLimit)) : 0, memory: 0,
                free: Array(repeating: PackingShape.wholeDevice, count: cell.open.nonzeroBitCount))
        }
    }

    // MARK: States

    private func state(of cell: Int) -> PackingState {
        let cell = layout.cells[cell]
        let free = cell.devices.indices.map { cell.open >> $0 & 1 == 1 ? devices[cell.first + $0].milli : 0 }
        return PackingState(model: cell.model, cpu: min(nodes[cell.node].cpu, Self.cpuLimit), free: free)
    }

    /// Takes the node's new figures in.
    mutating func update(_ node: Int, _ state: NodeState) {
        nodes[node] = NodeRoom(state)
        for cell in layout.cellsOfNode[node] {
            for (i, d) in layout.cells[cell].devices.enumerated() {
                devices[layout.cells[cell].first + i] = DeviceRoom(state.devices[d])
            }
            let new = self.state(of: cell)
            values.moved(from: states[cell], to: new)
            states[cell] = new
        }
    }

    var hasPrices: Bool { values.hasPrices }
    /// Changes with the prices.
    var priceSerial: UInt32 { values.priceSerial }
    mutating func updatePrices() { values.updatePrices() }

    // MARK: Candidates

    /// The best that the node offers; nil = the request does not fit there now.
    mutating func candidate(_ node: Int, _ view: View, _ snapshot: ClusterSnapshot) -> Candidate? {
        guard rooms.allSatisfy({ $0.admits(view.request, on: nodes[node]) }) else { return nil }
        var best: Candidate?
        var fitting = 0
        for cell in layout.cellsOfNode[node] {
            let answer = self.answer(view, cell)
            guard answer.admits else { continue }
            let devices = self.fitting(cell, answer.ask)
            fitting += devices.nonzeroBitCount
            guard devices.nonzeroBitCount >= view.count else { continue }
            guard let found = choose(view, answer, cell, devices, snapshot) else { continue }
            if best.map({ Self.isBetter(found, $0) }) ?? true { best = found }
        }
        if best == nil, fitting >= view.count, layout.cellsOfNode[node].count > 1,
            view.request.placement.interconnect == .any || view.request.placement.interconnect == .sameNode
        {
            best = chooseAcross(node, view)
        }
        if view.spreads { best?.others = snapshot.nodes[node].groups[view.group] ?? 0 }
        return best
    }

    /// The best that the node offers with this device.
    mutating func candidate(cell: Int, position: Int, _ view: View) -> Candidate {
        choose(single: 1 << position, answer(view, cell), cell, view)
    }

    /// Why the request fits nowhere: names of the filters that refuse devices that run its runtime.
    func objections(_ view: View, _ filters: [any FilterPlugin], _ snapshot: ClusterSnapshot) -> Set<String> {
        var names: Set<String> = []
        var kinds: [Int: String?] = [:]
        for (i, cell) in layout.cells.enumerated() {
            let node = snapshot.nodes[cell.node]
            let answer = answer(view, i)
            if !answer.admits {
                let known = view.byCell ? nil : kinds[cell.kind]
                let name =
                    known
                    ?? filters.first {
                        ($0.basis == .kind || $0.basis == .node)
                            && !$0.admits(view.request, on: node.devices[cell.devices[0]], of: node)
                    }?.name
                kinds[cell.kind] = name
                names.insert(name ?? "quota")
                continue
            }
            for (position, d) in cell.devices.enumerated() {
                let device = node.devices[d]
                if cell.open >> position & 1 == 0 {
                    // Every condition has a name of its own; to find it costs no more than this device.
                    for filter in filters where filter.basis == .condition && !names.contains(filter.name) {
                        if !filter.admits(view.request, on: device, of: node) { names.insert(filter.name) }
                    }
                }
            }
            for filter in rooms where !names.contains(filter.name) {
                let isShort = cell.devices.indices.contains {
                    cell.open >> $0 & 1 == 1 && !filter.admits(answer.ask, on: devices[cell.first + $0])
                }
                if isShort || !filter.admits(view.request, on: nodes[cell.node]) { names.insert(filter.name) }
            }
        }
        return names
    }

    /// Whether any device would do by itself.
    func fitsAnywhere(_ view: View) -> Bool {
        layout.cells.indices.contains { cell in
            let answer = answer(view, cell)
            guard answer.admits, rooms.allSatisfy({ $0.admits(view.request, on: nodes[layout.cells[cell].node]) })
            else { return false }
            return fitting(cell, answer.ask) != 0
        }
    }

    /// Whether `candidate` would find one.
    func fits(_ node: Int, _ view: View, _ snapshot: ClusterSnapshot) -> Bool {
        guard rooms.allSatisfy({ $0.admits(view.request, on: nodes[node]) }) else { return false }
        let interconnect = view.request.placement.interconnect
        var sum = 0
        for cell in layout.cellsOfNode[node] {
            let answer = answer(view, cell)
            guard answer.admits else { continue }
            let fits = fitting(cell, answer.ask)
            sum += fits.nonzeroBitCount
            guard fits.nonzeroBitCount >= view.count else { continue }
            guard view.count > 1, let sets = findSets(interconnect, cell, snapshot) else { return true }
            if sets.contains(where: { ($0 & fits).nonzeroBitCount >= view.count }) { return true }
        }
        return sum >= view.count && (interconnect == .any || interconnect == .sameNode)
    }

    private func answer(_ view: View, _ cell: Int) -> Answer {
        view.answers[view.byCell ? cell : layout.cells[cell].kind]
    }

    /// A bit for each device that has room now.
    private func fitting(_ cell: Int, _ ask: DeviceAsk) -> UInt16 {
        var bits = layout.cells[cell].open
        var fits: UInt16 = 0
        while bits != 0 {
            let i = bits.trailingZeroBitCount
            bits &= bits &- 1
            let room = devices[layout.cells[cell].first + i]
            if rooms.allSatisfy({ $0.admits(ask, on: room) }) { fits |= 1 << i }
        }
        return fits
    }

    private static func isBetter(_ a: Candidate, _ b: Candidate) -> Bool {
        (a.wish, a.worth, -a.tie) > (b.wish, b.worth, -b.tie)
    }

    private mutating func choose(
        _ view: View, _ answer: Answer, _ cell: Int, _ fits: UInt16, _ snapshot: ClusterSnapshot
    ) -> Candidate? {
        if view.count == 1 { return choose(single: fits, answer, cell, view) }
        guard let sets = sets(view.request.placement.interconnect, cell, snapshot) else {
            return choose(view.count, of: fits, answer, cell, view)
        }
        var best: Candidate?
        for set in sets where (set & fits).nonzeroBitCount >= view.count {
            let found = choose(view.count, of: set & fits, answer, cell, view)
            if best.map({ Self.isBetter(found, $0) }) ?? true { best = found }
        }
        return best
    }

    private mutating func sets(_ interconnect: Interconnect, _ cell: Int, _ snapshot: ClusterSnapshot) -> [UInt16]? {
        let sets = findSets(interconnect, cell, snapshot)
        if interconnect == .link { links[cell] = sets }
        return sets
    }

    private func findSets(_ interconnect: Interconnect, _ cell: Int, _ snapshot: ClusterSnapshot) -> [UInt16]? {
        if interconnect == .link, let known = links[cell] { return known }
        let node = snapshot.nodes[layout.cells[cell].node]
        return DeviceSets.sets(
            interconnect, among: layout.cells[cell].devices.map { node.devices[$0].device }, numaNodes: node.numaNodes)
    }

    /// One device: the one whose loss costs the node least, the tightest among equals.
    private mutating func choose(single fits: UInt16, _ answer: Answer, _ cell: Int, _ view: View) -> Candidate {
        let first = layout.cells[cell].first
        let before = states[cell]
        var best = (worth: Int.min, packing: 0, milli: UInt16.max, device: 0)
        // Devices alike in what is free before and after need one look.
        var seen: (UInt64, UInt64) = (.max, .max)
        var bits = fits
        while bits != 0 {
            let i = bits.trailingZeroBitCount
            bits &= bits &- 1
            let room = devices[first + i]
            let milli = room.milli
            let left = min(milli, room.taking(answer.ask).milli)
            let sight = UInt64(milli) << 48 | UInt64(left) << 32 | UInt64(UInt32(bitPattern: health[first + i]))
            guard sight != seen.0, sight != seen.1 else { continue }
            seen = (sight, seen.0)
            var after = before
            after.cpu = max(0, after.cpu - view.cpu)
            after.replace(milli, by: left)
            let packing = gain(cell, after, count: 1, taken: Int(milli - left))
            let worth = packing * Self.quantum + Int(answer.worth) + Int(health[first + i])
            if worth > best.worth || worth == best.worth && milli < best.milli {
                best = (worth, packing, milli, i)
            }
        }
        return Candidate(
            wish: Int(answer.wish), others: 0, worth: best.worth, packing: best.packing,
            tie: states[cell].packingTie, parts: [(cell, 1 << best.device)])
    }

    /// Several devices: the tightest ones, the healthier of equals.
    private mutating func choose(
        _ count: Int, of fits: UInt16, _ answer: Answer, _ cell: Int, _ view: View
    ) -> Candidate {
        let first = layout.cells[cell].first
        var taken: UInt16 = 0
        var after = states[cell]
        after.cpu = max(0, after.cpu - view.cpu)
        var healths = 0
        var sum = 0
        for _ in 0..<count {
            var best = (milli: Int.max, health: Int32.min, device: 0)
            var bits = fits & ~taken
            while bits != 0 {
                let i = bits.trailingZeroBitCount
                bits &= bits &- 1
                let milli = Int(devices[first + i].milli)
                if milli < best.milli || milli == best.milli && health[first + i] > best.health {
                    best = (milli, health[first + i], i)
                }
            }
            taken |= 1 << best.device
            healths += Int(best.health)
            let room = devices[first + best.device]
            let left = min(room.milli, room.taking(answer.ask).milli)
            sum += Int(room.milli - left)
            after.replace(room.milli, by: left)
        }
        let packing = gain(cell, after, count: count, taken: sum)
        return Candidate(
            wish: Int(answer.wish), others: 0,
            worth: packing * Self.quantum + count * Int(answer.worth) + healths, packing: packing,
            tie: states[cell].packingTie, parts: [(cell, taken)])
    }

    /// More devices than any cell of the node has: from those that are wished for most, then from those that have most.
    private mutating func chooseAcross(_ node: Int, _ view: View) -> Candidate {
        let cells = layout.cellsOfNode[node].map { cell in
            let answer = answer(view, cell)
            return (cell: cell, answer: answer, fits: answer.admits ? fitting(cell, answer.ask) : 0)
        }.sorted {
            ($1.answer.wish, $1.fits.nonzeroBitCount, $0.cell) < ($0.answer.wish, $0.fits.nonzeroBitCount, $1.cell)
        }
        var whole = Candidate(wish: .max, others: 0, worth: 0, packing: 0, tie: 0, parts: [])
        var missing = view.count
        for (cell, answer, fits) in cells where missing > 0 && fits != 0 {
            let part = choose(min(missing, fits.nonzeroBitCount), of: fits, answer, cell, view)
            missing -= part.parts[0].devices.nonzeroBitCount
            whole.wish = min(whole.wish, part.wish)
            whole.worth += part.worth
            whole.packing += part.packing
            whole.tie += part.tie
            whole.parts += part.parts
        }
        return whole
    }

    /// What packing gives for the change, in steps of `quantum`.
    private mutating func gain(_ cell: Int, _ after: PackingState, count: Int, taken: Int) -> Int {
        let share = UInt16(min(max(taken / count, 1), Int(PackingShape.wholeDevice)))
        let shape = PackingShape(cpu: 0, memory: 0, devices: UInt8(count), share: share)
        return Int(values.score(from: states[cell], to: after, shape))
    }
}

extension PackingState {
    /// One device that has `old` free has `new` free from now on, which is not more.
    fileprivate mutating func replace(_ old: UInt16, by new: UInt16) {
        for i in 0..<Int(count) where free[i] == old {
            take(old - new, at: i)
            return
        }
    }
}
