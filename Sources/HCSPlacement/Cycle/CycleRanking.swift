import HCSModel

/// What the packing core makes of the cluster: the state of each cell and what a change of it is worth, and for each
/// request the best that a node offers. Filters decide in exact figures; thousandths only say what a choice is worth.
struct CycleRanking {
    private(set) var layout: CycleLayout
    private let plugins: PluginRegistry
    private let deviceFilters: [any DeviceRoomFilter]
    private let hostFilters: [any HostRoomFilter]
    private let conditions: [any FilterPlugin]

    private var devices: [DeviceRoom] = []
    private var health: [Int32] = []
    private var nodes: [NodeRoom] = []
    /// By cell.
    private var states: [PackingState] = []
    private var values: PackingValues
    /// Of `states`, by cell; some at prices of the past.
    private var stateValues: [StateValue] = []

    /// Sets of joined devices by cell, each found once.
    private var links: [Int: [UInt16]] = [:]

    /// What packing weighs of a host's CPU, in thousandths of a core.
    private static let cpuLimit: Int32 = 1 << 20
    /// Thousandths of a device below which two choices count as equal.
    static let quantum = 20

    init(_ snapshot: ClusterSnapshot, plugins: PluginRegistry, policy: PackingPolicy, typical: [PlacementRequest]) {
        precondition(snapshot.nodes.count < RankKey.nodeLimit, "placement knows at most a million nodes")
        self.plugins = plugins
        deviceFilters = plugins.filters.compactMap { $0 as? any DeviceRoomFilter }
        hostFilters = plugins.filters.compactMap { $0 as? any HostRoomFilter }
        conditions = plugins.filters.filter { $0.basis == .condition }
        layout = CycleLayout(snapshot, conditions: conditions)
        values = PackingValues(policy: .bestFit, mix: WorkloadMix([PackingShape]()), nodes: [])
        devices.reserveCapacity(layout.deviceCount)
        for cell in layout.cells {
            let node = snapshot.nodes[cell.node]
            for d in cell.devices {
                devices.append(DeviceRoom(node.devices[d]))
                health.append(health(of: d, node))
            }
        }
        nodes = snapshot.nodes.map { NodeRoom($0) }
        values = PackingValues(policy: policy, mix: mix(of: typical, snapshot), nodes: capacity(of: snapshot))
        states = layout.cells.indices.map { state(of: $0) }
        for state in states { values.supplied(state) }
        values.updatePrices()
        stateValues = states.map { values.value(of: $0) }
    }

    var byteCount: Int {
        devices.count * (MemoryLayout<DeviceRoom>.stride + 4) + nodes.count * MemoryLayout<NodeRoom>.stride
            + states.count * (MemoryLayout<PackingState>.stride + MemoryLayout<StateValue>.stride)
            + states.count * (MemoryLayout<Cell>.stride + 32 + 16 * 8)
            + values.byteCount
    }

    // MARK: Requests

    /// - Parameter closed: pools whose devices are taken out.
    func view(of request: PlacementRequest, closing closed: [String?] = [], _ snapshot: ClusterSnapshot) -> RequestView
    {
        let byCell = dependsOnNode(request)
        var answers: [RequestView.Answer] =
            byCell
            ? layout.cells.map { answer(request, $0.node, $0.devices[0], snapshot) }
            : layout.examples.map { answer(request, $0.node, $0.device, snapshot) }
        for i in answers.indices where !closed.isEmpty {
            let kind = byCell ? layout.cells[i].kind : i
            if closed.contains(layout.kinds[kind].pool) { answers[i].admits = false }
        }
        return RequestView(request, answers: answers, byCell: byCell)
    }

    private func dependsOnNode(_ request: PlacementRequest) -> Bool {
        let placement = request.placement
        return [placement.require, placement.prefer, placement.avoid].contains { $0.contains { $0.key == .node } }
    }

    private func answer(_ request: PlacementRequest, _ n: Int, _ d: Int, _ snapshot: ClusterSnapshot)
        -> RequestView.Answer
    {
        let node = snapshot.nodes[n]
        let device = node.devices[d]
        var answer = RequestView.Answer(
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
        for request in typical { counts[request.typical, default: 0] += 1 }
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
            let cell =
                view.byCell
                ? layout.cells.indices.first {
                    layout.cells[$0].kind == kind && view.answer($0, kind: kind).admits
                } : 0
            let answer = cell.map { view.answer($0, kind: kind) }
            guard let answer, answer.admits, answer.ask.compute <= Int32(DeviceState.wholeCompute) else { continue }
            models |= 1 << UInt64(layout.models[kind])
            let count = layout.counts[kind]
            if best.map({ count > $0.devices }) ?? true {
                best = (count, answer.ask.share(of: layout.kinds[kind].memory.bytes))
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
                free: Array(repeating: PackingShape.wholeDevice, count: cell.devices.count))
        }
    }

    // MARK: States

    private func state(of cell: Int) -> PackingState {
        let open = layout.cells[cell].open
        let first = layout.cells[cell].first
        var state = PackingState(
            model: layout.cells[cell].model, cpu: min(nodes[layout.cells[cell].node].cpu, Self.cpuLimit), free: [])
        for i in layout.cells[cell].devices.indices { state.add(open >> i & 1 == 1 ? devices[first + i].milli : 0) }
        return state
    }

    /// Takes the node's new figures in.
    /// - Parameter changed: those of its devices that are not as they were.
    mutating func update(_ node: Int, devices changed: [Int], _ snapshot: ClusterSnapshot) {
        nodes[node] = NodeRoom(snapshot.nodes[node])
        for cell in layout.cellsOfNode[node] {
            for (i, d) in layout.cells[cell].devices.enumerated() where changed.contains(d) {
                devices[layout.cells[cell].first + i] = DeviceRoom(snapshot.nodes[node].devices[d])
            }
            let new = self.state(of: cell)
            guard new != states[cell] else { continue }
            values.moved(from: states[cell], to: new)
            states[cell] = new
            stateValues[cell] = values.value(of: new)
        }
    }

    /// Takes in what a node is like now, whatever of it has changed but the devices themselves.
    /// - Returns: whether anything has that ranks follow.
    mutating func renew(_ node: Int, _ snapshot: ClusterSnapshot) -> Bool {
        var isChanged = nodes[node] != NodeRoom(snapshot.nodes[node])
        let closed = layout.cellsOfNode[node].map { (layout.cells[$0].open, layout.cells[$0].closing) }
        layout.setConditions(of: node, snapshot, conditions)
        for (cell, before) in zip(layout.cellsOfNode[node], closed) {
            if before != (layout.cells[cell].open, layout.cells[cell].closing) { isChanged = true }
            for (i, d) in layout.cells[cell].devices.enumerated() {
                let index = layout.cells[cell].first + i
                let score = health(of: d, snapshot.nodes[node])
                if health[index] != score || devices[index] != DeviceRoom(snapshot.nodes[node].devices[d]) {
                    isChanged = true
                }
                health[index] = score
            }
        }
        guard isChanged else { return false }
        update(node, devices: Array(snapshot.nodes[node].devices.indices), snapshot)
        return true
    }

    /// What the scores say of a device's condition, whoever asks.
    private func health(of device: Int, _ node: NodeState) -> Int32 {
        let scores = plugins.scores.reduce(0) {
            $1.basis == .condition
                ? $0 + $1.score(CycleLayout.anyone, on: node.devices[device], of: node) : $0
        }
        return Int32(clamping: scores)
    }

    private mutating func presentValue(_ cell: Int) -> StateValue {
        if values.isOutdated(stateValues[cell]) { values.renew(&stateValues[cell], of: states[cell]) }
        return stateValues[cell]
    }

    var hasPrices: Bool { values.hasPrices }
    /// Changes with the prices.
    var priceSerial: UInt32 { values.priceSerial }
    mutating func updatePrices() { values.updatePrices() }

    // MARK: Candidates

    /// The best that the node offers; nil = the request does not fit there now.
    mutating func candidate(_ node: Int, _ view: RequestView, _ snapshot: ClusterSnapshot) -> Candidate? {
        guard admits(view.host, node) else { return nil }
        var best: Candidate?
        var fitting = 0
        for cell in layout.cellsOfNode[node] {
            let answer = self.answer(view, cell)
            guard answer.admits else { continue }
            let devices = self.fitting(cell, answer.ask)
            fitting += devices.nonzeroBitCount
            guard devices.nonzeroBitCount >= view.count else { continue }
            guard let found = choose(view, answer, cell, devices, snapshot) else { continue }
            if best.map({ found.isBetter(than: $0) }) ?? true { best = found }
        }
        if best == nil, fitting >= view.count, layout.cellsOfNode[node].count > 1,
            view.interconnect == .any || view.interconnect == .sameNode
        {
            best = chooseAcross(node, view)
        }
        if let group = view.spreadGroup { best?.others = snapshot.nodes[node].groups[group] ?? 0 }
        return best
    }

    /// The best that the node offers with this device.
    mutating func candidate(cell: Int, position: Int, _ view: RequestView) -> Candidate {
        choose(single: 1 << position, answer(view, cell), cell, view)
    }

    /// Why the request fits nowhere: names of the filters that refuse devices that run its runtime.
    func objections(_ view: RequestView, _ filters: [any FilterPlugin], _ snapshot: ClusterSnapshot) -> Set<String> {
        var names: Set<String> = []
        var closing: UInt64 = 0
        var refused = Array(repeating: false, count: layout.kinds.count)
        for (i, cell) in layout.cells.enumerated() {
            guard !view.answer(i, kind: cell.kind).admits else {
                closing |= cell.closing
                continue
            }
            guard !refused[cell.kind] || view.byCell else { continue }
            refused[cell.kind] = true
            let node = snapshot.nodes[cell.node]
            let refusing = filters.first {
                ($0.basis == .kind || $0.basis == .node)
                    && !$0.admits(view.request, on: node.devices[cell.devices[0]], of: node)
            }
            names.insert(refusing?.name ?? "quota")
        }
        for (i, condition) in filters.filter({ $0.basis == .condition }).enumerated()
        where closing >> UInt64(i) & 1 == 1 {
            names.insert(condition.name)
        }
        for filter in deviceFilters where isShort(view, by: filter) { names.insert(filter.name) }
        for filter in hostFilters {
            let isShort = layout.cells.indices.contains {
                answer(view, $0).admits && !filter.admits(view.host, on: nodes[layout.cells[$0].node])
            }
            if isShort { names.insert(filter.name) }
        }
        return names
    }

    /// Whether the filter refuses an open device.
    private func isShort(_ view: RequestView, by filter: any DeviceRoomFilter) -> Bool {
        for cell in layout.cells.indices {
            let answer = answer(view, cell)
            guard answer.admits else { continue }
            let open = layout.cells[cell].open
            let first = layout.cells[cell].first
            let rooms = devices.span.extracting(first..<first + layout.cells[cell].devices.count)
            if filter.admitted(answer.ask, on: rooms, among: open) != open { return true }
        }
        return false
    }

    /// Whether any device would do by itself.
    func fitsAnywhere(_ view: RequestView) -> Bool {
        layout.cells.indices.contains { cell in
            let answer = answer(view, cell)
            guard answer.admits, admits(view.host, layout.cells[cell].node)
            else { return false }
            return fitting(cell, answer.ask) != 0
        }
    }

    /// Whether `candidate` would find one.
    func fits(_ node: Int, _ view: RequestView, _ snapshot: ClusterSnapshot) -> Bool {
        guard admits(view.host, node) else { return false }
        let interconnect = view.interconnect
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

    /// Devices of the node with room for the request, and what they have free together, in bytes.
    /// - Parameter members: as many requests like this want a place; `places` are those that the devices have for them,
    ///   each device one place of a member at most.
    func room(_ node: Int, _ view: RequestView, members: UInt64 = 1) -> (places: UInt64, free: UInt64) {
        var room = (places: UInt64(0), free: UInt64(0))
        guard admits(view.host, node) else { return room }
        for cell in layout.cellsOfNode[node] {
            let answer = answer(view, cell)
            guard answer.admits else { continue }
            var bits = fitting(cell, answer.ask)
            while bits != 0 {
                let device = devices[layout.cells[cell].first + bits.trailingZeroBitCount]
                let free = device.free
                bits &= bits &- 1
                room.places += min(device.times(answer.ask), members)
                room.free = room.free.addingReportingOverflow(free).overflow ? .max : room.free + free
            }
        }
        return room
    }

    /// The devices of the node that have room for most requests like this, of those that fit; nil = there are not so many, or they must be joined.
    func widest(_ node: Int, _ view: RequestView) -> Candidate? {
        guard admits(view.host, node), view.interconnect == .any || view.interconnect == .sameNode else { return nil }
        var found: [(times: UInt64, cell: Int, bit: UInt16)] = []
        for cell in layout.cellsOfNode[node] {
            let answer = answer(view, cell)
            guard answer.admits else { continue }
            var bits = fitting(cell, answer.ask)
            while bits != 0 {
                let i = bits.trailingZeroBitCount
                bits &= bits &- 1
                let times = devices[layout.cells[cell].first + i].times(answer.ask)
                found.append((times, cell, 1 << UInt16(i)))
            }
        }
        guard found.count >= view.count else { return nil }
        let chosen = found.sorted { ($1.times, $0.cell, $0.bit) < ($0.times, $1.cell, $1.bit) }.prefix(view.count)
        let parts = Dictionary(grouping: chosen, by: \.cell).sorted { $0.key < $1.key }.map { cell, devices in
            Candidate.Part(cell: cell, devices: devices.reduce(0) { $0 | $1.bit })
        }
        return Candidate(
            wish: 0, worth: 0, packing: 0, tie: 0, part: parts[0], furtherParts: Array(parts.dropFirst()))
    }

    private func answer(_ view: RequestView, _ cell: Int) -> RequestView.Answer {
        view.answer(cell, kind: layout.cells[cell].kind)
    }

    private func admits(_ ask: HostAsk, _ node: Int) -> Bool {
        for i in hostFilters.indices where !hostFilters[i].admits(ask, on: nodes[node]) { return false }
        return true
    }

    /// A bit for each device that has room now.
    private func fitting(_ cell: Int, _ ask: DeviceAsk) -> UInt16 {
        let first = layout.cells[cell].first
        var fits = layout.cells[cell].open
        let rooms = devices.span.extracting(first..<first + layout.cells[cell].devices.count)
        for i in deviceFilters.indices where fits != 0 {
            fits = deviceFilters[i].admitted(ask, on: rooms, among: fits)
        }
        return fits
    }

    private mutating func choose(
        _ view: RequestView, _ answer: RequestView.Answer, _ cell: Int, _ fits: UInt16, _ snapshot: ClusterSnapshot
    ) -> Candidate? {
        if view.count == 1 { return choose(single: fits, answer, cell, view) }
        guard let sets = sets(view.interconnect, cell, snapshot) else {
            return choose(view.count, of: fits, answer, cell, view)
        }
        var best: Candidate?
        for set in sets where (set & fits).nonzeroBitCount >= view.count {
            let found = choose(view.count, of: set & fits, answer, cell, view)
            if best.map({ found.isBetter(than: $0) }) ?? true { best = found }
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
    private mutating func choose(single fits: UInt16, _ answer: RequestView.Answer, _ cell: Int, _ view: RequestView)
        -> Candidate
    {
        let first = layout.cells[cell].first
        let before = states[cell]
        let value = presentValue(cell)
        var best = (worth: Int.min, packing: 0, milli: UInt16.max, device: 0)
        // Devices alike need one look.
        var seen = -1
        var bits = fits
        while bits != 0 {
            let i = bits.trailingZeroBitCount
            bits &= bits &- 1
            if seen >= 0, devices[first + i] == devices[first + seen], health[first + i] == health[first + seen] {
                continue
            }
            seen = i
            let milli = devices[first + i].milli
            let left = min(milli, devices[first + i].taking(answer.ask).milli)
            var after = before
            after.cpu = max(0, after.cpu - view.cpu)
            after.replace(milli, by: left)
            let packing = gain(from: value, after, count: 1, taken: Int(milli - left))
            let worth = packing * Self.quantum + Int(answer.worth) + Int(health[first + i])
            if worth > best.worth || worth == best.worth && milli < best.milli {
                best = (worth, packing, milli, i)
            }
        }
        return Candidate(
            wish: Int(answer.wish), worth: best.worth, packing: best.packing, tie: before.packingTie,
            part: Candidate.Part(cell: cell, devices: 1 << best.device))
    }

    /// Several devices: the tightest ones, the healthier of equals.
    private mutating func choose(
        _ count: Int, of fits: UInt16, _ answer: RequestView.Answer, _ cell: Int, _ view: RequestView
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
        let packing = gain(from: presentValue(cell), after, count: count, taken: sum)
        return Candidate(
            wish: Int(answer.wish), worth: packing * Self.quantum + count * Int(answer.worth) + healths,
            packing: packing, tie: states[cell].packingTie, part: Candidate.Part(cell: cell, devices: taken))
    }

    /// More devices than any cell of the node has: from those that are wished for most, then from those that have most.
    private mutating func chooseAcross(_ node: Int, _ view: RequestView) -> Candidate? {
        let cells = layout.cellsOfNode[node].map { cell in
            let answer = answer(view, cell)
            return (cell: cell, answer: answer, fits: answer.admits ? fitting(cell, answer.ask) : 0)
        }.sorted {
            ($1.answer.wish, $1.fits.nonzeroBitCount, $0.cell) < ($0.answer.wish, $0.fits.nonzeroBitCount, $1.cell)
        }
        var whole: Candidate?
        var missing = view.count
        for (cell, answer, fits) in cells where missing > 0 && fits != 0 {
            let part = choose(min(missing, fits.nonzeroBitCount), of: fits, answer, cell, view)
            missing -= part.part.devices.nonzeroBitCount
            whole?.add(part)
            whole = whole ?? part
        }
        return whole
    }

    /// What packing gives for the change, in steps of `quantum`.
    private mutating func gain(from before: StateValue, _ after: PackingState, count: Int, taken: Int) -> Int {
        let share = min(max(taken / count, 1), Int(PackingShape.wholeDevice))
        return Int(values.score(from: before, to: after, taken: count * share))
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
