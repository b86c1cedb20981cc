import HCSAPI
import HCSModel

/// Step 7: what fits nowhere waits, and the scheduler says why.
struct QueueStep {
    func run(_ demo: Demo) async throws {
        demo.screen.heading(7, "A request that fits nowhere")
        try demo.hcs([
            "submit", "--name", "too-big", "--runtime", "cuda", "--vram", "200Gi", "--", demo.bench.client("cuda"),
            "hold", "600",
        ])
        // It must still wait after the scheduler has looked at it, not only before.
        let explanation = try await demo.await_("an explanation of too-big") {
            let explanation = try await demo.scheduler.explain("too-big")
            return explanation.devices.isEmpty ? nil : explanation
        }
        try demo.hcs(["explain", "too-big"])
        let view = try await demo.workload("too-big")
        demo.screen.line()
        demo.promise(
            "7", "a request for 200Gi stays queued", view.phase.rawValue, view.phase == .queued && view.grants.isEmpty)
        let devices = try await demo.devices().count
        let said = explanation.devices.filter { !$0.fits && !$0.reasons.isEmpty }.count
        demo.promise(
            "7", "hcs explain says for each device why not", "\(said) of \(devices) devices",
            said == devices && devices > 0)
    }
}
