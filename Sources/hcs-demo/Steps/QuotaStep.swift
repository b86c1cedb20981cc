import HCSAPI
import HCSModel

/// Step 3: too much is refused with the vendor's own code, and the neighbours do not notice.
struct QuotaStep {
    func run(_ demo: Demo) async throws {
        demo.screen.heading(3, "The quota holds")
        demo.screen.say(
            "Four of them ask for more than their quota. They get the answer of a full device, in their vendor's words."
        )
        for workload in DemoWorkload.five { try await settle(workload, demo) }

        for workload in DemoWorkload.five {
            guard let refused = workload.refused else { continue }
            let log = try demo.hcs(["logs", workload.name])
            let lines = log.split(separator: "\n").map(String.init)
            let seen = lines.first { $0.hasPrefix("alloc") && $0.contains("error") } ?? "no refusal"
            demo.promise(
                "3",
                "\(workload.name) (\(workload.runtime.rawValue)) asks for \(refused.what) too much and gets \(refused.code)",
                seen,
                seen.hasSuffix("error \(refused.code)") && lines.contains("expect \(refused.code) ok"))
        }

        let neighbour = try await demo.workload("train-a")
        let log = try demo.hcs(["logs", "train-a"])
        let denied = neighbour.usage.reduce(UInt64(0)) { $0 + $1.denied }
        demo.promise(
            "3", "train-a, on the same card as train-b, notices nothing",
            "\(neighbour.phase.rawValue), \(denied) denied, \(log.contains("still served") ? "still served" : "not served")",
            neighbour.phase == .running && denied == 0 && log.contains("still served"))

        try await oneQuotaForAll(demo)
    }

    /// train-b's two children ask for 4 GiB each at the same moment, with 6 GiB for both.
    private func oneQuotaForAll(_ demo: Demo) async throws {
        let log = try demo.hcs(["logs", "train-b"], show: false)
        let line = log.split(separator: "\n").first { $0.hasPrefix("fork-alloc") }.map(String.init) ?? "no such line"
        let view = try await demo.workload("train-b")
        let peak = view.usage.reduce(ByteCount.zero) { $0.adding($1.peak) }
        demo.promise(
            "3", "two processes of train-b never have more than its quota together",
            "\(line.split(separator: " ").suffix(2).joined(separator: " ")) of 2, peak \(peak) of \(view.spec.vram)",
            line.hasSuffix("granted 1") && peak.bytes > 0 && peak <= view.spec.vram)
    }

    /// Waits until it has done its steps and the agent's next look at the segment shows it.
    private func settle(_ workload: DemoWorkload, _ demo: Demo) async throws {
        _ = try await demo.await_("'\(DemoWorkload.settled)' in the output of \(workload.name)") {
            let view = try await demo.workload(workload.name)
            guard !view.phase.hasEnded else {
                throw DemoError(
                    "\(workload.name) has ended: \(view.message) \(try demo.hcs(["logs", workload.name], show: false))")
            }
            let log = try await demo.agent.logs(view.id, stream: .stdout, tail: 4096)
            let denied = view.usage.reduce(UInt64(0)) { $0 + $1.denied }
            let used = view.usage.contains { $0.used.bytes > 0 }
            let told = used && (workload.refused == nil || denied > 0)
            return told && String(decoding: log, as: UTF8.self).contains(DemoWorkload.settled) ? true : nil
        }
    }
}
