import Foundation
import HCSAPI
import HCSModel

/// Step 5: SIGKILL loses nothing but the process.
struct KillStep {
    func run(_ demo: Demo) async throws {
        demo.screen.heading(5, "One is killed with SIGKILL")
        let victim = try await demo.workload("hygon-a")
        guard let device = victim.grants.first?.device else { throw DemoError("hygon-a has no device") }
        guard let pid = process(running: demo.bench.client("hip")) else {
            throw DemoError("no process runs the hip client")
        }
        let held = try await ledger(of: device, demo).granted
        demo.screen.say("hygon-a is process \(pid); its card has \(held) granted.")
        demo.screen.command("kill -KILL \(pid)")
        let begin = ContinuousClock.now
        kill(pid, SIGKILL)
        let back = try await demo.poll(within: .seconds(5), every: .milliseconds(10)) {
            try await ledger(of: device, demo).granted.bytes == 0 ? begin.duration(to: .now) : nil
        }
        let ended = try await demo.workload("hygon-a")
        demo.screen.say("hygon-a is \(ended.phase.rawValue): \(ended.exit?.description ?? ended.message)")
        let driver = try demo.simulatedDriver().devices.first { $0.id == device }?.requested
        demo.promise(
            "5", "its memory is back in the ledger within a second",
            back.map { "after \($0.milliseconds) ms, \(driver.map { "\($0)" } ?? "?") bytes left at the driver" }
                ?? "not within 5 s",
            (back ?? .seconds(9)) <= .seconds(1) && driver == .zero)

        let whole = "60Gi"
        try demo.hcs([
            "submit", "--name", "hygon-b", "--runtime", "hip", "--vram", whole, "--", demo.bench.client("hip"), "alloc",
            "40Gi",
            "hold", "600",
        ])
        let next = try await demo.poll(within: .seconds(10)) {
            let view = try await demo.workload("hygon-b")
            return view.phase == .running && view.usage.contains { $0.used.bytes > 0 } ? view : nil
        }
        demo.promise(
            "5", "the device is free for the next",
            next.map { "hygon-b runs there with \($0.spec.vram)" } ?? "hygon-b does not run",
            next?.grants.first?.device == device)
    }

    private func ledger(of device: DeviceID, _ demo: Demo) async throws -> (granted: ByteCount, free: ByteCount) {
        guard let view = try await demo.devices().first(where: { $0.device.id == device }) else {
            throw DemoError("device \(device) has vanished")
        }
        return (view.ledger.granted, view.ledger.free)
    }

    private func process(running program: String) -> pid_t? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.first {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/exe")) == program
        }
    }
}

extension Duration {
    var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
