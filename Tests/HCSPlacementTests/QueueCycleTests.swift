import HCSModel
@testable import HCSPlacement
import Testing

@Suite struct QueueCycleTests {
    // MARK: Order

    @Test func `higher priority goes first, then age`() {
        var world = QueueWorld([[10]])
        world.queue("old", 10, age: 50)
        world.queue("young", 10, age: 10)
        world.queue("high", 10, priority: 5)
        for expected in ["high", "old", "young"] {
            world.cycle()
            #expect(world.placedNow == [expected])
            world.end(expected)
        }
    }

    @Test func `what fits nowhere does not hold up the rest`() {
        var world = QueueWorld([[10]])
        world.queue("large", 11, priority: 9, age: 9)
        world.queue("small", 5)
        world.cycle()
        #expect(world.placedNow == ["small"])
        #expect(world.wait("large")?.code == .room)
        #expect(world.wait("large")?.reason == "no device fits: none of 1 that run cuda (device-memory)")
    }

    @Test func `what asks for as much as was refused is not looked at, and nothing that fits waits for that`() {
        for seed in 0..<60 {
            var generator = SplitMix64(state: UInt64(seed))
            var world = QueueWorld([[40, 40], [24], [80]])
            for n in world.nodes.indices {
                world.nodes[n].cpuMilli = Int.random(in: 2...16, using: &generator) * 1000
                world.nodes[n].memory = .gibibytes(UInt64.random(in: 8...64, using: &generator))
            }
            for n in 0..<40 {
                let spec = PlacementSpec(
                    devices: Int.random(in: 1...2, using: &generator),
                    compute: Bool.random(using: &generator) ? .share(Int.random(in: 1...1000, using: &generator)) : nil,
                    cpuMilli: Int.random(in: 0...8000, using: &generator),
                    memory: .gibibytes(UInt64.random(in: 0...32, using: &generator)),
                    require: Bool.random(using: &generator) ? [PlacementTerm(.node, .notEqual, "n3")] : [],
                    interconnect: Bool.random(using: &generator) ? .any : .sameNode)
                let vram = ByteCount.gibibytes(UInt64.random(in: 1...50, using: &generator))
                world.queue("w\(n)", PlacementRequest(runtime: .cuda, vram: vram, placement: spec))
            }
            world.cycle()
            #expect(!world.placed.isEmpty && !world.queued.isEmpty)
            for work in world.queued {
                var room = world.room
                #expect(room.canPlace(work.request) == nil, "seed \(seed): \(work.name) fits and waits")
            }
        }
    }

    @Test func `a cycle looks at so much, and what it passes over has its turn soon, each once before any again`() {
        var world = QueueWorld([[10]])
        for n in 0..<60 {
            // None asks for as much as another of everything, so each needs a look of its own.
            let spec = PlacementSpec(memory: .gibibytes(UInt64(n)))
            world.queue("w\(n)", PlacementRequest(runtime: .cuda, vram: .gibibytes(UInt64(200 - n)), placement: spec))
        }
        world.queue("last", 10, age: -1000)
        world.cycle(nodesLookedAt: 0)
        #expect(world.placedNow.isEmpty && world.wait("w7") != nil && world.wait("w40") == nil)
        var cycles = 1
        while world.placedNow.isEmpty, cycles < 20 {
            world.cycle(nodesLookedAt: 0)
            cycles += 1
        }
        #expect(world.placedNow == ["last"] && cycles <= 9, "\(cycles)")
    }

    @Test func `the tenant with the smaller dominant share goes first, by its weight`() {
        var world = QueueWorld([[80]])
        world.policy.tenants = [.init(name: "a"), .init(name: "b", weight: 3)]
        for n in 0..<8 {
            world.queue("a\(n)", 10, tenant: "a", age: Int64(100 - n))
            world.queue("b\(n)", 10, tenant: "b", age: Int64(50 - n))
        }
        world.cycle()
        #expect(world.placedNow.count == 8)
        #expect(world.placedNow.count { $0.hasPrefix("b") } == 6, "\(world.placedNow)")
        #expect(world.placedNow.first == "a0", "equal shares: the older one")
    }

    @Test func `the dominant resource is the one of which the tenant has the largest part`() {
        let pool = Amounts(devices: 1, vram: .gibibytes(100), computeMilli: 1000, cpuMilli: 10_000)
        #expect(Amounts(vram: .gibibytes(10), computeMilli: 500, cpuMilli: 3000).dominantShare(of: pool) == 0.5)
        #expect(Amounts(vram: .gibibytes(10), cpuMilli: 3000).dominantShare(of: pool) == 0.3)
        #expect(Amounts(memory: .gibibytes(10)).dominantShare(of: pool) == 0, "nobody knows how much there is")
    }

    @Test func `work in back-off is not tried`() {
        var world = QueueWorld([[10]])
        world.queue("w", 10, isDue: false)
        world.cycle()
        #expect(world.decisions.isEmpty)
    }

    // MARK: Quotas

    @Test func `a limit holds, says so, and does not hold up the tenant's smaller work or others`() {
        var world = QueueWorld([[80]])
        world.policy.tenants = [
            .init(name: "a", quota: .init(limit: AmountBound(vram: .gibibytes(30)))), .init(name: "b"),
        ]
        world.run("a0", 20, on: ["n1-0"], tenant: "a")
        world.queue("a1", 20, tenant: "a", age: 5)
        world.queue("a2", 10, tenant: "a")
        world.queue("b1", 30, tenant: "b")
        world.cycle()
        #expect(Set(world.placedNow) == ["a2", "b1"])
        #expect(world.wait("a1")?.code == .quota)
        #expect(world.wait("a1")?.reason == "tenant a would pass its limit of 30Gi of device memory")
    }

    @Test func `a pool's limit sends work to another pool, and holds where there is none`() {
        var world = QueueWorld([[40], [40]])
        world.policy.pools = [.init(name: "p1", nodes: ["n1"]), .init(name: "p2", nodes: ["n2"])]
        world.policy.tenants = [
            .init(name: "a", poolQuotas: ["p1": .init(limit: AmountBound(vram: .gibibytes(10)))])
        ]
        world.run("a0", 10, on: ["n1-0"], tenant: "a")
        world.queue("a1", 10, tenant: "a")
        world.queue("a2", 10, tenant: "a", pool: "p1")
        world.cycle()
        #expect(world.placedNow == ["a1"])
        #expect(world.devices(of: "a1") == ["n2-0"])
        #expect(
            world.wait("a2")?.reason
                == "no device fits: none of 2 that run cuda (pool, quota: pool p1: tenant a would pass its limit of 10Gi of device memory in pool p1)"
        )
    }

    @Test func `a tenant stays in its pools`() {
        var world = QueueWorld([[40], [40]])
        world.policy.pools = [.init(name: "p1", nodes: ["n1"]), .init(name: "p2", nodes: ["n*"])]
        world.policy.tenants = [.init(name: "a", pools: ["p2"])]
        world.queue("a1", 30, tenant: "a")
        world.queue("a2", 30, tenant: "a")
        world.queue("wrong", 1, tenant: "a", pool: "p1")
        world.queue("nobody", 1, tenant: "x")
        world.cycle()
        #expect(world.devices(of: "a1") == ["n2-0"])
        #expect(world.placedNow == ["a1"])
        #expect(world.wait("wrong")?.reason == "tenant a may not use pool p1; it may use: p2")
        #expect(world.wait("nobody")?.code == .policy)
    }

    @Test func `an unused guarantee is lent, and taken back from the borrower`() {
        var world = QueueWorld([[80]])
        world.policy.tenants = [
            .init(name: "a", quota: .init(guarantee: AmountBound(vram: .gibibytes(40)))),
            .init(name: "b", quota: .init(guarantee: AmountBound(vram: .gibibytes(40)))),
        ]
        for n in 0..<4 { world.run("b\(n)", 20, on: ["n1-0"], priority: 5, tenant: "b", since: Int64(100 + n)) }
        for n in 0..<3 { world.queue("a\(n)", 20, tenant: "a", age: Int64(9 - n)) }
        world.cycle()
        #expect(world.preemptedNow == ["b0", "b1"], "the youngest, and no more than was borrowed")
        #expect(world.wait("a0")?.code == .preempting)
        world.drained()
        world.cycle()
        #expect(Set(world.placedNow) == ["a0", "a1"])
        #expect(world.wait("a2")?.code == .room, "that would be more than its guarantee")
        world.drained(after: 100)
        world.cycle()
        #expect(world.preemptedNow.isEmpty, "what is guaranteed stays, whatever the priority of those that wait")
    }

    private func whole(_ priority: Int = 0, tenant: String) -> PlacementRequest {
        PlacementRequest(
            runtime: .cuda, vram: .zero,
            placement: PlacementSpec(wholeDevices: true, priority: priority, tenant: tenant))
    }

    @Test func `nothing is ended for what its tenant's limit does not let start, whole devices included`() {
        var world = QueueWorld([[80]])
        world.policy.tenants = [
            .init(name: "a", quota: .init(limit: AmountBound(vram: .gibibytes(40)))), .init(name: "b"),
        ]
        world.run("b0", 40, on: ["n1-0"], tenant: "b")
        world.queue("a0", whole(10, tenant: "a"))
        for _ in 0..<3 {
            world.cycle()
            #expect(world.preemptedNow.isEmpty)
            world.now += 61_000
        }
    }

    @Test func `a guarantee takes back what it covers, not the whole device around it`() {
        var world = QueueWorld([[80]])
        world.policy.tenants = [
            .init(name: "a", quota: .init(guarantee: AmountBound(vram: .gibibytes(40)))), .init(name: "b"),
        ]
        world.run("b0", 70, on: ["n1-0"], tenant: "b")
        world.queue("a0", whole(tenant: "a"))
        world.cycle()
        #expect(world.preemptedNow.isEmpty, "b would end it in turn")
        world.queue("a1", 40, tenant: "a")
        world.cycle()
        #expect(world.preemptedNow == ["b0"])
    }

    @Test func `room that is kept counts: one guarantee or limit ends what it allows, once`() {
        for isLimit in [false, true] {
            var world = QueueWorld([[80], [80], [80]])
            let one = AmountBound(devices: 1)
            world.policy.tenants = [
                .init(name: "a", quota: isLimit ? .init(limit: one) : .init(guarantee: one)), .init(name: "b"),
            ]
            for n in 1...3 { world.run("b\(n)", 70, on: ["n\(n)-0"], tenant: "b", since: Int64(n)) }
            for n in 1...3 { world.queue("a\(n)", 70, priority: isLimit ? 10 : 0, tenant: "a", age: Int64(9 - n)) }
            for _ in 0..<3 {
                world.cycle()
                world.now += 1000
            }
            #expect(world.book.claims.count == 1, "isLimit \(isLimit)")
            #expect(world.placed.count == 2, "isLimit \(isLimit)")
        }
    }

    @Test func `what its limit keeps out holds up nobody's reservation`() {
        var world = QueueWorld([[80]])
        world.policy.tenants = [
            .init(name: "a", quota: .init(limit: AmountBound(devices: 1))), .init(name: "b"),
        ]
        world.run("b0", 40, on: ["n1-0"], tenant: "b")
        for n in 1...2 { world.queue("a\(n)", 10, tenant: "a", devices: 2, waited: 4000, age: Int64(9 - n)) }
        world.queue("big", 70, tenant: "b", waited: 3600)
        world.cycle()
        world.cycle()
        #expect(world.wait("big")?.code == .reserved)
        #expect(world.wait("a1")?.code == .quota)
    }

    // MARK: Preemption

    @Test func `the lowest priority is preempted, then the fewest, then the youngest`() {
        var world = QueueWorld([[40], [40], [40], [40]])
        world.run("p2", 40, on: ["n1-0"], priority: 2)
        world.run("p1-a", 20, on: ["n2-0"], priority: 1)
        world.run("p1-b", 20, on: ["n2-0"], priority: 1)
        world.run("p1-old", 40, on: ["n3-0"], priority: 1, since: 900)
        world.run("p1-young", 40, on: ["n4-0"], priority: 1, since: 300)
        world.queue("high", 40, priority: 5)
        world.cycle()
        #expect(world.preemptedNow == ["p1-young"])
        world.cycle()
        #expect(world.preemptedNow.isEmpty, "once is enough while the victim ends")
        #expect(world.wait("high")?.reason == "takes the place of p1-young on n4, once ended")
        world.drained()
        world.cycle()
        #expect(world.placedNow.first == "high")
        #expect(world.devices(of: "high") == ["n4-0"])
    }

    @Test
    func
        `equal priority preempts nothing, nor is work ended that never starts again, nor does it go on where the policy forbids it`()
    {
        var world = QueueWorld([[40]])
        world.run("same", 40, on: ["n1-0"], priority: 5)
        world.queue("w", 40, priority: 5)
        world.cycle()
        #expect(world.preemptedNow.isEmpty)
        var never = QueueWorld([[40]])
        never.run("never", 40, on: ["n1-0"], mayRestart: false)
        never.queue("w", 40, priority: 5)
        never.cycle()
        #expect(never.preemptedNow.isEmpty)
        var off = QueueWorld([[40]])
        off.policy.preemption = false
        off.run("low", 40, on: ["n1-0"])
        off.queue("w", 40, priority: 5)
        off.cycle()
        #expect(off.preemptedNow.isEmpty)
    }

    @Test func `room that is being freed is held for the preemptor, but not for ever`() {
        var world = QueueWorld([[40]])
        world.run("low", 40, on: ["n1-0"])
        world.queue("high", 30, priority: 5)
        world.cycle()
        #expect(world.preemptedNow == ["low"])
        world.queue("quick", 30, priority: 4, age: 999)
        world.drained()
        // The preemptor is in back-off for a moment: its room waits.
        let high = world.queued.firstIndex { $0.name == "high" } ?? 0
        world.queued[high].isDue = false
        world.cycle()
        #expect(world.placedNow.isEmpty)
        world.queued[high].isDue = true
        world.cycle()
        #expect(world.placedNow == ["high"])
        #expect(world.wait("quick")?.code == .room)
    }

    @Test func `a victim that does not end frees its preemptor after its time, and nobody else is ended at once`() {
        var world = QueueWorld([[40], [40]])
        world.run("low1", 40, on: ["n1-0"], since: 50)
        world.run("low2", 40, on: ["n2-0"], since: 90)
        world.queue("high", 30, priority: 5)
        world.cycle()
        #expect(world.preemptedNow == ["low1"])
        world.now += 10_000 + QueueCycle.victimSlackMilliseconds
        world.cycle()
        #expect(world.wait("high")?.code == .room)
        #expect(world.preemptedNow.isEmpty)
        #expect(world.book.claims.isEmpty)
        world.now += QueueCycle.restMilliseconds
        world.cycle()
        #expect(world.preemptedNow == ["low2"], "what should have ended long ago is no room to wait for")
        #expect(world.wait("high")?.code == .preempting)
    }

    @Test func `a preemptor waits for all that ends on its node: nobody is ended for it again and again`() {
        var world = QueueWorld([[80]])
        world.run("slow", 40, on: ["n1-0"])
        world.run("quick", 40, on: ["n1-0"], since: 50)
        world.stop("slow")
        world.draining[0].endsByMilliseconds = world.now + 3_600_000
        world.queue("high", 75, priority: 5)
        world.cycle()
        #expect(world.preemptedNow == ["quick"])
        // It has ended, the other has not.
        let quick = world.draining.last?.id
        world.draining.removeAll { $0.id == quick }
        for _ in 0..<3 {
            world.now += QueueCycle.restMilliseconds + QueueCycle.victimSlackMilliseconds
            world.cycle()
            #expect(world.wait("high")?.code == .preempting && world.placedNow.isEmpty && world.preemptedNow.isEmpty)
        }
        world.drained()
        world.cycle()
        #expect(world.placedNow == ["high"])
    }

    @Test func `where the best device is beyond the tenant's limit another one is taken`() {
        var world = QueueWorld([[140], [40], [140]])
        world.policy.tenants = [.init(name: "a", quota: .init(limit: AmountBound(vram: .gibibytes(100))))]
        func whole(preferring node: String) -> PlacementRequest {
            let spec = PlacementSpec(
                wholeDevices: true, prefer: [PlacementTerm(.node, .equal, node)], tenant: "a")
            return PlacementRequest(runtime: .cuda, vram: .zero, placement: spec)
        }
        world.queue("w", whole(preferring: "n1"))
        world.cycle()
        #expect(world.placedNow == ["w"] && world.placed.first?.placement.node == "n2")
        world.queue("next", whole(preferring: "n3"))
        world.cycle()
        #expect(world.placedNow.isEmpty && world.wait("next")?.code == .quota)
    }

    @Test func `only nodes that have places for all members of a gang are looked at`() {
        let world = QueueWorld([[57, 57, 57], [90, 90], [31, 31, 31, 31]])
        let request = PlacementRequest(runtime: .cuda, vram: .gibibytes(29))
        var room = world.room
        #expect(room.nodes(forAllOf: Array(repeating: request, count: 4)).sorted() == ["n2", "n3"])
        #expect(room.nodes(forAllOf: Array(repeating: request, count: 5)) == ["n2"])
        #expect(room.nodes(forAllOf: Array(repeating: request, count: 7)).isEmpty)
    }

    @Test func `gangs that ask for the same are alike, whatever they are called`() {
        func gang(_ name: String, _ size: Int) -> [PlacementRequest] {
            var request = PlacementRequest(runtime: .cuda, vram: .gibibytes(30))
            request.placement.gang = Gang(name: name, size: size, timeoutSeconds: size)
            return Array(repeating: request, count: size)
        }
        var refused = RefusedRequests(byTenant: true, byPriority: true)
        refused.note(gang("a", 3), "no room")
        #expect(refused.reason(for: gang("b", 3)) == "no room" && refused.reason(for: gang("a", 2)) == nil)
    }

    @Test func `a gang is one victim: all of it or none`() {
        let gang = Gang(name: "g", size: 2)
        var world = QueueWorld([[40], [40], [40]])
        world.run("g1", 40, on: ["n1-0"], gang: gang, since: 1)
        world.run("g2", 40, on: ["n2-0"], gang: gang, since: 1)
        world.run("single", 40, on: ["n3-0"], since: 5000)
        world.queue("high", 40, priority: 1)
        world.cycle()
        #expect(world.preemptedNow == ["single"], "one workload, although older")
        var both = QueueWorld([[40], [40]])
        both.run("g1", 40, on: ["n1-0"], gang: gang)
        both.run("g2", 40, on: ["n2-0"], gang: gang)
        both.queue("high", 40, priority: 1)
        both.cycle()
        #expect(both.preemptedNow == ["g1", "g2"])
    }

    /// Against every subset, on small pools.
    @Test func `what is preempted is the least harm that there is`() {
        for seed in 0..<60 {
            var generator = SplitMix64(state: UInt64(seed))
            var world = QueueWorld([[40], [40], [40]])
            var free: [UInt64] = [40, 40, 40]
            for n in 0..<7 {
                let size = UInt64.random(in: 8...24, using: &generator)
                guard let node = free.indices.first(where: { free[$0] >= size }) else { continue }
                free[node] -= size
                world.run(
                    "w\(n)", size, on: ["n\(node + 1)-0"], priority: Int.random(in: 0...2, using: &generator),
                    since: Int64.random(in: 1...500, using: &generator))
            }
            let wanted = UInt64.random(in: 20...40, using: &generator)
            guard !free.contains(where: { $0 >= wanted }) else { continue }
            world.queue("high", wanted, priority: 3)
            let works = world.placed
            var best: (Int, Int, Int64)?
            for mask in 1..<(1 << works.count) {
                let set = works.indices.filter { mask >> $0 & 1 == 1 }.map { works[$0] }
                let fits = (1...3).contains { node in
                    let gone = set.filter { $0.placement.node == "n\(node)" }.reduce(0) {
                        $0 + $1.request.vram.bytes >> 30
                    }
                    return free[node - 1] + gone >= wanted
                }
                guard fits else { continue }
                let harm = (
                    set.map(\.request.placement.priority).max() ?? 0, set.count,
                    set.reduce(Int64(0)) { $0 + world.now - $1.sinceMilliseconds }
                )
                if best.map({ harm < $0 }) ?? true { best = harm }
            }
            world.cycle()
            let chosen = works.filter { world.preemptedNow.contains($0.name) }
            let harm = (
                chosen.map(\.request.placement.priority).max() ?? 0, chosen.count,
                chosen.reduce(Int64(0)) { $0 + world.now - $1.sinceMilliseconds }
            )
            #expect(
                best.map { $0 == harm } ?? chosen.isEmpty, "seed \(seed): \(harm), best \(String(describing: best))")
        }
    }

    @Test func `nothing is ended that could be spared, however many go`() {
        var largest = 0
        for seed in 0..<60 {
            var generator = SplitMix64(state: UInt64(seed))
            var world = QueueWorld(Array(repeating: [40, 40], count: 3))
            var free = Array(repeating: UInt64(40), count: 6)
            for n in 0..<40 {
                let size = UInt64.random(in: 4...12, using: &generator)
                guard let device = free.indices.first(where: { free[$0] >= size }) else { continue }
                free[device] -= size
                world.run(
                    "w\(n)", size, on: ["n\(device / 2 + 1)-\(device % 2)"],
                    priority: Int.random(in: 0...1, using: &generator),
                    gang: n % 5 == 0 ? Gang(name: "g\(n / 10)", size: 2) : nil,
                    since: Int64.random(in: 1...500, using: &generator))
            }
            let wanted = UInt64.random(in: 25...40, using: &generator)
            let gang = Bool.random(using: &generator) ? Gang(name: "h", size: 2) : nil
            for n in 0..<(gang?.size ?? 1) {
                world.queue(
                    "high\(n)", wanted, priority: 3, devices: Int.random(in: 1...2, using: &generator), gang: gang)
            }
            let works = world.placed
            let requests = world.queued.map(\.request)
            world.cycle()
            let chosen = works.filter { world.preemptedNow.contains($0.name) }
            #expect(!chosen.isEmpty, "seed \(seed)")
            largest = max(largest, chosen.count)
            let units = Dictionary(grouping: chosen) { UnitKey($0.id, $0.request) }
            for (key, members) in units {
                #expect(members.count == works.count { UnitKey($0.id, $0.request) == key }, "seed \(seed)")
                world.placed = works.filter { work in
                    UnitKey(work.id, work.request) == key || !chosen.contains { $0.id == work.id }
                }
                world.draining = []
                var room = world.room
                #expect(QueueCycle.fit(requests, in: &room) == nil, "seed \(seed): \(members[0].name) could be spared")
            }
        }
        #expect(largest > 3)
    }

    /// 16 devices with four workloads each, and so many members that want three quarters of one.
    private func crowd(members: Int) -> QueueWorld {
        var world = QueueWorld(Array(repeating: [40, 40, 40, 40], count: 4))
        for device in 0..<16 {
            for n in 0..<4 {
                world.run(
                    "d\(device)-\(n)", 10, on: ["n\(device / 4 + 1)-\(device % 4)"], since: Int64(4 * device + n + 1))
            }
        }
        for n in 0..<members { world.queue("m\(n)", 30, priority: 1, gang: Gang(name: "g", size: members)) }
        return world
    }

    @Test func `a search for victims costs what it may, whatever the size of the gang, and says that it was cut off`() {
        for members in [1, 12] {
            // Enough for whoever counts sets, and not for whoever counts members: 16 single ones are tried first.
            var world = crowd(members: members)
            world.cycle(searchLooks: 400)
            guard members > 1 else {
                #expect(world.preemptedNow == ["d0-0", "d0-1", "d0-2"], "three of one device, the youngest")
                continue
            }
            #expect(world.preemptedNow.isEmpty)
            #expect(world.wait("m0")?.code == .room)
            #expect(world.wait("m0")?.reason.hasSuffix("; the search for what to end for it was cut off") == true)
            world.cycle()
            #expect(
                world.wait("m0")?.reason.hasSuffix("was cut off") == true, "also while it rests: \(world.decisions)")
            world.now += 20_000
            world.cycle()
            #expect(world.preemptedNow.count == 36, "three for each of twelve, of sixty-four")
            #expect(world.wait("m0")?.code == .preempting)
        }
    }

    @Test func `a plan of moves for a gang costs what it may, and says that it was cut off`() {
        // One device is left over, and each gang needs two that are free.
        var world = QueueWorld([[40, 40], [40, 40], [40, 40]])
        for n in 0..<4 { world.run("w\(n)", 16, on: ["n\(n / 2 + 1)-\(n % 2)"]) }
        world.run("x", 40, on: ["n3-0"])
        for n in 0..<3 { world.queue("m\(n)", 40, gang: Gang(name: "g", size: 3)) }
        let key = UnitKey.gang(GangKey(tenant: "default", name: "g"))
        func plan(_ looks: Int) -> Defragmentation? {
            Defragmentation.plan(
                for: key, world.input, policy: world.policy, book: world.book, room: world.room, looks: looks)
        }
        guard case .moves(let moves, _) = plan(1000)?.outcome else {
            Issue.record("no plan: \(String(describing: plan(1000)))")
            return
        }
        #expect(moves.count == 2)
        // Counted by sets a third of that would do.
        let enough = (1...200).first { plan($0)?.moves.isEmpty == false }
        #expect(enough == 81)
        #expect(enough.flatMap { plan($0 - 1) }.map { $0.outcome == .none && !$0.isProven } == true)
    }

    // MARK: Gangs

    @Test func `a gang is placed whole or not at all, and holds nothing meanwhile`() {
        let gang = Gang(name: "g", size: 3)
        var world = QueueWorld([[40], [40]])
        for n in 1...3 { world.queue("g\(n)", 30, gang: gang, age: 10) }
        world.queue("single", 40)
        world.cycle()
        #expect(world.placedNow == ["single"])
        #expect(world.wait("g1")?.reason.hasPrefix("room for 2 of 3 members: ") == true, "\(world.decisions)")
        world.nodes.append(NodeState(name: "n3", devices: [device("n3-0")]))
        world.cycle()
        #expect(Set(world.placedNow) == ["g1", "g2", "g3"])
    }

    private func together(_ name: String, _ gibibytes: UInt64, devices: Int = 1, of size: Int, priority: Int = 0)
        -> PlacementRequest
    {
        PlacementRequest(
            runtime: .cuda, vram: .gibibytes(gibibytes),
            placement: PlacementSpec(
                devices: devices, interconnect: .sameNode, priority: priority, gang: Gang(name: name, size: size)))
    }

    private func nodes(_ world: QueueWorld, _ prefix: String) -> Set<String> {
        Set(world.placed.filter { $0.name.hasPrefix(prefix) }.map(\.placement.node))
    }

    @Test func `a gang that asks for one node gets one, or says which comes nearest and what it lacks`() {
        var world = QueueWorld([[40, 40], [40, 40, 40], [40, 40]])
        for n in 0..<3 { world.queue("m\(n)", together("g", 30, of: 3)) }
        world.cycle()
        #expect(nodes(world, "m") == ["n2"], "\(world.decisions)")
        #expect(Set((0..<3).flatMap { world.devices(of: "m\($0)") }).count == 3)
        // Four devices are free, no three of them on one node.
        var split = QueueWorld([[40, 40], [40, 40, 40], [40, 40]])
        for (n, device) in ["n1-0", "n2-1", "n3-1"].enumerated() {
            split.run(n == 1 ? "w" : "w\(n)", 20, on: [device])
        }
        for n in 0..<3 { split.queue("m\(n)", together("g", 30, of: 3)) }
        split.cycle()
        #expect(split.placedNow.isEmpty)
        #expect(
            split.wait("m0")?.reason
                == "no node has room for all 3 members: n2 comes nearest with 2, the next one lacks device-memory")
        #expect(split.wait("m2")?.code == .room)
        split.end("w")
        split.cycle()
        #expect(nodes(split, "m") == ["n2"])
    }

    @Test func `members that need several devices each share them so that all find places on the node`() {
        // Room for two on the first device, for one on each of the others: both members must take the first.
        var world = QueueWorld([[40, 20, 20]])
        for n in 0..<2 { world.queue("m\(n)", together("g", 20, devices: 2, of: 2)) }
        world.cycle()
        #expect(world.placedNow.count == 2, "\(world.decisions)")
        // The large one goes first, whoever is older.
        var unlike = QueueWorld([[40, 20]])
        unlike.queue("m0", together("g", 20, of: 2))
        unlike.queue("m1", together("g", 40, of: 2))
        unlike.cycle()
        #expect(unlike.devices(of: "m1") == ["n1-0"] && unlike.devices(of: "m0") == ["n1-1"])
    }

    @Test func `a gang that asks for one node preempts there, has room kept there, and is made room for by moves`() {
        var world = QueueWorld([[40, 40], [40, 40]])
        for n in 0..<4 { world.run("w\(n)", 40, on: ["n\(n / 2 + 1)-\(n % 2)"], since: Int64(100 - n)) }
        for n in 0..<2 { world.queue("m\(n)", together("g", 30, of: 2, priority: 1)) }
        world.cycle()
        #expect(world.preemptedNow == ["w2", "w3"], "of one node, the two that lose least: \(world.decisions)")
        world.drained()
        world.cycle()
        #expect(nodes(world, "m") == ["n2"])

        var late = QueueWorld([[40, 40], [40, 40]])
        late.run("a", 40, on: ["n1-0"], since: 900)
        late.run("b", 40, on: ["n2-0"], since: 100)
        for n in 0..<2 { late.queue("m\(n)", together("g", 30, of: 2)) }
        for i in late.queued.indices { late.queued[i].queuedMilliseconds -= 3_600_000 }
        late.cycle()
        #expect(late.wait("m0")?.reason == "it has waited long: room is kept for it on n1", "\(late.decisions)")

        var crowded = QueueWorld([[40, 40], [40, 40]])
        crowded.run("a", 20, on: ["n1-0"])
        crowded.run("b", 20, on: ["n2-0"], since: 50)
        for n in 0..<2 { crowded.queue("m\(n)", together("g", 40, of: 2)) }
        let plan = Defragmentation.plan(
            for: .gang(GangKey(tenant: "default", name: "g")), crowded.input, policy: crowded.policy,
            book: crowded.book, room: crowded.room)
        guard case .moves(let moves, let then) = plan?.outcome else {
            Issue.record("\(String(describing: plan))")
            return
        }
        #expect(moves.count == 1 && Set(then.map(\.node)).count == 1)
    }

    /// Against every assignment of members to devices, on one small node.
    @Test func `of members that are alike none is missed that would fit on the node`() {
        for seed in 0..<200 {
            var generator = SplitMix64(state: UInt64(seed))
            let free = (0..<Int.random(in: 2...4, using: &generator)).map { _ in
                UInt64.random(in: 10...40, using: &generator)
            }
            let size = UInt64.random(in: 8...20, using: &generator)
            let devices = Int.random(in: 1...2, using: &generator)
            let members = Int.random(in: 2...4, using: &generator)
            // Each device serves a member once: they fit where the places that devices have, each at most as many as
            // there are members, are enough.
            let places = free.reduce(0) { $0 + min(Int($1 / size), members) }
            var world = QueueWorld([free])
            for n in 0..<members { world.queue("m\(n)", together("g", size, devices: devices, of: members)) }
            world.cycle()
            #expect(
                world.placedNow.count == (places >= members * devices ? members : 0),
                "seed \(seed): \(members) x \(devices) x \(size) on \(free)")
        }
    }

    @Test func `an incomplete gang waits without a place, and is refused after its time`() {
        let gang = Gang(name: "g", size: 3, timeoutSeconds: 100)
        var world = QueueWorld([[40]])
        world.queue("g1", 1, gang: gang)
        world.queue("g2", 1, gang: gang)
        world.queue("other", 1, tenant: "default", gang: Gang(name: "h", size: 1))
        world.cycle()
        #expect(world.placedNow == ["other"])
        #expect(world.wait("g1")?.code == .gang)
        #expect(world.wait("g1")?.reason.hasPrefix("2 of 3 members of gang g are here") == true)
        world.now += 99_000
        world.cycle()
        #expect(world.failedNow.isEmpty)
        world.now += 1_000
        world.cycle()
        #expect(world.failedNow == ["g1", "g2"])
    }

    @Test func `a gang that lost a member is stopped and starts again together`() {
        let gang = Gang(name: "g", size: 3)
        var world = QueueWorld([[40], [40], [40]])
        world.run("g1", 30, on: ["n1-0"], gang: gang)
        world.run("g2", 30, on: ["n2-0"], gang: gang)
        world.queue("g3", 30, gang: gang, hasRun: true)
        world.cycle()
        #expect(world.placedNow.isEmpty)
        #expect(world.placed.isEmpty && world.queued.count == 3)
        world.drained()
        world.cycle()
        #expect(Set(world.placedNow) == ["g1", "g2", "g3"])
    }

    @Test func `a gang of which a member failed for good has failed, one that came later has not`() {
        let gang = Gang(name: "g", size: 2)
        var world = QueueWorld([[40]])
        world.run("g1", 10, on: ["n1-0"], gang: gang, since: 50)
        world.failed = [
            .init(
                gang: GangKey(tenant: "default", name: "g"), name: "g2", reason: "exit 1",
                atMilliseconds: world.now - 10_000)
        ]
        world.queue("later", 10, gang: gang)
        world.cycle()
        #expect(world.failedNow == ["g1"])
        #expect(world.wait("later")?.code == .gang)
    }

    // MARK: Reservations

    @Test func `large work that waited long is not passed for ever by small work`() {
        var world = QueueWorld([[40]])
        world.run("s0", 20, on: ["n1-0"], since: 10)
        world.run("s1", 20, on: ["n1-0"], since: 5)
        world.queue("large", 40, waited: 0)
        func step(_ world: inout QueueWorld, _ n: Int) {
            world.now += 100_000
            world.end("s\(n - 2)")
            world.queue("s\(n)", 20, priority: 9)
            world.cycle()
        }
        world.policy.preemption = false
        var n = 2
        while world.devices(of: "large").isEmpty, n < 40 {
            step(&world, n)
            n += 1
        }
        let seconds = Int64(n - 2) * 100
        #expect(!world.devices(of: "large").isEmpty)
        #expect(seconds >= world.policy.reservation.afterSeconds, "before that, small work passes it")
        #expect(seconds <= world.policy.reservation.afterSeconds + 300, "after that it waits for what runs, no longer")
    }

    @Test func `no room is kept for what no room would be enough for, nor for more than the policy says`() {
        var world = QueueWorld([[40], [40], [40]])
        for n in 1...3 { world.run("r\(n)", 30, on: ["n\(n)-0"]) }
        world.queue("never", 50, waited: 90_000)
        for n in 1...3 { world.queue("l\(n)", 40, waited: 50_000 - Int64(n)) }
        world.cycle()
        #expect(world.wait("never")?.code == .room)
        #expect(world.book.claims.count == 1, "the hopeless one had the other turn")
        world.cycle()
        #expect(world.book.claims.count == 2)
        #expect(world.wait("l1")?.code == .reserved && world.wait("l2")?.code == .reserved)
        #expect(world.wait("l3")?.code == .room)
    }

    @Test func `a reservation whose device is lost is made anew, and one that waits in vain gives way`() {
        var world = QueueWorld([[40], [40]])
        world.run("r1", 30, on: ["n1-0"], since: 500)
        world.run("r2", 30, on: ["n2-0"], since: 100)
        world.queue("l", 40, waited: 50_000)
        world.cycle()
        #expect(world.wait("l")?.reason.hasSuffix("on n1") == true)
        world.nodes[0].notReady = "silent"
        world.cycle()
        world.cycle()
        #expect(world.wait("l")?.reason.hasSuffix("on n2") == true, "\(world.decisions)")
        world.queue("m", 40, waited: 40_000)
        world.policy.reservation.atOnce = 1
        world.now += world.policy.reservation.holdSeconds * 1000
        world.cycle()
        world.cycle()
        #expect(world.wait("m")?.code == .reserved)
        #expect(world.wait("l")?.code == .room)
    }
}
