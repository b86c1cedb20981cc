import HCSModel
import HCSPlacement
import Testing

/// What was asked to end runs until it has ended, and so long its tenant's limits hold it.
@Suite struct EndingWorkTests {
    private func tenant(_ limit: AmountBound) -> QueuePolicy.Tenant { .init(name: "a", quota: .init(limit: limit)) }

    @Test func `who deletes and submits again passes no limit while the old work ends`() {
        let bound = AmountBound(vram: .gibibytes(40))
        let pooled = QueuePolicy.Tenant(name: "a", poolQuotas: ["p": .init(limit: bound)])
        for (tenant, place) in [(tenant(bound), ""), (pooled, " in pool p")] {
            var world = QueueWorld([[80], [80]])
            world.policy.pools = [.init(name: "p")]
            world.policy.tenants = [tenant, .init(name: "b")]
            world.run("a0", 40, on: ["n1-0"], tenant: "a")
            world.stop("a0")
            world.queue("a1", 40, tenant: "a")
            world.queue("b1", 40, tenant: "b")
            world.cycle()
            #expect(world.placedNow == ["b1"])
            let words =
                "tenant a would pass its limit of 40Gi of device memory\(place) until what is being stopped has ended"
            #expect(world.wait("a1")?.reason.contains(words) == true, "\(world.wait("a1")?.reason ?? "")")
            world.drained()
            world.cycle()
            #expect(world.placedNow == ["a1"])
        }
    }

    @Test func `what is moved counts once: it starts elsewhere only when it has ended where it was`() {
        var world = QueueWorld([[80], [80]])
        world.policy.tenants = [tenant(AmountBound(vram: .gibibytes(40)))]
        world.run("a0", 40, on: ["n1-0"], tenant: "a")
        world.stop("a0")
        world.queue("a0", 40, tenant: "a", hasRun: true)
        world.queue("a1", 40, tenant: "a")
        world.cycle()
        #expect(world.placedNow == ["a0"])
        #expect(world.wait("a1")?.code == .quota)
        world.drained()
        world.cycle()
        #expect(world.placedNow.isEmpty)
    }

    @Test func `what comes back smaller counts as it was until that has ended, gangs by each member`() {
        var world = QueueWorld([[80], [80]])
        world.policy.tenants = [tenant(AmountBound(vram: .gibibytes(60)))]
        world.run("a0", 40, on: ["n1-0"], tenant: "a")
        world.stop("a0")
        world.queue("a0", 10, tenant: "a", hasRun: true)
        world.queue("a1", 30, tenant: "a")
        world.cycle()
        #expect(world.placedNow == ["a0"])
        world.cycle()
        #expect(world.placedNow.isEmpty, "40 end, and 30 are 70")
        world.drained()
        world.cycle()
        #expect(world.placedNow == ["a1"])

        var gang = QueueWorld([[80], [80]])
        gang.policy.tenants = [tenant(AmountBound(vram: .gibibytes(60)))]
        for (name, before, after) in [("g1", 40, 10), ("g2", 20, 40)] as [(String, UInt64, UInt64)] {
            gang.run(name, before, on: ["n1-0"], tenant: "a")
            gang.stop(name)
            gang.queue(name, after, tenant: "a", gang: Gang(name: "g", size: 2), hasRun: true)
        }
        gang.cycle()
        #expect(gang.placedNow.isEmpty, "40 and 40, where each runs as the larger of old and new")
        #expect(gang.wait("g1")?.code == .quota)
        gang.drained()
        gang.cycle()
        #expect(Set(gang.placedNow) == ["g1", "g2"])
    }

    @Test func `a gang that goes to one node counts its own last attempts as others do`() {
        for (limit, fits) in [(60, true), (70, false)] as [(UInt64, Bool)] {
            var world = QueueWorld([[80], [80]])
            world.policy.tenants = [tenant(AmountBound(vram: .gibibytes(limit)))]
            // With another size they would run as the larger of old and new: 40 and 40.
            let sizes: [(UInt64, UInt64)] = fits ? [(30, 30), (30, 30)] : [(40, 20), (20, 40)]
            for (n, (before, after)) in sizes.enumerated() {
                world.run("g\(n)", before, on: ["n1-0"], tenant: "a")
                world.stop("g\(n)")
                let spec = PlacementSpec(interconnect: .sameNode, gang: Gang(name: "g", size: 2), tenant: "a")
                world.queue("g\(n)", PlacementRequest(runtime: .cuda, vram: .gibibytes(after), placement: spec))
            }
            world.cycle()
            #expect(world.placedNow.count == (fits ? 2 : 0))
            world.drained()
            world.cycle()
            #expect(world.placedNow.count == (fits ? 0 : 2))
        }
    }

    @Test func `a guarantee is not less for what still ends`() {
        var world = QueueWorld([[40], [40]])
        world.policy.pools = [.init(name: "p1", nodes: ["n1"]), .init(name: "p2", nodes: ["n2"])]
        world.policy.tenants = [
            .init(name: "a", quota: .init(guarantee: AmountBound(vram: .gibibytes(40)))), .init(name: "b"),
        ]
        world.run("a0", 40, on: ["n1-0"], tenant: "a")
        world.run("b0", 40, on: ["n2-0"], tenant: "b")
        world.stop("a0")
        world.queue("a1", 40, tenant: "a", pool: "p2")
        world.cycle()
        #expect(world.preemptedNow == ["b0"])
        world.cycle()
        #expect(world.preemptedNow.isEmpty)
    }

    @Test func `what was ended for a unit of the same tenant keeps it in its place, not out of it`() {
        var world = QueueWorld([[80], [80]])
        world.policy.tenants = [tenant(AmountBound(vram: .gibibytes(100))), .init(name: "b")]
        world.run("a0", 40, on: ["n1-0"], tenant: "a")
        world.run("b0", 80, on: ["n2-0"], priority: 9, tenant: "b")
        world.queue(
            "high",
            PlacementRequest(
                runtime: .cuda, vram: .zero, placement: PlacementSpec(wholeDevices: true, priority: 5, tenant: "a")))
        world.cycle()
        #expect(world.preemptedNow == ["a0"])
        world.end("b0")
        // It fits on n2 now, but beside a0 that would be 120.
        world.cycle()
        #expect(world.wait("high")?.code == .preempting)
        #expect(world.book.claims.count == 1)
        world.drained()
        world.cycle()
        #expect(world.placedNow.contains("high"))
    }

    @Test func `room that is given up goes by the order, also to those that give up theirs at that time`() throws {
        var world = QueueWorld([[40], [40], [40], [40]])
        for n in 1...3 { world.run("low\(n)", 40, on: ["n\(n)-0"], tenant: "d", since: Int64(n)) }
        world.run("c0", 40, on: ["n4-0"], priority: 9, tenant: "c")
        world.queue("s", 40, priority: 5, tenant: "b", age: 9)
        for n in 1...2 { world.queue("g\(n)", 40, priority: 5, tenant: "a", gang: Gang(name: "g", size: 2), age: 8) }
        world.cycle()
        #expect(world.preemptedNow.count == 3 && world.book.claims.count == 2)
        let gang = world.book.claims[.gang(GangKey(tenant: "a", name: "g"))]
        let node = try #require(gang?.placements.first?.node)
        // One of the victims has ended when the time of both is over.
        world.draining.removeAll { $0.placement.node == node }
        world.now += 71_000
        world.queue("rival", 40, priority: 5, tenant: "c", age: 99)
        world.cycle()
        #expect(world.placedNow == ["s"], "its tenant has nothing, the rival's has c0")
        #expect(world.book.claims.isEmpty)
    }
}
