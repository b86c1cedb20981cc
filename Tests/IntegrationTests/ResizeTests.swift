import Foundation
import HCSAPI
import HCSModel
import HCSTestSupport
import Testing

@Suite("A running workload's quota", .serialized)
struct ResizeTests {
    @Test("is raised and lowered while it runs, and beyond what is free it stays")
    func live() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(SimulatedHostTests.deviceCount)
        let client = cluster.client(.cuda)
        // Tries again and again, as a program would that waits for memory.
        let script =
            "until \(client) alloc 3Gi expect 0 >/dev/null; do sleep 0.05; done; echo up; "
            + "while \(client) alloc 3Gi expect 0 >/dev/null; do sleep 0.05; done; echo down; sleep 300"
        let submitted = try await cluster.run(
            "hcs", ["submit", "--name", "elastic", "--runtime", "cuda", "--vram", "2Gi", "--", "/bin/sh", "-c", script])
        #expect(submitted.code == 0, "\(submitted.error)")
        let running = try await cluster.wait(for: "elastic", "running") { $0.phase == .running && !$0.usage.isEmpty }

        let much = try await cluster.run("hcs", ["workload", "resize", "elastic", "--vram", "81Gi"])
        #expect(much.code == 65)
        #expect(much.error.contains("77.5Gi of 80Gi is free"), "\(much.error)")

        func output() async throws -> String { try await cluster.run("hcs", ["logs", "elastic"]).output }
        #expect(try await output() == "")
        let raised = try await cluster.run("hcs", ["workload", "resize", "elastic", "--vram", "4Gi"])
        #expect(raised.code == 0, "\(raised.error)")
        #expect(
            try await eventually { try await output() == "up\n" }, "\(cluster.log("hcs-agent"))")
        let up = try await cluster.wait(for: "elastic", "at 4Gi") { $0.usage.map(\.quota) == [.gibibytes(4)] }
        #expect(up.attempt == running.attempt && up.phase == .running)

        _ = try await cluster.run("hcs", ["workload", "resize", "elastic", "--vram", "1Gi"])
        #expect(
            try await eventually { try await output() == "up\ndown\n" },
            "\(cluster.log("hcs-agent"))")
        let down = try await cluster.wait(for: "elastic", "at 1Gi") { $0.usage.map(\.quota) == [.gibibytes(1)] }
        #expect(down.attempt == running.attempt && down.phase == .running, "it is never killed for it")
        #expect(down.events.filter { $0.kind == .resized }.count == 2)
        #expect(try await cluster.status().escapes?.isEmpty ?? true, "our own changes are no escape")
    }
}
