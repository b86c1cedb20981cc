import Foundation
import HCSAPI
import HCSModel

/// Step 6: a card falls off the bus; its work goes on elsewhere.
struct FaultStep {
    func run(_ demo: Demo) async throws {
        demo.screen.heading(6, "A card fails")
        let views = [try await demo.workload("train-a"), try await demo.workload("train-b")]
        guard let card = views[0].grants.first?.device else { throw DemoError("train-a has no device") }
        let (way, sent) = try inject(card, FaultWay.choose(probes: try await demo.agent.status().probes), demo)

        let failed = try await demo.poll(within: .seconds(10), every: .milliseconds(20)) {
            try await demo.devices().first {
                $0.device.id == card && $0.health.score == 0 && !$0.health.reasons.isEmpty
            }
        }
        let reason = failed?.health.reasons.first
        demo.promise(
            "6", "health of the shared card goes to 0 with its reason",
            reason.map { "0, because of \($0.detail.prefix { $0 != ":" }), seen in \($0.source)" } ?? "not within 10 s",
            reason != nil)

        let decided = try await decision(demo, after: sent)
        demo.promise(
            "6",
            "milliseconds from the line to the scheduler's decision (\(way.isKernelLog ? "kernel log" : "simulated log"))",
            decided.map { "\($0) ms" } ?? "no decision within 10 s", decided != nil)

        let moved = try await demo.poll(within: .seconds(20)) {
            let now = [try await demo.workload("train-a"), try await demo.workload("train-b")]
            let done = now.allSatisfy { $0.phase == .running && $0.attempt > 1 && $0.processes > 0 }
            return done ? now : nil
        }
        try demo.hcs(["devices"])
        try demo.hcs(["workloads", "train-a"])
        let places = Set((moved ?? []).flatMap { $0.grants.map(\.device) })
        let free = try await demo.devices().first {
            $0.device.vendor == .nvidia && $0.device.simulated && $0.device.id != card
        }
        demo.screen.line()
        demo.promise(
            "6", "both its workloads are restarted on the free card",
            moved == nil
                ? "not within 20 s"
                : "attempt \(moved?.map { "\($0.attempt)" }.joined(separator: " and ") ?? "?") on \(places.map(\.uuid).joined(separator: ", "))",
            places.count == 1 && places.first == free?.device.id)
        let after = try await demo.devices().first { $0.device.id == card }
        demo.promise(
            "6", "the failed card is used no more", "\(after?.ledger.workloads.count ?? -1) workloads on it",
            after?.ledger.workloads.isEmpty == true)
    }

    /// When the scheduler first wrote down that it takes the work away, in milliseconds after the line.
    private func decision(_ demo: Demo, after sent: Int64) async throws -> Int64? {
        try await demo.poll(within: .seconds(10), every: .milliseconds(20)) {
            let events = try await demo.workload("train-a").events + demo.workload("train-b").events
            let acts = events.filter { ($0.kind == .deviceFault || $0.kind == .moved) && $0.atMilliseconds >= sent - 1 }
            return acts.map(\.atMilliseconds).min().map { max(0, $0 - sent) }
        }
    }

    /// Writes the line and gives the way it went and the time just before, milliseconds since 1970.
    private func inject(_ card: DeviceID, _ way: FaultWay, _ demo: Demo) throws -> (FaultWay, Int64) {
        demo.screen.say(way.explanation)
        let place = way.isKernelLog ? ["--kmsg"] : ["--log", demo.bench.file("kernel.log")]
        let text: String
        do { text = try demo.hcs(["simulate", "xid", card.uuid, "79"] + place) } catch {
            guard way.isKernelLog else { throw error }
            return try inject(card, .simulated("\(error)"), demo)
        }
        guard let sent = Int64(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw DemoError("hcs simulate xid answered '\(text)' instead of a time")
        }
        return (way, sent)
    }
}
