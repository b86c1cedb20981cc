import Foundation
import HCSModel
import HCSPlacement
import Testing

private func node(_ free: [UInt16], cores: Int32 = 96, memory: Int32 = 1 << 20, model: UInt8 = 0) -> PackingNode {
    PackingNode(model: model, cpu: cores * 1000, memory: memory, free: free)
}

private func shape(
    _ devices: UInt8, _ share: UInt16 = 1000, cores: Int32 = 4, memory: Int32 = 1024,
    models: UInt64 = PackingShape.anyModel
) -> PackingShape {
    PackingShape(cpu: cores * 1000, memory: memory, devices: devices, share: devices == 0 ? 0 : share, models: models)
}

@Suite struct PackingCoreTests {
    private let mix = WorkloadMix([shape(1, 500), shape(1, 300), shape(1), shape(8), shape(0)])

    @Test(arguments: PackingPolicy.allCases)
    func `a shape goes only where CPU, memory, model and each device suffice`(policy: PackingPolicy) {
        var core = PackingCore(
            nodes: [
                node([1000, 1000], cores: 2), node([1000, 1000], memory: 100), node([1000, 1000], model: 1),
                node([600, 600]), node([900, 1000]),
            ], policy: policy, mix: mix)
        #expect(core.place(shape(1, 700, models: 1))?.node == 4)
        #expect(core.place(shape(2, 1000, models: 1)) == nil, "sums over a node do not count")
        #expect(core.place(shape(2, 600, models: 1))?.devices == 0b11)
        #expect(core.place(shape(3, 100)) == nil)
    }

    @Test func `best fit takes the node with least left and the tightest device`() {
        var core = PackingCore(
            nodes: [node([1000, 1000]), node([1000, 400, 700]), node([1000, 1000, 1000])], policy: .bestFit, mix: mix)
        #expect(core.place(shape(1, 400)) == PackingPlacement(node: 0, devices: 0b01))
        #expect(core.place(shape(1, 400)) == PackingPlacement(node: 0, devices: 0b01))
        var other = PackingCore(nodes: [node([1000, 400, 700])], policy: .bestFit, mix: mix)
        #expect(other.place(shape(1, 350)) == PackingPlacement(node: 0, devices: 0b010))
    }

    @Test(arguments: PackingPolicy.allCases)
    func `what is given back can be given out again`(policy: PackingPolicy) throws {
        var core = PackingCore(nodes: [node([1000, 1000], cores: 8)], policy: policy, mix: mix)
        let placed = [core.place(shape(1)), core.place(shape(1))]
        let first = try #require(placed[0])
        let second = try #require(placed[1])
        #expect(first.devices != second.devices)
        #expect(core.place(shape(1)) == nil)
        core.release(shape(1), first)
        #expect(core.place(shape(1)) == first)
        core.release(shape(1), first)
        core.release(shape(1), second)
        #expect(core.node(0) == node([1000, 1000], cores: 8))
    }

    @Test func `without nodes, and on nodes without devices, nothing is invented`() {
        var none = PackingCore(nodes: [], mix: mix)
        #expect(none.place(shape(0)) == nil)
        var bare = PackingCore(nodes: [node([])], mix: WorkloadMix([]))
        #expect(bare.place(shape(1, 1)) == nil)
        #expect(bare.place(shape(0)) == PackingPlacement(node: 0, devices: 0))
    }

    @Test func `room that only some work can use is kept for it while other room is left`() {
        let mix = WorkloadMix([shape(1, models: 1), shape(1)])
        let full = [UInt16](repeating: 1000, count: 8)
        var core = PackingCore(
            nodes: [node(full), node(full), node(full, model: 1), node(full, model: 1)], policy: .stranded, mix: mix)
        let free = (0..<16).map { _ in core.place(shape(1))?.node }
        #expect(free.allSatisfy { $0 == 2 || $0 == 3 })
        #expect(core.place(shape(1))?.node == 0, "then it is placed all the same")
    }

    @Test(arguments: PackingPolicy.allCases)
    func `memory decides where, and work that differs in memory alone is told apart`(policy: PackingPolicy) {
        let roomy = [7, 300, 555]
        let nodes = (0..<600).map { node([1000, 1000, 1000, 1000], memory: roomy.contains($0) ? 4000 : 1000) }
        var core = PackingCore(nodes: nodes, policy: policy, mix: mix)
        let small = core.place(shape(1, memory: 10))
        let large = (0..<6).map { _ in core.place(shape(1, memory: 2000))?.node ?? -1 }
        #expect(small != nil && large.sorted() == [7, 7, 300, 300, 555, 555])
        #expect(core.place(shape(1, memory: 2000)) == nil)
        #expect(core.place(shape(1, memory: 1000)) != nil)
        core.release(shape(1, memory: 2000), PackingPlacement(node: 300, devices: 1))
        #expect(core.place(shape(1, memory: 2000))?.node == 300)
    }

    /// Of a mix without prices: what a core keeps from earlier decisions must not change later ones.
    @Test func `the standard policy decides as a core that has nothing kept`() {
        var generator = SplitMix64(state: 17)
        let shares: [UInt16] = [110, 230, 320, 470, 650, 810, 1000, 1000]
        let pods = (0..<60).map { _ in
            shape(
                1, shares.randomElement(using: &generator) ?? 1, cores: Int32.random(in: 1...16, using: &generator),
                memory: Int32.random(in: 1...4000, using: &generator))
        }
        let mix = WorkloadMix(pods)
        let nodes = (0..<40).map { i in
            node(
                Array(repeating: 1000, count: [1, 2, 4, 8][i % 4]), cores: [16, 96, 32, 64][i / 4 % 4], memory: 20000)
        }
        var core = PackingCore(nodes: nodes, policy: .stranded, mix: mix)
        for step in 0..<60 {
            guard let pod = pods.randomElement(using: &generator) else { continue }
            var other = PackingCore(nodes: nodes.indices.map { core.node($0) }, policy: .stranded, mix: mix)
            #expect(core.place(pod) == other.place(pod), "step \(step)")
        }
    }

    /// Compares every decision with a full search over all nodes, through more shapes than the core keeps ranks for, so
    /// that stale ranks, evicted shapes and forgotten changes show.
    @Test(arguments: [PackingPolicy.bestFit, .fragmentation])
    func `kept ranks decide as a full search does`(policy: PackingPolicy) {
        var generator = SplitMix64(state: 7)
        let trace = SyntheticTrace.make(nodes: 10, pods: 60, seed: 3, boundPercent: 20)
        let mix = WorkloadMix(trace.pods)
        var core = PackingCore(nodes: trace.nodes, policy: policy, mix: mix)
        var search = FullSearch(nodes: trace.nodes, policy: policy, mix: mix)
        var placed: [(PackingShape, PackingPlacement)] = []
        for step in 0..<2 * PackingCore.shapeLimit {
            var pod = trace.pods[Int.random(in: trace.pods.indices, using: &generator)]
            if step % 3 == 0 {
                pod.memory += Int32.random(in: 0..<2 * Int32(PackingCore.shapeLimit), using: &generator)
            }
            let placement = core.place(pod)
            #expect(placement?.node == search.node(for: pod), "step \(step)")
            if let placement {
                search.take(pod, placement)
                placed.append((pod, placement))
            }
            while placed.count > 30 {
                let (pod, placement) = placed.remove(at: Int.random(in: placed.indices, using: &generator))
                core.release(pod, placement)
                search.giveBack(pod, placement)
            }
        }
        #expect(trace.nodes.indices.allSatisfy { core.node($0) == search.nodes[$0] })
    }
}

/// FGD and best fit as the paper has them: all nodes, all devices, floating point.
private struct FullSearch {
    private(set) var nodes: [PackingNode]
    private var fragments: [Double] = []
    let policy: PackingPolicy
    let typical: [(shape: PackingShape, probability: Double)]

    init(nodes: [PackingNode], policy: PackingPolicy, mix: WorkloadMix) {
        self.nodes = nodes
        self.policy = policy
        let entries = mix.typical()
        let total = Double(entries.reduce(0) { $0 + $1.count })
        typical = entries.map { ($0.shape, Double($0.count) / total) }
        fragments = nodes.map(fragment)
    }

    func fragment(_ node: PackingNode) -> Double {
        typical.reduce(0) { sum, kind in
            let task = kind.shape
            let free = node.free.map(Int.init)
            let enough = free.filter { $0 >= Int(task.share) }.count >= Int(task.devices)
            let usable = task.devices > 0 && task.allows(model: node.model) && node.cpu >= task.cpu && enough
            return sum + kind.probability * Double(free.filter { !usable || $0 < Int(task.share) }.reduce(0, +))
        }
    }

    func level(of node: Int, changedTo after: PackingNode) -> Double {
        guard policy == .fragmentation else { return 0 }
        return (100 / (1 + exp(-(fragments[node] - fragment(after)) / 1000))).rounded(.down)
    }

    func node(for pod: PackingShape) -> Int? {
        var best: (node: Int, level: Double, left: Int)?
        for (i, node) in nodes.enumerated() {
            guard node.cpu >= pod.cpu, node.memory >= pod.memory else { continue }
            let fitting = node.free.indices.filter { node.free[$0] >= pod.share }
                .sorted { node.free[$0] < node.free[$1] }
            guard pod.devices == 0 || (pod.allows(model: node.model) && fitting.count >= Int(pod.devices)) else {
                continue
            }
            let choices = pod.devices == 1 ? fitting.map { [$0] } : [Array(fitting.prefix(Int(pod.devices)))]
            let level =
                choices.map { devices in
                    var after = node
                    after.cpu -= pod.cpu
                    for d in devices { after.free[d] -= pod.share }
                    return self.level(of: i, changedTo: after)
                }.max() ?? 0
            let left = Int(node.cpu) + 16 * node.free.reduce(0) { $0 + Int($1) }
            if let best, level < best.level || (level == best.level && left >= best.left) { continue }
            best = (i, level, left)
        }
        return best?.node
    }

    mutating func take(_ pod: PackingShape, _ placement: PackingPlacement) { change(pod, placement, -1) }
    mutating func giveBack(_ pod: PackingShape, _ placement: PackingPlacement) { change(pod, placement, 1) }

    private mutating func change(_ pod: PackingShape, _ placement: PackingPlacement, _ sign: Int32) {
        nodes[placement.node].cpu += sign * pod.cpu
        nodes[placement.node].memory += sign * pod.memory
        for d in nodes[placement.node].free.indices where placement.devices >> d & 1 == 1 {
            nodes[placement.node].free[d] = UInt16(Int32(nodes[placement.node].free[d]) + sign * Int32(pod.share))
        }
        fragments[placement.node] = fragment(nodes[placement.node])
    }
}
