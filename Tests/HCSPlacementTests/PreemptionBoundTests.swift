import HCSModel
import Synchronization
import Testing

@testable import HCSPlacement

/// How much a search for victims may cost, and what it must not get in the way of.
@Suite struct PreemptionBoundTests {
    /// Refuses nothing and counts how often a place is looked for.
    private final class Counter: FilterPlugin {
        let name = "counter"
        let basis = FilterBasis.quota
        let looks = Mutex(0)

        func objection(to request: PlacementRequest, on device: DeviceState, of node: NodeState) -> String? {
            looks.withLock { $0 += 1 }
            return nil
        }
    }

    /// One device with so many workloads of 10 GiB that a set of three of them is more than a search may try.
    private func crowd(_ count: Int, asking gibibytes: UInt64) -> QueueWorld {
        var world = QueueWorld([[UInt64(count) * 10]])
        for n in 0..<count { world.run("low\(n)", 10, on: ["n1-0"], since: Int64(100 + n)) }
        world.queue("high", gibibytes, priority: 5)
        return world
    }

    @Test func `what is spared has a budget of its own: the exact search may use up all of its`() {
        // 30 + 435 + 4,060 sets of three or fewer, none of which is enough.
        var world = crowd(30, asking: 50)
        world.cycle()
        #expect(world.preemptedNow == ["low0", "low1", "low2", "low3", "low4"])
    }

    @Test func `a search tries so many sets and no more`() {
        let world = crowd(50, asking: 50)
        let counter = Counter()
        var plugins = PluginRegistry.standard()
        plugins.filters.append(counter)
        var room = PlacementCycle(snapshot: ClusterSnapshot(revision: .zero, nodes: world.nodes), plugins: plugins)
        for work in world.placed { room.reserve(work.placement) }
        var book = QueueBook()
        let decisions = QueueCycle.run(world.input, policy: world.policy, book: &book, room: &room)
        #expect(decisions.count { if case .preempt = $0 { true } else { false } } == 5)
        let looks = counter.looks.withLock { $0 }
        #expect(looks > VictimSearch.exactLimit, "it counts")
        #expect(looks <= VictimSearch.exactLimit + 200, "\(looks)")
    }

    @Test func `a cycle searches for so many units, the others have their turn in the next`() {
        let count = QueueCycle.preemptionsAtOnce + 4
        var world = QueueWorld(Array(repeating: [40], count: count))
        for n in 1...count {
            world.run("low\(n)", 40, on: ["n\(n)-0"])
            world.queue("high\(n)", 40, priority: 5)
        }
        world.cycle()
        #expect(world.preemptedNow.count == QueueCycle.preemptionsAtOnce)
        world.cycle()
        #expect(world.preemptedNow.count == 4)
    }

    @Test func `who finds nobody to end takes no search from those that do`() {
        var world = QueueWorld([[80], [80]])
        world.policy.tenants = [
            .init(name: "a", quota: .init(guarantee: AmountBound(vram: .gibibytes(80)))), .init(name: "b"),
            .init(name: "c"),
        ]
        for n in 1...2 { world.run("c\(n)", 80, on: ["n\(n)-0"], priority: 9, tenant: "c", since: Int64(n)) }
        // Each asks for less than the one before, so that none is refused for being like it.
        for n in 0..<20 { world.queue("b\(n)", UInt64(60 - n), priority: 5, tenant: "b", age: Int64(99 - n)) }
        world.queue("a1", 80, tenant: "a")
        world.cycle()
        #expect(world.preemptedNow == ["c1"])
        #expect(world.wait("b0")?.code == .room)
    }

    @Test func `who found nobody to end is not searched for again in that cycle, nor is what asks for more`() {
        var world = QueueWorld([[80]])
        world.run("top", 80, on: ["n1-0"], priority: 9)
        world.queue("first", 40, priority: 5)
        world.queue("like", 40, priority: 5)
        world.queue("larger", 50, priority: 4)
        world.queue("higher", 40, priority: 10)
        var cycle = QueueCycle(world.input, policy: world.policy, book: world.book, room: world.room)
        let units = cycle.gather()
        func unit(_ name: String) -> QueueUnit? { units.first { $0.name == name } }
        #expect(unit("first").map { cycle.preempt(for: $0) } == false)
        for name in ["first", "like", "larger"] {
            #expect(unit(name).map { cycle.inVain.reason(for: $0.requests) != nil } == true, "\(name)")
        }
        #expect(cycle.preemptionsLeft == QueueCycle.preemptionsAtOnce)
        // Higher priority finds others.
        #expect(unit("higher").map { cycle.preempt(for: $0) } == true)
    }

    // MARK: Beside reservations

    @Test func `room that is kept for a unit does not keep it from ending what has lower priority`() {
        var world = QueueWorld([[40], [40]])
        for n in 1...2 { world.run("top\(n)", 40, on: ["n\(n)-0"], priority: 9, since: Int64(300 - n)) }
        world.queue("late", 40, priority: 5, waited: 3600)
        world.cycle()
        #expect(world.wait("late")?.code == .reserved)
        let kept = world.book.claims.values.first?.placements.first?.node
        #expect(kept == "n1")
        world.end("top2")
        world.run("low", 40, on: ["n2-0"], priority: 0)
        world.cycle()
        #expect(world.preemptedNow == ["low"])
        #expect(world.wait("late")?.code == .preempting)
        #expect(world.book.claims.values.map(\.kind) == [.preemption])
        world.drained()
        world.cycle()
        #expect(world.devices(of: "late") == ["n2-0"])
    }

    @Test func `what waits long and may end nobody does not keep a higher priority from ending somebody`() {
        var world = QueueWorld([[40], [40]])
        for n in 1...2 { world.run("low\(n)", 40, on: ["n\(n)-0"], since: Int64(300 - n)) }
        // It is served before all others, asks for the same and finds no victim.
        world.queue("late", 40, waited: 3600)
        world.queue("high", 40, priority: 5)
        world.cycle()
        #expect(world.wait("late")?.code == .reserved)
        #expect(world.preemptedNow == ["low2"], "the room that is kept is low1's")
        #expect(world.wait("high")?.code == .preempting)
    }
}
