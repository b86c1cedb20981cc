import HCSModel

/// One replay: the pods of a trace, shuffled by a seed, arrive one after the other and stay; one that fits nowhere is
/// dropped. With `tune` pods drawn from the list follow until the demand for devices is that many times the capacity.
///
/// Keeps its own account of every node beside the core's, and counts what the core got wrong.
package struct TraceReplay: Sendable {
    package let policy: PackingPolicy
    package let seed: UInt64
    package let capacity: Int
    package private(set) var arrivals: [PackingShape]
    package private(set) var done = 0
    package private(set) var points: [ReplayPoint] = []
    package private(set) var violations = ReplayViolations()

    private var core: PackingCore
    private var account: [PackingNode]
    private let fragment: FragmentValue
    private var now = ReplayPoint()

    package init(_ trace: Trace, policy: PackingPolicy, tune: Double?, seed: UInt64) throws(ReplayProblem) {
        let capacity = trace.capacity
        guard capacity > 0 else { throw ReplayProblem("the nodes have no devices") }
        var generator = SplitMix64(state: seed)
        var arrivals = trace.pods.shuffled(using: &generator)
        if let tune {
            let goal = try Self.goal(tune, capacity, trace.demand, pods: trace.pods.count)
            var sum = 0
            if let end = arrivals.firstIndex(where: {
                sum += $0.deviceMilli
                return sum >= goal
            }) {
                arrivals.removeSubrange((end + 1)...)
            }
            while sum < goal {
                let pod = trace.pods[Int.random(in: trace.pods.indices, using: &generator)]
                arrivals.append(pod)
                sum += pod.deviceMilli
            }
        }
        let mix = WorkloadMix(trace.pods)
        self.policy = policy
        self.seed = seed
        self.capacity = capacity
        self.arrivals = arrivals
        core = PackingCore(nodes: trace.nodes, policy: policy, mix: mix)
        account = trace.nodes
        fragment = FragmentValue(mix: mix)
        record()
    }

    package static let tuneLimit = 100.0
    package static let arrivalLimit = 20_000_000

    private static func goal(_ tune: Double, _ capacity: Int, _ demand: Int, pods: Int) throws(ReplayProblem) -> Int {
        guard tune > 0, tune <= tuneLimit else { throw ReplayProblem("tune is above 0 and at most 100, not \(tune)") }
        guard demand > 0 else { throw ReplayProblem("no pod asks for a device: there is no demand to tune") }
        let goal = (tune * Double(capacity)).rounded(.up)
        guard goal / Double(demand) * Double(pods) <= Double(arrivalLimit) else {
            throw ReplayProblem("about \(arrivalLimit) pods may arrive, tune \(tune) asks for more")
        }
        return Int(goal)
    }

    package var isDone: Bool { done == arrivals.count }

    /// Lets up to `count` pods arrive.
    package mutating func advance(_ count: Int) {
        for _ in 0..<min(count, arrivals.count - done) { arrive(arrivals[done]) }
    }

    private mutating func arrive(_ pod: PackingShape) {
        done += 1
        now.arrived += pod.deviceMilli
        if let placement = core.place(pod) {
            settle(pod, placement)
            now.allocated += pod.deviceMilli
            now.placed[pod.kind] += 1
        } else {
            now.failed[pod.kind] += 1
            if pod.models != PackingShape.anyModel { now.failedBound += 1 }
            if account.contains(where: { $0.fits(pod) }) { violations.refusedThoughItFits += 1 }
        }
        // A point for each hundredth of the capacity that has arrived.
        if now.arrived * 100 / capacity > (points.last?.arrived ?? 0) * 100 / capacity || isDone { record() }
    }

    private mutating func settle(_ pod: PackingShape, _ placement: PackingPlacement) {
        let wellFormed =
            account.indices.contains(placement.node) && placement.devices.nonzeroBitCount == Int(pod.devices)
        guard wellFormed, account[placement.node].take(pod, placement.devices) else {
            violations.overGranted += 1
            return
        }
    }

    private mutating func record() {
        now.fragment = 0
        for node in account {
            let free = node.free.reduce(0) { $0 + Int($1) }
            let usable = fragment.usable(PackingState(model: node.model, cpu: node.cpu, free: node.free))
            now.fragment += Double(free) - Double(usable) / Double(FragmentValue.scale)
        }
        points.append(now)
    }
}

package struct ReplayProblem: Error, Equatable, CustomStringConvertible, Sendable {
    package var description: String

    init(_ description: String) { self.description = description }
}

package struct ReplayViolations: Equatable, Sendable {
    package var refusedThoughItFits = 0
    package var overGranted = 0

    package var count: Int { refusedThoughItFits + overGranted }
}

/// The sum so far at one moment of a replay; amounts in thousandths of a device.
package struct ReplayPoint: Equatable, Sendable {
    package var arrived = 0
    package var allocated = 0
    /// Free but of no use to the typical work, weighted by its popularity.
    package var fragment = 0.0
    package var placed = PodCounts()
    package var failed = PodCounts()
    /// Of the failed ones those that are bound to models.
    package var failedBound = 0
}

package enum PodKind: Int, CaseIterable, Sendable {
    case cpuOnly, share, oneDevice, severalDevices

    package var name: String {
        switch self {
        case .cpuOnly: "CPU only"
        case .share: "share"
        case .oneDevice: "one device"
        case .severalDevices: "several devices"
        }
    }
}

package struct PodCounts: Equatable, Sendable {
    private var counts = SIMD4<Int>.zero

    package init() {}

    package internal(set) subscript(kind: PodKind) -> Int {
        get { counts[kind.rawValue] }
        set { counts[kind.rawValue] = newValue }
    }

    package var total: Int { counts.wrappedSum() }
}

extension PackingShape {
    package var kind: PodKind {
        switch devices {
        case 0: .cpuOnly
        case 1: share < Self.wholeDevice ? .share : .oneDevice
        default: .severalDevices
        }
    }
}

/// The replay's own reckoning, apart from the core's states.
extension PackingNode {
    func fits(_ pod: PackingShape) -> Bool {
        guard cpu >= pod.cpu, memory >= pod.memory else { return false }
        guard pod.devices > 0 else { return true }
        return pod.allows(model: model) && free.count { $0 >= pod.share } >= Int(pod.devices)
    }

    /// False, and nothing taken, where the node has not that much.
    mutating func take(_ pod: PackingShape, _ devices: UInt16) -> Bool {
        guard fits(pod) else { return false }
        for d in 0..<PackingNode.deviceLimit where devices >> d & 1 == 1 {
            guard d < free.count, free[d] >= pod.share else { return false }
        }
        cpu -= pod.cpu
        memory -= pod.memory
        for d in free.indices where devices >> d & 1 == 1 { free[d] -= pod.share }
        return true
    }
}
