import HCSAPI
import HCSModel

/// Step 2: five workloads of four clients, no device named; the two CUDA ones share a card.
struct PlacementStep {
    func run(_ demo: Demo) async throws {
        demo.screen.heading(2, "Five workloads, no device named")
        demo.screen.say(
            "Each asks for a runtime and an amount of VRAM. The scheduler picks the device where the least stays")
        demo.screen.say(
            "free, so that whole cards stay whole; the agent starts it with the preload library and only that device.")
        demo.screen.note(
            demo.bench.workloadUser.map { "The agent is root here, so workloads run as \($0)." }
                ?? "The agent is not root here, so workloads run as its own user.")
        // The second of a kind is sent when the first has its place, as two people would.
        for workload in DemoWorkload.five {
            try demo.hcs(workload.submitArguments(demo.bench))
            _ = try await demo.await_("\(workload.name) to be placed") {
                try await demo.workload(workload.name).grants.isEmpty ? nil : true
            }
        }
        let views = try await demo.await_("five running workloads") {
            let running = try await demo.scheduler.workloads().items.filter { $0.phase == .running }
            return running.count == DemoWorkload.five.count ? running : nil
        }
        let devices = try await demo.devices()
        demo.screen.line()
        for view in views.sorted(by: { $0.createdMilliseconds < $1.createdMilliseconds }) {
            let device = devices.first { $0.device.id == view.grants.first?.device }?.device
            demo.screen.say(
                "\(view.spec.name.padded(to: 12)) \(view.spec.runtime.rawValue.padded(to: 5)) "
                    + "-> \(device?.model ?? "?"), index \(device.map { String($0.index) } ?? "?"), \(device?.id.uuid ?? "?")"
            )
        }
        demo.screen.line()
        let right = views.filter { view in
            view.grants.count == 1 && view.grants.allSatisfy { view.spec.runtime.vendors.contains($0.vendor) }
        }
        demo.promise(
            "2", "each of five workloads runs on one device of its runtime's vendor",
            "\(right.count) of \(views.count)",
            right.count == DemoWorkload.five.count)
        let shared = Set(views.filter { $0.spec.runtime == .cuda }.flatMap { $0.grants.map(\.device) })
        let free = devices.filter { $0.device.vendor == .nvidia && $0.device.simulated && $0.ledger.workloads.isEmpty }
        demo.promise(
            "2", "the two CUDA workloads share a card, the other NVIDIA card stays free",
            "\(shared.count) card used, \(free.count) free", shared.count == 1 && free.count == 1)
    }
}
