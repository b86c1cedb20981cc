import Foundation
import HCSModel
import Testing

@testable import HCSPlacement

@Suite struct FairOrderTests {
    /// The order by the book: of the highest priority that is left, the tenant with the smallest share, then the oldest.
    private struct Reference {
        var units: [QueueUnit]

        mutating func next(share: (String) -> Double) -> QueueUnit? {
            func comesBefore(_ a: QueueUnit, _ b: QueueUnit) -> Bool {
                if a.priority != b.priority { return a.priority > b.priority }
                let (x, y) = (share(a.tenant), share(b.tenant))
                guard a.tenant != b.tenant else {
                    return (a.createdMilliseconds, a.key) < (b.createdMilliseconds, b.key)
                }
                return (x, oldest(like: a), a.tenant) < (y, oldest(like: b), b.tenant)
            }
            guard let best = units.indices.min(by: { comesBefore(units[$0], units[$1]) }) else { return nil }
            return units.remove(at: best)
        }

        private func oldest(like unit: QueueUnit) -> Int64 {
            units.filter { $0.tenant == unit.tenant && $0.priority == unit.priority }
                .map(\.createdMilliseconds).min() ?? .max
        }
    }

    private func units(
        _ count: Int, tenants: Int, priorities: ClosedRange<Int>, using random: inout SplitMix64
    ) -> [QueueUnit] {
        (0..<count).map { n in
            let request = PlacementRequest(
                runtime: .cuda, vram: .gibibytes(1),
                placement: PlacementSpec(
                    priority: Int.random(in: priorities, using: &random),
                    tenant: "t\(Int.random(in: 0..<tenants, using: &random))"))
            let id = WorkloadID.random(using: &random)
            let created = Int64.random(in: 0...9, using: &random)
            return QueueUnit(
                key: .single(id),
                members: [
                    QueuedWork(
                        id: id, name: "w\(n)", request: request, createdMilliseconds: created, queuedMilliseconds: 0)
                ])
        }
    }

    @Test func `the order is that of the book, whatever is handed out and given up meanwhile`() {
        for seed in 1...60 {
            var random = SplitMix64(state: UInt64(seed))
            let tenants = Int.random(in: 1...9, using: &random)
            let all = units(
                Int.random(in: 0...60, using: &random), tenants: tenants, priorities: 0...2, using: &random)
            var order = FairOrder(all)
            var reference = Reference(units: all)
            // Equal ones too: then age decides, then the name.
            var shares: [String: Double] = [:]
            for t in 0..<tenants { shares["t\(t)"] = Double(Int.random(in: 0...3, using: &random)) }
            for step in 0...all.count {
                let wanted = reference.next { shares[$0] ?? 0 }
                let got = order.next { shares[$0] ?? 0 }
                guard wanted == got else {
                    Issue.record("seed \(seed), step \(step): \(got?.name ?? "-") is not \(wanted?.name ?? "-")")
                    return
                }
                var changed: Set<String> = []
                if let got, Bool.random(using: &random) {
                    shares[got.tenant, default: 0] += 1
                    changed.insert(got.tenant)
                }
                if Int.random(in: 0..<4, using: &random) == 0 {
                    let tenant = "t\(Int.random(in: 0..<tenants, using: &random))"
                    shares[tenant] = Double(Int.random(in: 0...3, using: &random))
                    changed.insert(tenant)
                }
                order.sharesChanged(of: changed)
            }
        }
    }

    private func threadNanoseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    @Test func `what one unit costs does not grow with the tenants`() {
        func cost(_ tenants: Int) -> (asked: Int, nanoseconds: Int) {
            var random = SplitMix64(state: 5)
            var order = FairOrder(units(20_000, tenants: tenants, priorities: 0...0, using: &random))
            var given: [String: Double] = [:]
            var asked = 0
            func next() -> QueueUnit? {
                order.next {
                    asked += 1
                    return given[$0] ?? 0
                }
            }
            let start = threadNanoseconds()
            while let unit = next() {
                given[unit.tenant, default: 0] += 1
                order.sharesChanged(of: [unit.tenant])
            }
            return (asked, threadNanoseconds() - start)
        }
        for tenants in [1_000, 10_000] {
            let cost = cost(tenants)
            print("fair order: 20,000 units of \(tenants) tenants: \(cost.nanoseconds / 20_000) ns of CPU time a unit")
            // Each share is asked for once at first, and again after each unit that its tenant gets.
            #expect(cost.asked <= tenants + 20_000)
        }
    }
}
